"""Media to the few others that each is most like, kept up as media come and go.

Each list is what a search among all media would give, whatever came when: the nearest by score, equal scores by row. A
list changes only where a new medium is near enough to enter it; one that was full and lost a member is made anew.
Scores are whole numbers, so that no order of arithmetic changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.people.hashes import HashIndex, Words, mirrored
from postlens.types import FloatArray, IntArray

MIN_COSINE = 0.5  # below it, what looks alike is no copy: 99 % of edited photos are above .56. Lower compares more
# Media in a list. Of edited photos 94 to 100 % have their original among 8; clips, whose frames each resemble others,
# lose 1 copy in 100 with 8. More is slower.
NEAREST = {"image": 8, "video": 24}
PROJECTED = 256  # dimensions the vectors are shortened to: cosines change by .03 (Johnson, Lindenstrauss 1984)
LENGTH = 512  # of shortened vectors, then rounded: products of 256 numbers up to 127 are exact in float32
QUERIES = (0.25, 0.5, 0.75)  # frames that are looked for, as parts of a clip; of two copies one has them all
BLOCK_CELLS = 4_000_000  # products at once: 16 MB
NONE, GONE = -1, -2  # in place of a row: no further neighbour; one that is no longer there

Float64Array = NDArray[np.float64]
Short = NDArray[np.int8]  # (F, PROJECTED) of the frames of a media file
Found = tuple[IntArray, IntArray, IntArray]  # asked row, other row, score: (K,) each


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest of each of N media, the nearest first."""

    row: IntArray  # (N, K) rows of media, NONE or GONE
    score: IntArray  # (N, K)

    @classmethod
    def nothing(cls, n: int, n_nearest: int) -> Neighbours:
        """Empty lists for up to so many."""
        return cls(np.full((n, n_nearest), NONE, np.int64), np.zeros((n, n_nearest), np.int64))

    def pairs(self) -> IntArray:
        """Pairs of rows of which one is in the other's list, the smaller first, sorted: (K, 2)."""
        owner, place = np.nonzero(self.row >= 0)
        both = np.stack([owner, self.row[owner, place]], axis=1)
        return np.unique(np.sort(both, axis=1), axis=0).reshape(-1, 2)

    def updated(self, new: NDArray[np.bool_], search: Callable[[IntArray, IntArray], Iterator[Found]]) -> Neighbours:
        """The lists with the `new` rows (N,), whose own lists are empty so far, and without those that are gone.

        `search(asked, least)` gives for each asked row at least as many of the nearest as lists hold, and of other rows
        those whose score reaches `least` (N,).
        """
        full = (self.row != NONE).all(axis=1)
        again = new | (full & (self.row == GONE).any(axis=1))
        if not again.any():
            return self._best(*self._entries(~again))
        least = np.where(full, self.score.min(axis=1), 0)
        least[again] = np.iinfo(np.int64).max
        parts = [self._entries(~again)]
        for asked, other, score in search(np.flatnonzero(again), least):
            back = new[asked] & ~again[other]
            parts += [(asked, other, score), (other[back], asked[back], score[back])]
        owner, other, score = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self._best(owner, other, score)

    def _entries(self, rows: NDArray[np.bool_]) -> Found:
        owner, place = np.nonzero((self.row >= 0) & rows[:, None])
        return owner, self.row[owner, place], self.score[owner, place]

    def _best(self, owner: IntArray, other: IntArray, score: IntArray) -> Neighbours:
        owner, other, score = _largest_once(owner, other, score)
        order = np.lexsort((other, -score, owner))
        owner, other, score = owner[order], other[order], score[order]
        place = np.arange(len(owner)) - np.searchsorted(owner, owner)
        kept, found = place < self.row.shape[1], self.nothing(*self.row.shape)
        found.row[owner[kept], place[kept]] = other[kept]
        found.score[owner[kept], place[kept]] = score[kept]
        return found


def shortened(vectors: FloatArray) -> Short:
    """Vectors (F, D) to whole numbers with nearly the same cosines; the same for the same vectors everywhere."""
    exact = vectors.astype(np.float64) @ _projection(vectors.shape[1])
    exact *= LENGTH / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-9)
    return np.clip(np.rint(exact), -127, 127).astype(np.int8)


@cache
def _projection(n: int) -> Float64Array:
    return np.random.default_rng(0).standard_normal((n, PROJECTED))


@dataclass(frozen=True, slots=True)
class LookSearch:
    """Media by the embeddings of their frames: the score is the largest product of two frames."""

    frames: FloatArray  # (F, PROJECTED) whole numbers
    starts: IntArray  # (N + 1,) where the frames of each medium begin
    n_nearest: int  # that lists hold

    @classmethod
    def of(cls, shorts: list[Short], n_nearest: int) -> LookSearch:
        """Media in the order of their rows; those without embeddings are near nothing."""
        counts = [len(short) for short in shorts]
        frames = np.concatenate([np.zeros((0, PROJECTED), np.int8), *shorts]).astype(np.float32)
        return cls(frames, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64), n_nearest)

    def __call__(self, asked: IntArray, least: IntArray) -> Iterator[Found]:
        """See `Neighbours.updated`."""
        counts = np.diff(self.starts)
        known, asked = np.flatnonzero(counts), asked[counts[asked] > 0]
        if not len(known):
            return
        owner = np.repeat(np.arange(len(counts)), counts)
        chosen = np.unique(
            np.concatenate([self.starts[known] + (counts[known] * part).astype(int) for part in QUERIES])
        )
        floor = np.maximum(least[known], int(MIN_COSINE * LENGTH**2))
        step = max(1, BLOCK_CELLS // max(1, len(self.frames)) // max(1, int(counts[asked].max(initial=1))))
        for at in range(0, len(asked), step):
            some = asked[at : at + step]
            score = self._scores(some, known, owner, chosen)
            score[np.arange(len(some)), np.searchsorted(known, some)] = -1
            yield _reaching(score, some, known, floor, n_nearest=self.n_nearest)

    def _scores(self, some: IntArray, known: IntArray, owner: IntArray, chosen: IntArray) -> FloatArray:
        """Of each medium of some with each known one: (S, K)."""
        rows = np.concatenate([np.arange(self.starts[one], self.starts[one + 1]) for one in some.tolist()])
        if len(self.frames) == len(known):
            return np.asarray(self.frames[rows] @ self.frames.T, np.float32)
        asking = rows[np.isin(rows, chosen)]
        found = [(asking, np.arange(len(self.frames))), (rows, chosen)]
        first, second = (self._largest(a, b, owner) for a, b in found)
        return np.asarray(np.maximum(first, second), np.float32)

    def _largest(self, a: IntArray, b: IntArray, owner: IntArray) -> FloatArray:
        """Largest products by the owners of frames `a` and `b`, each sorted by owner."""
        product = self.frames[a] @ self.frames[b].T
        firsts = (np.flatnonzero(np.diff(owner[rows], prepend=-1)) for rows in (a, b))
        by_a, by_b = firsts
        return np.asarray(np.maximum.reduceat(np.maximum.reduceat(product, by_b, axis=1), by_a, axis=0), np.float32)


def _reaching(score: FloatArray, asked: IntArray, known: IntArray, floor: IntArray, *, n_nearest: int) -> Found:
    """Cells that are among the largest of their row, or reach the floor of their column."""
    n = min(n_nearest, score.shape[1])
    largest = np.partition(score, score.shape[1] - n, axis=1)[:, score.shape[1] - n]
    bar = np.maximum(largest, MIN_COSINE * LENGTH**2)
    row, column = np.nonzero(score >= np.minimum(bar[:, None], floor.astype(np.float64)))
    return asked[row], known[column], score[row, column].astype(np.int64)


@dataclass(frozen=True, slots=True)
class HashSearch:
    """Media by the hashes of their frames, mirrored or not: the score is the number of bits that agree."""

    index: HashIndex
    owner: IntArray  # (H,) row of the medium of each hash, sorted

    @classmethod
    def of(cls, words: list[Words]) -> HashSearch:
        """Media in the order of their rows."""
        owner = np.repeat(np.arange(len(words)), [len(own) for own in words])
        return cls(HashIndex.of(np.concatenate([np.zeros((0, 4), np.uint64), *words])), owner)

    def __call__(self, asked: IntArray, least: IntArray) -> Iterator[Found]:
        """See `Neighbours.updated`; `least` saves nothing here."""
        rows = np.flatnonzero(np.isin(self.owner, asked))
        words = self.index.words
        for at in range(0, len(rows), 4096):
            some = rows[at : at + 4096]
            for queries in (words[some], mirrored(words[some])):
                query, found, bits = self.index.near(queries)
                yield _largest_once(self.owner[some[query]], self.owner[found], 256 - bits.astype(np.int64))


def _largest_once(asked: IntArray, other: IntArray, score: IntArray) -> Found:
    """The largest score of each pair of different media."""
    order = np.lexsort((-score, other, asked))
    asked, other, score = asked[order], other[order], score[order]
    again = (np.diff(asked, prepend=-1) == 0) & (np.diff(other, prepend=-1) == 0)
    once = ~again & (asked != other)
    return asked[once], other[once], score[once]
