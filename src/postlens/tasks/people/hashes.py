"""PDQ hashes of frames to which of them are near each other: exact within a number of bits, among millions.

Multi-index hashing (Norouzi, Punjani, Fleet 2012, "Fast search in Hamming space with multi-index hashing"): of the 16
parts of 16 bits, two hashes within 31 bits agree in at least one part but for at most one bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.types import FrameHashes, IntArray

Words = NDArray[np.uint64]  # (N, 4)
MAX_BITS = 31  # PDQ distance of the same picture (Facebook 2019). Higher finds heavier edits, and other pictures
MIN_QUALITY = 50  # PDQ quality of a hash to be trusted (same source). Lower lets flat frames match each other
# Another take of one scene is as close as neighbouring frames are, a copy is closer: a pair of frames counts up to this
# multiple of the distance to the nearest other frame of their own clips. Both measured on clips of one recording, see
# docs/log/people.md; higher links two takes, lower misses strongly compressed copies of a still scene.
MAX_RATIO = 1.2
NOISE_BITS = 12  # ... but always up to the distance that compression alone makes
PARTS = 16  # of 16 bits each; the search is exact for MAX_BITS < 2 * PARTS
MAX_CANDIDATES = 1 << 20  # hashes compared at once: 64 MB

_PROBES = np.concatenate([[0], 1 << np.arange(16)]).astype(np.uint16)  # a part as it is, and with one bit changed


def trusted_words(hashes: FrameHashes | None) -> Words:
    """The hashes of good quality as 64-bit words: (N, 4)."""
    if hashes is None:
        return np.zeros((0, 4), np.uint64)
    return np.ascontiguousarray(hashes.bits[hashes.quality >= MIN_QUALITY]).view(np.uint64)


def hamming(a: Words, b: Words) -> NDArray[np.uint16]:
    """Numbers of differing bits: (N, 4) and (M, 4) words to (N, M)."""
    distance = np.zeros((len(a), len(b)), np.uint16)
    for word in range(a.shape[1]):
        distance += np.bitwise_count(a[:, None, word] ^ b[None, :, word])
    return distance


def mirrored(words: Words) -> Words:
    """Hashes of the mirrored frames, nearly: where cosines have an odd number of half waves the bits turn.

    PDQ's bits tell whether coefficients are above the median, which is near zero but not zero. Of mirrored photos 88 %
    are within 31 bits of this, half of them within 16 (recipes/people_copies.py).
    """
    return words ^ np.packbits(np.tile(np.arange(16) % 2 == 1, 16)).view(np.uint64)


def paired_hamming(a: Words, b: Words) -> NDArray[np.uint16]:
    """Numbers of differing bits row by row: (N, 4) and (N, 4) words to (N,)."""
    return np.asarray(np.bitwise_count(a ^ b).sum(axis=1, dtype=np.uint16), np.uint16)


@dataclass(frozen=True, slots=True)
class HashIndex:
    """Hashes ready to be searched. 16 bytes for each hash and 4 MB beside the words themselves."""

    words: Words
    rows: NDArray[np.int32]  # (PARTS, N) sorted by the value of that part
    starts: NDArray[np.int32]  # (PARTS, 65537) of each value in `rows`

    @classmethod
    def of(cls, words: Words) -> HashIndex:
        """An index of (N, 4) words."""
        parts = np.ascontiguousarray(words).view(np.uint16).reshape(-1, PARTS)
        rows = np.stack([np.argsort(parts[:, part], kind="stable") for part in range(PARTS)]).astype(np.int32)
        counts = np.stack([np.bincount(parts[:, part], minlength=1 << 16) for part in range(PARTS)])
        starts = np.concatenate([np.zeros((PARTS, 1), np.int64), counts.cumsum(axis=1)], axis=1)
        return cls(words, rows, starts.astype(np.int32))

    def near(self, queries: Words, *, max_bits: int = MAX_BITS) -> tuple[IntArray, IntArray, NDArray[np.uint16]]:
        """All hashes within `max_bits` (at most `MAX_BITS`) of each query.

        Returns:
            Rows of the queries and of the index, sorted, and their distances: (K,) each.
        """
        found = [self._near(queries[at], at.start, max_bits) for at in self._blocks(queries)]
        asked, rows, bits = (np.concatenate(column) for column in zip(*found, strict=True)) if found else _NOTHING
        return asked, rows, bits

    def _ranges(self, queries: Words) -> tuple[IntArray, IntArray]:
        """Where the candidates of each query, part and probe begin in the flat `rows`, and how many: (Q, 272) each."""
        parts = np.ascontiguousarray(queries).view(np.uint16).reshape(-1, PARTS)
        values = (parts[:, :, None] ^ _PROBES).astype(np.int64)
        part = np.arange(PARTS)[None, :, None]
        first = self.starts[part, values].astype(np.int64)
        count = self.starts[part, values + 1] - first
        return (first + part * len(self.words)).reshape(len(queries), -1), count.reshape(len(queries), -1)

    def _blocks(self, queries: Words) -> Iterator[slice]:
        """Runs of queries that have at most `MAX_CANDIDATES` candidates together, or are one."""
        start = 0
        while start < len(queries):
            stop = min(start + 256, len(queries))
            ends = self._ranges(queries[start:stop])[1].sum(axis=1).cumsum()
            stop = start + max(1, int(np.searchsorted(ends, MAX_CANDIDATES, side="right")))
            yield slice(start, stop)
            start = stop

    def _near(self, queries: Words, offset: int, max_bits: int) -> tuple[IntArray, IntArray, NDArray[np.uint16]]:
        first, count = self._ranges(queries)
        n_asked, flat = count.sum(axis=1), count.ravel()
        steps = np.arange(flat.sum()) - np.repeat(flat.cumsum() - flat, flat)
        rows = self.rows.ravel()[np.repeat(first.ravel(), flat) + steps]
        asked = np.repeat(np.arange(len(queries)), n_asked)
        bits = paired_hamming(self.words[rows], queries[asked])
        close = np.flatnonzero(bits <= max_bits)
        keys, once = np.unique(asked[close] * np.int64(len(self.words)) + rows[close], return_index=True)
        asked, rows = np.divmod(keys, len(self.words))
        return asked + offset, rows, bits[close][once]


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint16))


def leaders(words: Words, *, max_bits: int = NOISE_BITS) -> IntArray:
    """Each hash's row to the first that is nearly equal and stands for it, its own for all others: (N,).

    Of the hashes that share one of eight parts of 32 bits the first stands for those within `max_bits`. So many copies
    of one picture are searched for once, and the work is linear. Up to 7 bits a part is always shared.
    """
    leader = np.arange(len(words))
    parts = np.ascontiguousarray(words).view(np.uint32).reshape(-1, 8)
    for part in range(parts.shape[1]):
        alive = np.flatnonzero(leader == np.arange(len(words)))
        _, first, group = np.unique(parts[alive, part], return_index=True, return_inverse=True)
        head = alive[first[group]]
        close = paired_hamming(words[alive], words[head]) <= max_bits
        leader[alive[close]] = head[close]
    while (leader[leader] != leader).any():
        leader = leader[leader]
    return leader


def copied_share(a: Words, b: Words) -> float:
    """Share of the shorter clip's frames that have their own copy in the other, in [0, 1].

    Frames are copies when each is the other's nearest, within `MAX_BITS`, and no farther than `MAX_RATIO` times the
    nearest other frame of their own clips (or `NOISE_BITS`). Words are (N, 4) and (M, 4).
    """
    distance = hamming(a, b)
    own = np.maximum(_own_nearest(a)[:, None], _own_nearest(b)[None, :])
    near = distance <= np.minimum(MAX_BITS, np.maximum(NOISE_BITS, MAX_RATIO * own))
    mutual = (distance == distance.min(axis=1, keepdims=True)) & (distance == distance.min(axis=0, keepdims=True))
    copied = near & mutual
    n_copied = min(copied.any(axis=1).sum(), copied.any(axis=0).sum())
    return float(n_copied / min(len(a), len(b)))


def _own_nearest(words: Words) -> NDArray[np.uint16]:
    """Distance of each hash to the nearest other one of its clip; 256, the most, for a single one: (N,)."""
    distance = hamming(words, words)
    np.fill_diagonal(distance, 256)
    return np.asarray(distance.min(axis=1), np.uint16)
