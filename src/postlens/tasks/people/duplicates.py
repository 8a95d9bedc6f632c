"""Fingerprints of media files to pairs of copies: the same bytes, the same frames, or frames that look the same.

Copies are found in three steps, each for what the one before misses: sha256; PDQ hashes of frames (Facebook 2019);
frame embeddings aligned in time. All media that are linked by copies, directly or through others, are one group, and
the earliest of a group is kept. So the result does not depend on the order in which the files are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, FrameHashes, IntArray, MediaKind

MAX_BITS = 31  # PDQ distance of the same picture (Facebook 2019). Higher finds heavier edits, and other pictures
MIN_QUALITY = 50  # PDQ quality of a hash to be trusted (same source). Lower lets flat frames match each other
MIN_SHARE = 0.5  # of the frames of the shorter clip. Higher misses cuts between sampled frames; lower links stock shots
# Another take of one scene is as close as neighbouring frames are, a copy is closer: a pair of frames counts up to this
# multiple of the distance to the nearest other frame of their own clips. Both measured by recipes/people.py on clips
# of one recording; higher links two takes, lower misses strongly compressed copies of a still scene.
MAX_RATIO = 1.2
NOISE_BITS = 12  # ... but always up to the distance that compression alone makes
# Two takes of one scene look as alike (cosine up to .96) as a mirrored copy does, so likeness alone proves nothing.
# What a copy has and a take lacks: each frame is most like its own counterpart, in order (by chance, 1 of n! orders).
MIN_COSINE = 0.75  # of every aligned pair. Higher loses mirrored and padded copies, lower compares what is not alike
MIN_ALIGNED = 4  # frames that are each other's nearest at the same time. Higher misses short clips, lower meets chance
MIN_ALIGNED_SHARE = 0.6  # of the shorter clip's frames; both measured by recipes/people.py
BLOCK_CELLS = 1_000_000  # hash pairs compared at once: 4 words of 8 bytes each, 32 MB

Reason = Literal["bytes", "frames", "look"]


@dataclass(frozen=True, slots=True)
class Content:
    """What is compared of one media file."""

    content_id: str
    order: int  # position in the campaign: the smallest of a group is the first
    sha256: str
    kind: MediaKind
    hashes: FrameHashes | None = None
    vectors: FloatArray | None = None  # (N, D) frame embeddings in time order


class Duplicate(NamedTuple):
    """A copy and the first of its group."""

    later_id: str
    first_id: str
    reason: Reason
    score: float  # bytes: 1; frames: share of the shorter clip; look: least cosine of the aligned frames


class _Match(NamedTuple):
    a: int
    b: int
    reason: Reason
    score: float


def find_duplicates(items: Sequence[Content]) -> tuple[Duplicate, ...]:
    """Every item that copies an earlier one, by order; `(later_id, first_id, reason, score)`.

    The reason and score are those of the best match with any earlier item of the group, else with any item of it.
    Images are compared with images, videos with videos.
    """
    items = sorted(items, key=lambda item: (item.order, item.content_id))
    matches = _matches(items)
    first = _first_of_group(len(items), matches)
    best: dict[int, _Match] = {}
    for match in sorted(matches, key=lambda match: (match.reason, -match.score, match.a, match.b)):
        best.setdefault(match.b, match)
    for match in matches:
        best.setdefault(match.a, match)
    later = [row for row in range(len(items)) if first[row] != row]
    return tuple(
        Duplicate(items[row].content_id, items[first[row]].content_id, best[row].reason, best[row].score)
        for row in later
    )


def _matches(items: Sequence[Content]) -> list[_Match]:
    """Matching pairs of rows, the earlier first, each with the first reason that finds it."""
    found: dict[tuple[int, int], _Match] = {}
    for kind in ("image", "video"):
        rows = [row for row, item in enumerate(items) if item.kind == kind]
        for match in (*_same_bytes(items, rows), *_same_frames(items, rows), *_same_look(items, rows)):
            found.setdefault((match.a, match.b), match)
    return list(found.values())


def _first_of_group(n: int, matches: Sequence[_Match]) -> list[int]:
    first = list(range(n))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    for match in matches:
        low, high = sorted((root(match.a), root(match.b)))
        first[high] = low
    return [root(row) for row in range(n)]


def _same_bytes(items: Sequence[Content], rows: Sequence[int]) -> Iterator[_Match]:
    seen: dict[str, int] = {}
    for row in rows:
        earlier = seen.setdefault(items[row].sha256, row)
        if earlier != row:
            yield _Match(earlier, row, "bytes", 1.0)


# --- frames ---------------------------------------------------------------------------------------------------------


def _same_frames(items: Sequence[Content], rows: Sequence[int]) -> Iterator[_Match]:
    trusted = {row: trusted_words(items[row].hashes) for row in rows}
    rows = [row for row in rows if len(trusted[row])]
    if not rows:
        return
    equal = _rows_of_equal_hashes(trusted, rows)
    firsts = [row for row in rows if row not in equal]
    words = np.concatenate([trusted[row] for row in firsts])
    owner = np.repeat(firsts, [len(trusted[row]) for row in firsts])
    near = _owners_of_near_hashes(words, owner)
    for a, b in sorted([*near, *((first, row) for row, first in equal.items())]):
        single = len(trusted[a]) == len(trusted[b]) == 1  # images: near is all there is to ask
        score = 1.0 if single else copied_share(trusted[a], trusted[b])
        if score >= MIN_SHARE:
            yield _Match(a, b, "frames", score)


def _rows_of_equal_hashes(trusted: Mapping[int, NDArray[np.uint64]], rows: Sequence[int]) -> dict[int, int]:
    """Each row to the first with the same hashes, those firsts left out: what matches the one matches the other."""
    seen: dict[bytes, int] = {}
    firsts = {row: seen.setdefault(trusted[row].tobytes(), row) for row in rows}
    return {row: first for row, first in firsts.items() if row != first}


def trusted_words(hashes: FrameHashes | None) -> NDArray[np.uint64]:
    """The hashes of good quality as 64-bit words: (N, 4)."""
    if hashes is None:
        return np.zeros((0, 4), np.uint64)
    return np.ascontiguousarray(hashes.bits[hashes.quality >= MIN_QUALITY]).view(np.uint64)


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Numbers of differing bits: (N, 4) and (M, 4) words to (N, M)."""
    distance = np.zeros((len(a), len(b)), np.uint16)
    for word in range(a.shape[1]):
        distance += np.bitwise_count(a[:, None, word] ^ b[None, :, word])
    return distance


def _owners_of_near_hashes(words: NDArray[np.uint64], owner: IntArray) -> list[tuple[int, int]]:
    """Pairs of media, in order, with any two hashes within `MAX_BITS`."""
    found: set[tuple[int, int]] = set()
    step = max(1, BLOCK_CELLS // len(words))
    for start in range(0, len(words), step):
        query, other = np.nonzero(hamming(words[start : start + step], words[start:]) <= MAX_BITS)
        pairs = np.unique(np.stack([owner[start + query], owner[start + other]], axis=1), axis=0)
        found.update((a, b) for a, b in np.sort(pairs, axis=1).tolist() if a != b)
    return sorted(found)


def copied_share(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
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


def _own_nearest(words: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Distance of each hash to the nearest other one of its clip; 256, the most, for a single one: (N,)."""
    distance = hamming(words, words)
    np.fill_diagonal(distance, 256)
    return np.asarray(distance.min(axis=1), np.uint16)


# --- look -----------------------------------------------------------------------------------------------------------


def _same_look(items: Sequence[Content], rows: Sequence[int]) -> Iterator[_Match]:
    found = {row: vectors for row in rows if len(vectors := unit_rows(items[row].vectors)) >= MIN_ALIGNED}
    for a, b in _owners_of_like_frames(found):
        score = aligned_cosine(found[a], found[b])
        if score is not None:
            yield _Match(a, b, "look", score)


def unit_rows(vectors: FloatArray | None) -> FloatArray:
    if vectors is None:
        return np.zeros((0, 1), np.float32)
    norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(vectors / norms, np.float32)


def _owners_of_like_frames(found: dict[int, FloatArray]) -> list[tuple[int, int]]:
    """Pairs of media, in order, where one's middle frame is at `MIN_COSINE` or more with any frame of the other.

    Loses nothing: every frame of the shorter clip of two copies has such a counterpart, so its middle one has.
    """
    if not found:
        return []
    like: set[tuple[int, int]] = set()
    rows = np.array(list(found))
    owner = np.repeat(rows, [len(vectors) for vectors in found.values()])
    frames = np.concatenate(list(found.values()))
    middles = np.stack([vectors[len(vectors) // 2] for vectors in found.values()])
    step = max(1, BLOCK_CELLS // len(frames))
    for start in range(0, len(middles), step):
        query, other = np.nonzero(middles[start : start + step] @ frames.T >= MIN_COSINE)
        pairs = np.unique(np.stack([rows[start + query], owner[other]], axis=1), axis=0)
        like.update((a, b) for a, b in np.sort(pairs, axis=1).tolist() if a != b)
    return sorted(like)


def aligned_cosine(a: FloatArray, b: FloatArray) -> float | None:
    """Least cosine of the frames of two clips at their best alignment in time, or `None` where they are no copies.

    Unit vectors (N, D) and (M, D). Alignments are the shorter clip at every offset in the longer one, and stretched
    over all of it (another speed).
    """
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    cosine = short @ long.T
    mutual = (cosine == cosine.max(axis=1, keepdims=True)) & (cosine == cosine.max(axis=0, keepdims=True))
    rows = np.arange(len(short))
    offsets = [rows + offset for offset in range(len(long) - len(short) + 1)]
    stretched = np.round(np.linspace(0, len(long) - 1, len(short))).astype(np.int64)
    columns = max([*offsets, stretched], key=lambda at: (mutual[rows, at].sum(), cosine[rows, at].min()))
    n_aligned, least = int(mutual[rows, columns].sum()), float(cosine[rows, columns].min())
    enough = n_aligned >= max(MIN_ALIGNED, MIN_ALIGNED_SHARE * len(short))
    return least if enough and least >= MIN_COSINE else None
