"""The tracks of one person to the tree of their merges, and two such trees to whether they would disturb each other.

Average linkage merges the closest pair first. So two persons take nothing from each other exactly when no cluster that
one of them goes through is nearer to a cluster of the other than both are to what they merge with next; and the tree
of a person follows from its own tracks alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from postlens.tasks.people.linkage import Clusters, link
from postlens.tasks.people.near import Float64Array
from postlens.types import FloatArray, IntArray

MATRIX_ROWS = 2_000  # tracks up to which scipy's matrix of distances is made: 16 MB; beyond, a chain in linear memory
PAIR_CELLS = 4_000_000  # pairs of tracks up to which two trees are compared: 100 MB; beyond, they count as disturbing
ROUNDING = 1e-9  # of squared distances between vectors of about unit length, in float64

Merges = list[tuple[int, int, float]]  # two clusters and their squared distance; the i-th makes the cluster m + i


@dataclass(frozen=True, slots=True)
class History:
    """m tracks in an order in which every cluster they go through is a range: k clusters, the single tracks first."""

    rows: IntArray  # (m,)
    vectors: Float64Array  # (m, D)
    start: IntArray  # (k,)
    stop: IntArray  # (k,)
    death: Float64Array  # (k,) squared distance at which it merged, the squared threshold if it never did
    gap: (
        Float64Array  # (m + 1,) squared distance at which both sides of a place in the order came together, or infinite
    )

    @classmethod
    def of(cls, vectors: FloatArray, rows: IntArray, *, threshold: float) -> History:
        """The tree of `vectors[rows]` up to the threshold: with one root, or several where a user joined clusters."""
        own = vectors[rows].astype(np.float64)
        merges = _merges(own, threshold=threshold) if len(rows) > 1 else []
        m, k = len(rows), len(rows) + len(merges)
        size, death, root = [1] * m, [threshold * threshold] * k, [True] * k
        for a, b, squared in merges:
            size.append(size[a] + size[b])
            death[a] = death[b] = squared
            root[a] = root[b] = False
        start, gap, at = [0] * k, [np.inf] * (m + 1), 0
        for node in range(k):
            if root[node]:
                start[node], at = at, at + size[node]
        for node in range(k - 1, m - 1, -1):
            a, b, squared = merges[node - m]
            start[a], start[b] = start[node], start[node] + size[a]
            gap[start[b]] = squared
        order = np.argsort(start[:m])
        first = np.array(start)
        return cls(rows[order], own[order], first, first + np.array(size), np.array(death), np.array(gap))

    def roots(self) -> IntArray:
        """Clusters that never merged."""
        inner = np.isfinite(self.gap)
        return np.flatnonzero(~inner[self.start] & ~inner[self.stop])

    def parts(self, limit: float) -> IntArray:
        """The cluster of each track, in the order of `rows`, just before the squared distance `limit`: (m,)."""
        return np.cumsum(self.gap[: len(self.rows)] >= limit)

    def spheres(self, nodes: IntArray) -> tuple[Float64Array, Float64Array]:
        """Means of clusters, and the squared L2 distance within which any track lies that may disturb them."""
        sums = np.concatenate([np.zeros((1, self.vectors.shape[1])), self.vectors.cumsum(axis=0)])
        squares = np.concatenate([[0.0], np.einsum("ij,ij->i", self.vectors, self.vectors).cumsum()])
        count = (self.stop - self.start)[nodes]
        means = (sums[self.stop[nodes]] - sums[self.start[nodes]]) / count[:, None]
        spread = (squares[self.stop[nodes]] - squares[self.start[nodes]]) / count
        return means, self.death[nodes] - spread + np.einsum("ij,ij->i", means, means) + ROUNDING

    def disturbs(self, other: History) -> bool:
        """Whether the two would have merged clusters on their ways; `True` also where they only just would not."""
        if len(self.rows) * len(other.rows) > PAIR_CELLS:
            return True
        death = np.minimum(self.death[:, None], other.death)
        return bool((self.squared(other) <= death + ROUNDING).any())

    def squared(self, other: History) -> Float64Array:
        """Mean squared distances of the clusters of both: (k, other k)."""
        own, its = ((one.vectors * one.vectors).sum(axis=1) for one in (self, other))
        sums = np.zeros((len(self.rows) + 1, len(other.rows) + 1))
        pairs = own[:, None] + its - 2 * (self.vectors @ other.vectors.T)
        pairs.cumsum(axis=0, out=pairs).cumsum(axis=1, out=sums[1:, 1:])
        by_row = sums[self.stop] - sums[self.start]
        total = by_row[:, other.stop] - by_row[:, other.start]
        return np.asarray(total / np.outer(self.stop - self.start, other.stop - other.start), np.float64)


def _merges(own: Float64Array, *, threshold: float) -> Merges:
    """Merges in an order in which no cluster merges before it is there."""
    if len(own) > MATRIX_ROWS:
        return _chained(own, threshold=threshold)
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    tree = linkage(pdist(own, "sqeuclidean"), "average")
    return [(int(a), int(b), squared) for a, b, squared, _ in tree.tolist() if squared <= threshold * threshold]


def _chained(own: Float64Array, *, threshold: float) -> Merges:
    n = len(own)
    clusters = Clusters.singles(own.astype(np.float32), person=np.arange(n), conflicts=np.empty((0, 2), np.int64))
    link(clusters, np.zeros(n, np.int64), threshold=threshold)
    node = list(range(n))
    found: Merges = []
    for a, b, squared in clusters.merges:
        found.append((node[a], node[b], squared))
        node[a] = n + len(found) - 1
    return found
