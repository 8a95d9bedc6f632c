"""Identity vectors to clusters: average linkage with links that must or must not be, exact, in bounded memory.

The distance of two clusters is the root of the mean squared L2 distance over their pairs (UPGMA, Sokal & Michener 1958,
over squared distances). It needs only a sum, a mean squared norm and a count per cluster, so no n x n matrix is kept:
mean |a - b|^2 = mean |a|^2 + mean |b|^2 - 2 mean(a) . mean(b). It is never below the mean distance, so the departure
errs towards two persons.

Two facts keep the work sparse and the result exact:
- A mean of at most t needs one pair of at most t. So clusters never span two components of the graph of near pairs, and
  a pair of clusters without a near pair never merges.
- The linkage is reducible (Bruynooghe 1977): two clusters that are each other's nearest stay so until they merge. So
  all such pairs merge in one round (reciprocal agglomeration, Sumengen et al. 2021) with the result of the
  one-at-a-time definition: merge the closest pair that may be one person, until none is within the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, IntArray

Float64Array = NDArray[np.float64]
Pairs = IntArray  # (E, 2) rows of the vectors, the smaller first

BLOCK_CELLS = 4_000_000  # distances held at once: 16 MB; larger is not faster on two cores
BLOCK_PAIRS = 16_384  # vectors of pairs held at once: 2 x 16 MB at 128 dimensions
SLACK = 1e-4  # of the largest squared norm: over the worst float32 rounding of 128 products; float64 decides


def squared_distances(vectors: FloatArray, pairs: Pairs) -> Float64Array:
    """Squared L2 distance of each pair in float64, the same whatever the other pairs are: (E,)."""
    out = np.empty(len(pairs), np.float64)
    for start in range(0, len(pairs), BLOCK_PAIRS):
        rows = slice(start, start + BLOCK_PAIRS)
        difference = vectors[pairs[rows, 0]].astype(np.float64) - vectors[pairs[rows, 1]]
        out[rows] = np.einsum("ij,ij->i", difference, difference)
    return out


def near_pairs(vectors: FloatArray, *, radius: float, rows: IntArray | None = None) -> Pairs:
    """All pairs at an L2 distance of at most `radius`, or those with an end in `rows`: (E, 2), sorted, without repeats.

    Exhaustive search by blocks of matrix products; memory is `BLOCK_CELLS` distances and the pairs found.
    """
    n = len(vectors)
    queries = np.arange(n) if rows is None else np.unique(rows)
    norms = np.einsum("ij,ij->i", vectors, vectors)
    limit = radius * radius + SLACK * float(norms.max(initial=0.0))
    step = max(1, BLOCK_CELLS // max(1, n))
    found = [_near_block(vectors, norms, queries[i : i + step], limit) for i in range(0, len(queries), step)]
    keys = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    pairs = np.stack([keys // max(1, n), keys % max(1, n)], axis=1)
    return pairs[squared_distances(vectors, pairs) <= radius * radius]


def _near_block(vectors: FloatArray, norms: FloatArray, queries: IntArray, limit: float) -> IntArray:
    distances = norms[queries][:, None] + norms[None, :] - 2 * (vectors[queries] @ vectors.T)
    hit, other = np.nonzero(distances <= limit)
    query = queries[hit]
    apart = query != other
    low, high = np.minimum(query, other)[apart], np.maximum(query, other)[apart]
    return np.asarray(low * len(vectors) + high, np.int64)


def components(n: int, pairs: Pairs) -> IntArray:
    """Connected components of a graph of n nodes: the smallest row of each node's component, (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return smallest_row(label)


def smallest_row(label: IntArray) -> IntArray:
    """Any labels, renamed to the smallest row that has the same label: (n,)."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


@dataclass(slots=True)
class Clusters:
    """Clusters while they grow, each named by its smallest row; a person is one cluster or several that a user joined.

    Rows of `total`, `square` and `count` that do not name a cluster are stale.
    """

    total: Float64Array  # (n, D) sum of the vectors
    square: Float64Array  # (n,) sum of their squared norms
    count: IntArray  # (n,) number of vectors
    cluster: IntArray  # (n,) cluster of each row
    person: IntArray  # (n,) person of each row
    conflicts: Pairs = field(default_factory=lambda: np.empty((0, 2), np.int64))  # rows never of one person

    @classmethod
    def singles(cls, vectors: FloatArray, *, person: IntArray, conflicts: Pairs) -> Clusters:
        """Each row a cluster; conflicts inside one person are dropped (who joined them has decided)."""
        total = vectors.astype(np.float64)
        n = len(total)
        apart = conflicts[person[conflicts[:, 0]] != person[conflicts[:, 1]]]
        square = np.einsum("ij,ij->i", total, total)
        return cls(total, square, np.ones(n, np.int64), np.arange(n), smallest_row(person), apart)

    def distances(self, pairs: Pairs) -> Float64Array:
        """Mean squared distance over the pairs of vectors of two clusters: (E,)."""
        out = np.empty(len(pairs), np.float64)
        for start in range(0, len(pairs), BLOCK_PAIRS):
            a, b = pairs[start : start + BLOCK_PAIRS].T
            dot = np.einsum("ij,ij->i", self.total[a], self.total[b]) / (self.count[a] * self.count[b])
            mean = self.square[a] / self.count[a] + self.square[b] / self.count[b]
            out[start : start + BLOCK_PAIRS] = mean - 2 * dot
        return out

    def conflicting(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Which pairs of rows belong to two persons that cannot be one: (E,)."""
        return np.isin(self._keys(pairs), self._keys(self.conflicts))

    def _keys(self, pairs: Pairs) -> IntArray:
        persons = np.sort(self.person[pairs], axis=1)
        return np.asarray(persons[:, 0] * len(self.person) + persons[:, 1], np.int64)

    def merge(self, pairs: Pairs) -> None:
        """Join each pair (a, b) of clusters, a < b, and their persons; no cluster or person occurs in two pairs."""
        a, b = pairs.T
        self.total[a] += self.total[b]
        self.square[a] += self.square[b]
        self.count[a] += self.count[b]
        self.cluster = _renamed(self.cluster, a, b)
        first, second = np.sort(self.person[pairs], axis=1).T
        self.person = _renamed(self.person, first, second)


def _renamed(label: IntArray, to: IntArray, old: IntArray) -> IntArray:
    name = np.arange(len(label))
    name[old] = to
    return np.asarray(name[label], np.int64)


def link(clusters: Clusters, pairs: Pairs, *, threshold: float) -> Clusters:
    """Merge until no two clusters that may be one person are within `threshold`; changes and returns `clusters`.

    `pairs` are all near pairs of rows (`near_pairs` at the same threshold). Ties of distance go to the smaller rows.
    """
    squared = clusters.distances(pairs)
    while True:
        keep = (squared <= threshold * threshold) & ~clusters.conflicting(pairs)
        pairs, squared = pairs[keep], squared[keep]
        if not len(pairs):
            return clusters
        nearest = _mutually_nearest(clusters.person, pairs, squared)
        merged = np.unique(pairs[nearest])
        clusters.merge(pairs[nearest])
        pairs, squared = _after_merge(clusters, pairs, squared, merged)


def _mutually_nearest(person: IntArray, pairs: Pairs, squared: Float64Array) -> IntArray:
    """Indices of the pairs that are the closest for both of their persons, by (distance, rows)."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0], squared))
    persons = person[pairs[order]]
    rank = np.arange(len(order))
    best = np.full(len(person), len(order))
    np.minimum.at(best, persons[:, 0], rank)
    np.minimum.at(best, persons[:, 1], rank)
    mutual = (best[persons[:, 0]] == rank) & (best[persons[:, 1]] == rank)
    return np.asarray(order[mutual], np.int64)


def _after_merge(
    clusters: Clusters, pairs: Pairs, squared: Float64Array, merged: IntArray
) -> tuple[Pairs, Float64Array]:
    """The pairs between the new clusters, each once, with distances; those of unchanged clusters are kept."""
    renamed = np.sort(clusters.cluster[pairs], axis=1)
    _, first = np.unique(renamed[:, 0] * len(clusters.cluster) + renamed[:, 1], return_index=True)
    stale = (np.isin(pairs[:, 0], merged) | np.isin(pairs[:, 1], merged))[first]
    renamed, squared = renamed[first], squared[first]
    apart = renamed[:, 0] != renamed[:, 1]
    renamed, squared, stale = renamed[apart], squared[apart], stale[apart]
    squared[stale] = clusters.distances(renamed[stale])
    return renamed, squared
