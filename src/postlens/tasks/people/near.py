"""Vectors to pairs of them within a distance, by exhaustive search, and to what such pairs connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, IntArray

Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Pairs = IntArray  # (E, 2) rows of the vectors, the smaller first

BLOCK_CELLS = 1_048_576  # distances held at once: 4 MB, near to what a cache holds; 16 MB takes half as long again
BLOCK_QUERIES = 512  # points compared with a block of vectors at once: fewer are bound by memory, not by arithmetic
BLOCK_PAIRS = 16_384  # vectors of pairs held at once: 2 x 16 MB at 128 dimensions; and near pairs, where all are near
SLACK = 1e-4  # of the largest squared norm: over the worst float32 rounding of 128 products
# Directions of most variance that are compared first: a distance in them is never above the whole one. 32 of 128 hold
# most of it in face templates and take a quarter of the time; fewer let more pairs through to the second look.
N_AXES = 32
MIN_ROWS = 50_000  # rows from which on finding the axes pays
N_SAMPLE = 4_096  # rows that the axes are found from; they need not be exact, only orthogonal


def components(n: int, pairs: Pairs) -> IntArray:
    """Connected components of a graph of n nodes: the smallest row of each node's component, (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    label = np.arange(n)
    ends, place = np.unique(pairs, return_inverse=True)  # sorted, so the smallest of them is the smallest row
    if len(ends):
        first, second = place.reshape(-1, 2).T
        graph = coo_array((np.ones(len(pairs), np.int8), (first, second)), shape=(len(ends), len(ends)))
        label[ends] = ends[smallest_row(connected_components(graph, directed=False)[1])]
    return label


def smallest_row(label: IntArray) -> IntArray:
    """Any labels, renamed to the smallest row that has the same label: (n,)."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def near_components(vectors: FloatArray, *, radius: float, joined: IntArray | None = None) -> IntArray:
    """Components of the graph of vectors at an L2 distance of at most `radius`: smallest row of each, (n,).

    Exhaustive search by blocks of matrix products; pairs a rounding error beyond the radius count too, so a component
    may be two. `joined` (n,): rows of equal value are in one component whatever their distance.
    """
    n = len(vectors)
    label = smallest_row(np.arange(n) if joined is None else joined)
    waiting: list[Pairs] = []
    n_waiting = 0
    for query, other in _near_pairs(vectors, radius=radius):
        apart = label[query] != label[other]
        waiting.append(np.stack([label[query[apart]], label[other[apart]]], axis=1))
        n_waiting += len(waiting[-1])
        if n_waiting > n:  # one pass over all labels for as many pairs
            label, waiting, n_waiting = _joined_by(waiting, label), [], 0
    return _joined_by(waiting, label)


def _joined_by(pairs: Sequence[Pairs], label: IntArray) -> IntArray:
    n = len(label)
    return components(n, np.concatenate([*pairs, np.stack([np.arange(n), label], axis=1)]))


def _near_pairs(vectors: FloatArray, *, radius: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Near pairs of rows, some at a time, each at least once."""
    table = with_norms(vectors)
    for start in range(0, len(vectors), BLOCK_QUERIES):
        some = vectors[start : start + BLOCK_QUERIES]
        for query, other in near_points(table[start:], some, squared=np.full(len(some), radius * radius)):
            yield query + start, other + start


def with_norms(vectors: FloatArray) -> FloatArray:
    """Vectors (N, D) beside their squared L2 lengths: (N, D + 1)."""
    norms = np.einsum("ij,ij->i", vectors, vectors)
    return np.concatenate([vectors, norms[:, None]], axis=1)


def near_points(table: FloatArray, points: FloatArray, *, squared: Float64Array) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs (point, row) of vectors within the squared L2 distance of each point, some pairs at a time.

    Exhaustive, in float32: a pair a rounding error further apart counts too. `table`: `with_norms(vectors)`, so that
    one product gives the squared distances but for the points' own lengths.
    """
    own = np.einsum("ij,ij->i", points, points)
    limit = (squared - own + SLACK * float(table[:, -1].max(initial=0.0))).astype(np.float32)
    step = max(1, BLOCK_CELLS // BLOCK_QUERIES)
    for first in range(0, len(points), BLOCK_QUERIES):
        some = slice(first, first + BLOCK_QUERIES)
        doubled = np.ascontiguousarray(np.concatenate([-2 * points[some], np.ones_like(points[some, :1])], axis=1).T)
        for start in range(0, len(table), step):
            yield from _hits(table[start : start + step] @ doubled <= limit[some], row=start, point=first)


def _hits(near: BoolArray, *, row: int, point: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs (point, row) of a block (rows, points), few rows at a time where all are near."""
    few = max(1, BLOCK_PAIRS // max(1, near.shape[1]))
    rows = np.flatnonzero(near.any(axis=1))
    for start in range(0, len(rows), few):
        some = rows[start : start + few]
        other, query = np.nonzero(near[some])
        yield query + point, some[other] + row


@dataclass(slots=True)
class Neighbourhood:
    """Vectors in which many points are looked for, a few hundred at a time."""

    vectors: FloatArray  # (N, D)
    _axes: FloatArray | None = field(init=False, default=None)  # (D, N_AXES) orthonormal
    _table: FloatArray = field(init=False)  # the vectors along them, or the vectors, `with_norms`
    _slack: float = field(init=False)

    def __post_init__(self) -> None:
        short = self.vectors
        if len(short) >= MIN_ROWS and short.shape[1] > N_AXES:
            sample = short[:: max(1, len(short) // N_SAMPLE)].astype(np.float64)
            _, axes = np.linalg.eigh(np.cov(sample.T))
            self._axes = np.ascontiguousarray(axes[:, -N_AXES:], np.float32)
            short = short @ self._axes
        self._table = with_norms(short)
        self._slack = SLACK * float(np.einsum("ij,ij->i", self.vectors, self.vectors).max(initial=0.0))

    def within(self, points: FloatArray, squared: Float64Array) -> list[IntArray]:
        """Rows within a squared L2 distance of each point, or a rounding error further."""
        short = points if self._axes is None else points @ self._axes
        found = list(near_points(self._table, short, squared=squared))
        empty = np.empty(0, np.int64)
        point, row = (np.concatenate([empty, *part]) for part in (zip(*found, strict=True) if found else ((), ())))
        if self._axes is not None:
            keep = self._squared(points, point, row) <= squared[point] + self._slack
            point, row = point[keep], row[keep]
        order = np.argsort(point, kind="stable")
        return np.split(row[order], np.searchsorted(point[order], np.arange(1, len(points)))) if len(points) else []

    def _squared(self, points: FloatArray, point: IntArray, row: IntArray) -> FloatArray:
        out = np.empty(len(point), np.float32)
        for start in range(0, len(point), BLOCK_PAIRS):
            part = slice(start, start + BLOCK_PAIRS)
            apart = self.vectors[row[part]] - points[point[part]]
            out[part] = np.einsum("ij,ij->i", apart, apart)
        return out
