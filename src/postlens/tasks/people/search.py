"""Changed tracks to the settled persons that they disturb, and that these disturb in turn.

Persons are stable against each other (`history.py`): what was settled stays so, except where something new disturbs it.
So each changed track starts an island; islands whose persons disturb each other, or a settled person, become one and
are clustered together, until nobody disturbs anybody of another island. The result is that of clustering everything,
for the work of a search over all tracks and some small trees.

The search is for tracks near the changed ones, and near those clusters that are new in the sense that follows. A
cluster A that dies (merges) at a distance d cannot newly disturb B if it is made of changed tracks and of clusters of
the earlier trees that died no sooner than d, and B likewise: the distance of A to B is the mean of those of their
parts, so two parts are as near; if both are earlier ones, they were settled with each other; changed ones are looked at
themselves. Where a user joined several clusters into one person this does not hold (what may join then depends on
several clusters at once), and all are searched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from postlens.tasks.people.gather import gather
from postlens.tasks.people.history import History
from postlens.tasks.people.links import Links
from postlens.tasks.people.near import Float64Array, Neighbourhood
from postlens.tasks.people.settled import NOBODY, Settled
from postlens.types import FaceTracks, FloatArray, IntArray


@dataclass(slots=True)
class Search:
    """The islands so far. A unit of an island is a settled group, or a changed track (`_unit`)."""

    tracks: FaceTracks
    links: Links
    settled: Settled
    threshold: float
    renamed: set[int]  # groups that lose their id
    fresh: IntArray = field(init=False)  # good changed tracks
    forced: set[int] = field(init=False)  # groups about which something was said, or that lost a track
    near: dict[int, IntArray] = field(default_factory=dict)  # fresh track to rows within the threshold
    _around: Neighbourhood = field(init=False)
    _island: dict[int, set[int]] = field(default_factory=dict)  # unit to all of its island
    _persons: dict[int, dict[bytes, History]] = field(default_factory=dict)  # smallest unit of an island to its persons
    _person: dict[int, History] = field(default_factory=dict)  # row of an island to its person
    _histories: dict[int, History] = field(default_factory=dict)  # of settled groups

    def __post_init__(self) -> None:
        settled, joined = self.settled, self.links.joined
        changed = np.flatnonzero(settled.changed)
        is_linked = np.zeros(len(joined), bool)
        is_linked[joined[changed]] = True
        linked = np.flatnonzero(is_linked[joined])
        self.fresh = changed[settled.good[changed]]
        self.forced = {*settled.before[changed].tolist(), *settled.group[linked].tolist()} - {NOBODY}
        self._around = Neighbourhood(self.tracks.template)
        for unit in (*map(_unit, self.fresh.tolist()), *self.forced, *self.renamed):
            self._island[unit] = {unit}
        by_word: dict[int, int] = {}
        for row in linked[settled.good[linked]].tolist():
            unit = self._unit_of(row)
            self._join(by_word.setdefault(int(joined[row]), unit), unit)

    @property
    def dirty(self) -> set[int]:
        """Groups that are computed again."""
        return {unit for unit in self._island if unit >= 0}

    @property
    def new(self) -> list[History]:
        """The persons of all islands."""
        return [one for persons in self._persons.values() for one in persons.values()]

    def islands(self) -> list[IntArray]:
        """The rows of each island, by track id."""
        return [self._rows(island) for island in self._every()]

    def settle(self) -> None:
        """Join islands until none disturbs another or a settled group."""
        squared = np.full(len(self.fresh), self.threshold**2)
        found = self.within(self.tracks.template[self.fresh], squared)
        self.near = dict(zip(self.fresh.tolist(), found, strict=True))
        stale = self._every()
        while stale:
            joined = self._disturbed(self._gather(stale))
            stale = list({min(self._island[unit]): self._island[unit] for unit in joined}.values())

    def within(self, points: FloatArray, squared: Float64Array) -> list[IntArray]:
        """Rows within a squared distance of each point, or a rounding error further."""
        return self._around.within(points, squared)

    def history(self, group: int) -> History:
        """The tree of a settled group."""
        if group not in self._histories:
            rows = self.settled.members(group)
            self._histories[group] = History.of(self.tracks.template, rows, threshold=self.threshold)
        return self._histories[group]

    def _every(self) -> list[set[int]]:
        return list({min(island): island for island in self._island.values()}.values())

    def _unit_of(self, row: int) -> int:
        group = int(self.settled.group[row])
        return _unit(row) if group == NOBODY else group

    def _rows(self, island: Iterable[int]) -> IntArray:
        found = [np.array([_row(unit)]) if unit < 0 else self.settled.members(unit) for unit in island]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        return np.array(sorted(rows.tolist(), key=self.tracks.track_id.__getitem__), np.int64)

    def _join(self, one: int, other: int) -> None:
        a, b = (self._island.setdefault(unit, {unit}) for unit in (one, other))
        if a is b:
            return
        if len(a) < len(b):
            a, b = b, a
        for island in (a, b):
            self._persons.pop(min(island), None)
        a |= b
        self._island |= dict.fromkeys(b, a)

    def _gather(self, islands: list[set[int]]) -> list[History]:
        """Cluster the islands; returns the persons that were not there before."""
        parts = [self._rows(island) for island in islands]
        rows = np.concatenate([np.empty(0, np.int64), *parts])
        number = np.repeat(np.arange(len(parts)), [len(own) for own in parts])
        order = np.array(sorted(range(len(rows)), key=lambda k: self.tracks.track_id[rows[k]]), np.int64)
        rows, number = rows[order], number[order]
        good = np.ones(len(rows), bool)
        clusters = gather(self.tracks[rows], self.links[rows], good=good, threshold=self.threshold, island=number)
        found = []
        for members in split(np.arange(len(rows)), clusters.person):
            own = rows[members]
            before = self._person.get(int(own[0]))
            if before is None or set(before.rows.tolist()) != set(own.tolist()):
                before = History.of(self.tracks.template, own, threshold=self.threshold)
                found.append(before)
            self._person |= dict.fromkeys(own.tolist(), before)
            self._persons.setdefault(min(islands[number[members[0]]]), {})[own.tobytes()] = before
        return found

    def _disturbed(self, persons: list[History]) -> set[int]:
        """Join the islands of persons to what they disturb; returns a unit of each island that grew."""
        near = self._look_around(persons)
        grown: set[int] = set()
        for number, one in enumerate(persons):
            own = self._unit_of(int(one.rows[0]))
            rows = [self.near[row] for row in one.rows.tolist() if row in self.near] + near[number]
            for unit, other in self._others(np.concatenate([np.empty(0, np.int64), *rows])).items():
                if self._island.get(unit) is not self._island[own] and one.disturbs(other):
                    self._join(own, unit)
                    grown.add(own)
        return grown

    def _others(self, rows: IntArray) -> dict[int, History]:
        """A unit of each person that has one of the rows, and its tree."""
        found: dict[int, History] = {}
        for row in np.unique(rows).tolist():
            person, group = self._person.get(row), int(self.settled.group[row])
            if person is not None:
                found[self._unit_of(int(person.rows[0]))] = person
            elif group != NOBODY and group not in found:
                found[group] = self.history(group)
        return found

    def _look_around(self, persons: list[History]) -> dict[int, list[IntArray]]:
        """Rows near the clusters of persons that are new, by number of the person."""
        opened = [np.array(self._open(one), np.int64) for one in persons]
        spheres = [one.spheres(nodes) for one, nodes in zip(persons, opened, strict=True) if len(nodes)]
        near: dict[int, list[IntArray]] = defaultdict(list)
        if spheres:
            owner = [number for number, nodes in enumerate(opened) for _ in nodes]
            means = np.concatenate([mean for mean, _ in spheres]).astype(np.float32)
            found = self.within(means, np.concatenate([squared for _, squared in spheres]))
            for number, rows in zip(owner, found, strict=True):
                near[number].append(rows)
        return near

    def _open(self, one: History) -> list[int]:
        """Clusters that may disturb somebody although neither the changed tracks nor the earlier clusters do."""
        groups = self.settled.group[one.rows]
        olds = {group: self.history(group) for group in set(groups.tolist()) - {NOBODY}}
        if len(one.roots()) > 1 or any(group in self.forced or len(old.roots()) > 1 for group, old in olds.items()):
            return list(range(len(one.start)))
        if len(olds) == 1 and (groups != NOBODY).all() and len(groups) == len(olds[int(groups[0])].rows):
            return []
        place = np.full(len(one.rows), -1)
        for group, old in olds.items():
            place[groups == group] = _places(one.rows[groups == group], old.rows)
        return [node for node in range(len(one.start)) if not _made_of(one, node, olds, groups, place)]


def _unit(row: int) -> int:
    """A changed track as a unit: negative, groups are not."""
    return -2 - row


def _row(unit: int) -> int:
    return -2 - unit


def split(rows: IntArray, label: IntArray) -> list[IntArray]:
    """Rows by label, in their order."""
    order = np.argsort(label, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(label[order])) + 1) if len(rows) else []


def _places(rows: IntArray, among: IntArray) -> IntArray:
    order = np.argsort(among)
    return np.asarray(order[np.searchsorted(among, rows, sorter=order)], np.int64)


def _made_of(one: History, node: int, olds: Mapping[int, History], groups: IntArray, place: IntArray) -> bool:
    """Whether a cluster is changed tracks and whole clusters of earlier trees that died no sooner than it."""
    inside = slice(one.start[node], one.stop[node])
    for group in set(groups[inside].tolist()) - {NOBODY}:
        part = olds[group].parts(float(one.death[node]))
        count = np.bincount(part[place[inside][groups[inside] == group]], minlength=part[-1] + 1)
        if not ((count == 0) | (count == np.bincount(part))).all():
            return False
    return True
