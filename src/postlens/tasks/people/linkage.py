"""Identity vectors to clusters: average linkage with links that must or must not be, exact, in memory linear in them.

The distance of two clusters is the root of the mean squared L2 distance over their pairs (UPGMA, Sokal & Michener 1958,
over squared distances). It needs only a sum, a mean squared norm and a count per cluster, so neither an n x n matrix
nor a list of near pairs is kept: mean |a - b|^2 = mean |a|^2 + mean |b|^2 - 2 mean(a) . mean(b). It is never below the
mean distance, so the departure errs towards two persons.

Two facts bound the work and keep the result exact:
- A mean of at most t needs one pair of at most t. So clusters never span two components of the graph of near pairs.
- The linkage is reducible (Bruynooghe 1977): two clusters that are each other's nearest stay so until they merge. So
  such pairs may merge in any order with the result of the one-at-a-time definition: merge the closest pair that may be
  one person, until none is within the threshold. Within a component a chain of nearest neighbours finds them
  (Benzécri 1982, Murtagh 1983): O(n^2) distances, O(n) memory. Departure: the nodes of the chain are persons, which
  have several clusters where a user joined them, and persons that cannot be one are infinitely far apart. Both only
  ever make distances grow when persons merge, so the chain stays valid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from postlens.tasks.people.near import BLOCK_CELLS, BLOCK_PAIRS, SLACK, BoolArray, Float64Array, Pairs, smallest_row
from postlens.types import FloatArray, IntArray


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
    known: BoolArray = field(default_factory=lambda: np.empty(0, bool))  # (n,) rows of different persons, or empty
    merges: list[tuple[int, int, float]] = field(
        default_factory=list
    )  # clusters that became the first, squared distance

    @classmethod
    def singles(
        cls, vectors: FloatArray, *, person: IntArray, conflicts: Pairs, known: BoolArray | None = None
    ) -> Clusters:
        """Each row a cluster; conflicts inside one person are dropped (who joined them has decided).

        `known` (n,): the person of such a row never becomes one with that of another.
        """
        total = vectors.astype(np.float64)
        n = len(total)
        apart = conflicts[person[conflicts[:, 0]] != person[conflicts[:, 1]]]
        square = np.einsum("ij,ij->i", total, total)
        known = np.zeros(n, bool) if known is None else known
        return cls(total, square, np.ones(n, np.int64), np.arange(n), smallest_row(person), apart, known)

    def distances(self, pairs: Pairs) -> Float64Array:
        """Mean squared distance over the pairs of vectors of two clusters: (E,)."""
        out = np.empty(len(pairs), np.float64)
        for start in range(0, len(pairs), BLOCK_PAIRS):
            a, b = pairs[start : start + BLOCK_PAIRS].T
            dot = np.einsum("ij,ij->i", self.total[a], self.total[b]) / (self.count[a] * self.count[b])
            mean = self.square[a] / self.count[a] + self.square[b] / self.count[b]
            out[start : start + BLOCK_PAIRS] = mean - 2 * dot
        return out

    def near(self, rows: IntArray, names: IntArray, *, threshold: float) -> tuple[Pairs, Float64Array]:
        """Clusters named by `rows` with clusters named by `names` within the threshold: (E, 2), (E,) squared."""
        means = self.total[names] / self.count[names, None]
        sizes = self.square[names] / self.count[names]
        limit = threshold * threshold + SLACK * float(self.square.max(initial=0.0))
        found = [np.empty((0, 2), np.int64)]
        step = max(1, BLOCK_CELLS // 4 // max(1, len(names)))
        for start in range(0, len(rows), step):
            own = rows[start : start + step]
            dot = (self.total[own] @ means.T) / self.count[own, None]
            squared = (self.square[own] / self.count[own])[:, None] + sizes - 2 * dot
            hit, other = np.nonzero(squared <= limit)
            found.append(np.stack([own[hit], names[other]], axis=1))
        pairs = np.concatenate(found)
        exact = self.distances(pairs)
        keep = exact <= threshold * threshold
        return pairs[keep], exact[keep]


def link(clusters: Clusters, component: IntArray, *, threshold: float) -> Clusters:
    """Merge until no two clusters that may be one person are within `threshold`; changes and returns `clusters`.

    `clusters` are single rows. `component` (n,): rows of different value never merge, those of -1 merge with none;
    all rows of one person are in one component (`near_components` at the same threshold, with the persons joined).
    Ties of distance go to the smaller rows.
    """
    ends = component[clusters.conflicts]
    rivals = neighbours(clusters.conflicts[(ends[:, 0] == ends[:, 1]) & (ends[:, 0] >= 0)])
    rows = np.argsort(component, kind="stable")
    rows = rows[component[rows] >= 0]
    starts = np.flatnonzero(np.diff(component[rows]) != 0) + 1
    for group in np.split(rows, starts):
        if len(group) > 1:
            _Group(clusters, group, rivals).link(threshold * threshold)
    return clusters


def neighbours(pairs: Pairs) -> dict[int, list[int]]:
    """Each row of a pair to the rows it is paired with."""
    found: dict[int, list[int]] = defaultdict(list)
    for a, b in pairs.tolist():
        found[a].append(b)
        found[b].append(a)
    return found


class _Near(NamedTuple):
    """Two clusters; the least of several is the nearest, of equally near ones that of the smaller names."""

    squared: float
    first: int
    second: int


class _Group:
    """The clusters of one component, while they merge.

    Rows, clusters and persons are numbers within the component, in the order of the rows of all.
    """

    def __init__(self, clusters: Clusters, rows: IntArray, rivals: Mapping[int, Sequence[int]]) -> None:
        m = len(rows)
        self._all, self._rows = clusters, rows
        self._cluster = np.arange(m)  # (m,) cluster of each row
        self._person = smallest_row(clusters.person[rows])  # (m,) person of each row
        self._members: dict[int, list[int]] = defaultdict(list)  # person to clusters
        for row, person in enumerate(self._person.tolist()):
            self._members[person].append(row)
        self._rivals = self._rivals_of_persons(rivals)  # person to rows of persons that it cannot be
        self._known = np.isin(np.arange(m), self._person[clusters.known[rows]])  # (m,) persons apart from each other
        # Columns of clusters, without those that were merged into others some time ago.
        self._name = np.arange(m)  # (k,) cluster
        self._column = np.arange(m)  # (m,) where a cluster is
        self._owner = self._person.copy()  # (k,) person of the cluster
        self._mean = clusters.total[rows]  # (k, D)
        self._size = clusters.square[rows]  # (k,) mean squared norm; infinite for merged ones

    def _rivals_of_persons(self, rivals: Mapping[int, Sequence[int]]) -> dict[int, IntArray]:
        found: dict[int, list[int]] = defaultdict(list)
        for row, person in zip(self._rows.tolist(), self._person.tolist(), strict=True):
            found[person] += rivals.get(row, ())
        return {person: np.searchsorted(self._rows, np.unique(rows)) for person, rows in found.items() if rows}

    def link(self, limit: float) -> None:
        """Merge what is within the squared distance; what came of it is written back."""
        for start in sorted(self._members):
            chain = [start] if start in self._members else []
            while chain:
                chain = self._step(chain, limit)
        self._all.cluster[self._rows] = self._rows[self._cluster]
        self._all.person[self._rows] = self._rows[self._person]

    def _step(self, chain: list[int], limit: float) -> list[int]:
        """Follow the chain of nearest persons by one, or merge the two at its end that are each other's nearest."""
        tip = chain[-1]
        near = self._nearest(tip) if tip in self._members else None
        if near is None or near.squared > limit:
            return chain[:-1]
        first, second = self._owner[self._column[[near.first, near.second]]].tolist()
        other = second if first == tip else first
        if other == tip or other in chain[-2:-1]:
            merged = self._merge(near)
            return chain[: -1 if other == tip else -2] or [merged]
        return [*chain, other]

    def _nearest(self, person: int) -> _Near:
        """The nearest two clusters of which one is the person's and the other may be."""
        apart = self._apart(person)
        return min(self._nearest_to(cluster, apart) for cluster in self._members[person])

    def _apart(self, person: int) -> BoolArray | None:
        """Which columns are of persons that this one cannot be: (k,)."""
        rivals = self._rivals.get(person)
        apart = None if rivals is None else np.isin(self._owner, self._person[rivals])
        if self._known[person]:
            others = self._known[self._owner] & (self._owner != person)
            apart = others if apart is None else apart | others
        return apart

    def _nearest_to(self, cluster: int, apart: BoolArray | None) -> _Near:
        """Each distance comes out the same, to the last bit, from either of its ends: a chain cannot go in circles."""
        column = self._column[cluster]
        dot = np.einsum("ij,j->i", self._mean, self._mean[column])
        squared = (self._size + self._size[column]) - 2 * dot
        squared[column] = np.inf
        if apart is not None:
            squared[apart] = np.inf
        best = int(squared.argmin())
        first, second = sorted((cluster, int(self._name[best])))
        return _Near(float(squared[best]), first, second)

    def _merge(self, near: _Near) -> int:
        """Make the second cluster a part of the first, and their persons one; its number."""
        a, b = self._rows[near.first], self._rows[near.second]
        self._all.merges.append((int(a), int(b), near.squared))
        for sums in (self._all.total, self._all.square, self._all.count):
            sums[a] += sums[b]
        at, gone = self._column[near.first], self._column[near.second]
        person, other = sorted((int(self._owner[at]), int(self._owner[gone])))
        self._mean[at] = self._all.total[a] / self._all.count[a]
        self._size[at] = self._all.square[a] / self._all.count[a]
        self._size[gone] = np.inf
        self._cluster[self._cluster == near.second] = near.first
        if person != other:
            self._merge_persons(person, other)
        self._members[person].remove(near.second)
        self._drop_merged()
        return person

    def _merge_persons(self, person: int, other: int) -> None:
        self._person[self._person == other] = person
        self._owner[self._owner == other] = person
        self._known[person] |= self._known[other]
        self._members[person] += self._members.pop(other)
        rivals = [own for own in (self._rivals.get(person), self._rivals.pop(other, None)) if own is not None]
        if rivals:
            self._rivals[person] = np.unique(self._person[np.concatenate(rivals)])

    def _drop_merged(self) -> None:
        """Once half of the columns are of merged clusters, keep the others."""
        keep = np.isfinite(self._size)
        if 2 * keep.sum() > len(keep):
            return
        self._name, self._owner = self._name[keep], self._owner[keep]
        self._mean, self._size = self._mean[keep], self._size[keep]
        self._column[self._name] = np.arange(len(self._name))
