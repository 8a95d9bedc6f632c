"""Settled persons and changed ones to the tracks of low quality that must choose their person again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from postlens.tasks.people.history import ROUNDING, History
from postlens.tasks.people.linkage import neighbours
from postlens.tasks.people.links import overlapping
from postlens.tasks.people.search import Search
from postlens.tasks.people.settled import NOBODY
from postlens.types import IntArray


class Low:
    """The tracks of low quality whose person may change with the changed ones and the dirty groups."""

    def __init__(self, search: Search) -> None:
        self._search, self._settled = search, search.settled
        self._is_low = ~search.settled.good

    def affected(self) -> IntArray:
        """Rows of the changed ones, of those of dirty groups, of those that new clusters may take, and rivals."""
        settled = self._settled
        own = [settled.all_of(group) for group in self._search.dirty if group < settled.n_persons]
        found = self._low([np.flatnonzero(settled.changed), *own, *self._taken()])
        return self._with_rivals(found, moved=self._moved())

    def _low(self, parts: Iterable[IntArray]) -> set[int]:
        rows = np.concatenate([np.empty(0, np.int64), *parts])
        return set(rows[self._is_low[rows]].tolist())

    def _grown(self, one: History) -> bool:
        """Whether a person is an earlier one with changed tracks, or changed tracks alone."""
        settled, groups = self._settled, set(self._settled.group[one.rows].tolist()) - {NOBODY}
        if not groups:
            return True
        (group, *more) = groups
        n_old = int((settled.group[one.rows] == group).sum())
        is_person = group < settled.n_persons and group not in self._search.forced
        return is_person and not more and n_old == len(settled.members(group)) and len(one.roots()) == 1

    def _taken(self) -> list[IntArray]:
        """Rows that a new cluster is within the threshold of."""
        search, taken = self._search, []
        for one, rows in self._around():
            for row in np.unique(rows[self._is_low[rows]]).tolist():
                alone = History.of(search.tracks.template, np.array([row]), threshold=search.threshold)
                if _joins(alone, one):
                    taken.append(np.array([row]))
        return taken

    def _around(self) -> Iterator[tuple[History, IntArray]]:
        """New persons with rows that may have come within the threshold of their clusters."""
        near, others = self._search.near, [one for one in self._search.new if not self._grown(one)]
        for one in self._search.new:
            for row in one.rows.tolist():
                if row in near:
                    yield one, near[row]
        spheres = [(one, *one.spheres(one.roots())) for one in others]
        if spheres:
            owner = [one for one, means, _ in spheres for _ in means]
            means = np.concatenate([means for _, means, _ in spheres]).astype(np.float32)
            found = self._search.within(means, np.concatenate([squared for *_, squared in spheres]))
            yield from zip(owner, found, strict=True)

    def _moved(self) -> set[int]:
        """Good rows that were in no person or may be in another one now."""
        moved = set(self._search.fresh.tolist())
        return moved.union(*(one.rows.tolist() for one in self._search.new if not self._grown(one)))

    def _with_rivals(self, found: set[int], *, moved: set[int]) -> IntArray:
        """With all that a chain of rivals leads to: who joins first keeps the others out."""
        front = found | moved
        while front:
            rivals = self._rivals(front)
            reached = {row for one in front for row in rivals.get(one, ()) if self._is_low[row]}
            front = reached - found
            found |= front
        return np.array(sorted(found), np.int64)

    def beside(self, low: IntArray) -> set[int]:
        """Groups that are not dirty and within the threshold of these tracks."""
        search, found = self._search, set[int]()
        squared = np.full(len(low), search.threshold**2)
        for row, near in zip(low.tolist(), search.within(search.tracks.template[low], squared), strict=True):
            alone = History.of(search.tracks.template, np.array([row]), threshold=search.threshold)
            groups = set(self._settled.group[near].tolist()) - {NOBODY} - search.dirty - found
            found |= {group for group in groups if _joins(alone, search.history(group))}
        return found

    def _rivals(self, rows: set[int]) -> Mapping[int, list[int]]:
        """Rows that may not be of one person with these."""
        ids = self._search.tracks.track_id
        media = {ids[row].rpartition(":")[0] for row in rows}
        low = np.flatnonzero(self._is_low).tolist()
        beside = rows | {row for row in low if ids[row].rpartition(":")[0] in media}
        there = np.array(sorted(beside), np.int64)
        pairs = there[overlapping(self._search.tracks[there])]
        return neighbours(np.concatenate([pairs, self._search.links.cannot]))


def _joins(low: History, person: History) -> bool:
    """Whether a track of low quality may join a cluster of a person."""
    return bool((low.squared(person)[0, person.roots()] <= low.death[0] + ROUNDING).any())
