"""Changed tracks to all tracks whose person may change with them, so that the others need not be looked at again.

Persons are stable against each other (`history.py`): what was settled stays so, except where something new disturbs it.
So the changed tracks are clustered with the persons they disturb; then with those that the outcome disturbs; and so on
until nobody else is. The result is that of clustering everything, for the work of a search over all tracks and some
small trees.

The search is for tracks near the changed ones, and near those clusters that are new in the sense that follows. A
cluster A that dies (merges) at a distance d cannot newly disturb B if it is made of changed tracks and of clusters of
the earlier trees that died no sooner than d: its distance to B is the mean of theirs, so one of them is as near; and
the earlier ones were settled with B, the changed ones are looked at themselves. Where a user joined several clusters
into one person this does not hold (what may join then depends on several clusters at once), and all are searched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from postlens.tasks.people.gather import gather
from postlens.tasks.people.history import ROUNDING, History
from postlens.tasks.people.linkage import (
    BoolArray,
    Float64Array,
    near_components,
    near_points,
    neighbours,
    squared_norms,
)
from postlens.tasks.people.links import Links, overlapping
from postlens.types import FaceTracks, FloatArray, IntArray

NOBODY = -1


def reach(
    tracks: FaceTracks,
    links: Links,
    *,
    good: BoolArray,
    previous: Mapping[str, str | None],
    gallery: Mapping[str, str],
    changed: Collection[str],
    threshold: float,
) -> IntArray:
    """Rows that must be computed again, all good tracks of a person or none of them: (M,) sorted by track id.

    `previous`: the result for all tracks but the changed ones, under the words of then. Who had an id that the gallery
    now gives to a changed track is computed again, too.
    """
    settled = _Settled.of(tracks, good=good, previous=previous, changed=changed)
    given = {gallery[track] for track in changed if track in gallery}
    search = _Search(tracks, links, settled, threshold=threshold, renamed=settled.numbers(given))
    search.settle()
    low = _Low(search).affected()
    beside = [settled.members(group) for group in search.beside(low)]
    rows = np.unique(np.concatenate([search.rows, low, *beside]).astype(np.int64))
    return np.array(sorted(rows.tolist(), key=tracks.track_id.__getitem__), np.int64)


@dataclass(frozen=True, slots=True)
class _Settled:
    """Who was who before: groups of the good tracks that did not change, one for each person or waiting track."""

    good: BoolArray  # (N,)
    changed: BoolArray  # (N,)
    group: IntArray  # (N,) of good tracks that did not change, else NOBODY
    before: IntArray  # (N,) of all tracks: number of the previous person, or NOBODY
    order: IntArray  # rows by `before`, those of nobody first
    number: Mapping[str | None, int]  # of each previous person

    @classmethod
    def of(
        cls, tracks: FaceTracks, *, good: BoolArray, previous: Mapping[str, str | None], changed: Collection[str]
    ) -> _Settled:
        n, new, number = len(tracks), set(changed), dict[str | None, int]()
        names = [previous.get(track) for track in tracks.track_id]
        for name in names:
            number.setdefault(name, len(number))
        nobody = number.setdefault(None, len(number))
        before = np.array([number[name] for name in names], np.int64)
        before[before == nobody] = NOBODY
        is_new = np.array([track in new for track in tracks.track_id], bool)
        group = np.where(before == NOBODY, len(number) + np.arange(n), before)
        group = np.where(good & ~is_new, group, NOBODY)
        return cls(good, is_new, group, before, np.argsort(before, kind="stable"), number)

    @property
    def n_persons(self) -> int:
        """Groups from here on are of one waiting track each."""
        return len(self.number)

    def numbers(self, names: Iterable[str]) -> set[int]:
        """The groups of previous persons."""
        return {self.number[name] for name in names if name in self.number}

    def members(self, group: int) -> IntArray:
        """The good tracks of a group, without changed ones."""
        if group >= self.n_persons:
            return np.array([group - self.n_persons])
        rows = self.all_of(group)
        return np.asarray(rows[self.group[rows] == group], np.int64)

    def all_of(self, person: int) -> IntArray:
        """All tracks of a previous person."""
        sides = np.searchsorted(self.before, [person, person + 1], sorter=self.order)
        return np.asarray(self.order[sides[0] : sides[1]], np.int64)


@dataclass(slots=True)
class _Search:
    """The changed tracks and the groups they disturb, so far."""

    tracks: FaceTracks
    links: Links
    settled: _Settled
    threshold: float
    renamed: set[int]  # groups that lose their id
    fresh: IntArray = field(init=False)  # good changed tracks
    dirty: set[int] = field(init=False)  # groups that must be computed again
    forced: set[int] = field(init=False)  # those about which something was said, or that lost a track
    new: list[History] = field(default_factory=list)  # the persons of `rows`
    near: dict[int, IntArray] = field(default_factory=dict)  # fresh track to rows within the threshold
    _norms: FloatArray = field(init=False)
    _histories: dict[int, History] = field(default_factory=dict)
    _around: dict[bytes, set[int]] = field(default_factory=dict)  # cluster to groups with a track in its sphere
    _gathered: dict[bytes, list[History]] = field(default_factory=dict)  # near tracks to their persons
    _opened: dict[bytes, list[int]] = field(default_factory=dict)  # tracks of a person to its clusters to search around
    _judged: dict[tuple[bytes, int], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settled, joined = self.settled, self.links.joined
        changed = np.flatnonzero(settled.changed)
        linked = np.flatnonzero(np.isin(joined, joined[changed]))
        self.fresh = changed[settled.good[changed]]
        self.forced = {*settled.before[changed].tolist(), *settled.group[linked].tolist()} - {NOBODY}
        self.dirty = self.forced | self.renamed
        self._norms = squared_norms(self.tracks.template)

    @property
    def rows(self) -> IntArray:
        """The fresh tracks and all of the dirty groups, by track id."""
        found = np.concatenate([self.fresh, *(self.settled.members(group) for group in self.dirty)]).astype(np.int64)
        return np.array(sorted(found.tolist(), key=self.tracks.track_id.__getitem__), np.int64)

    def settle(self) -> None:
        """Add groups until no other is disturbed."""
        self.near = self._near_fresh()
        while True:
            self.new = self._persons()
            found = self._disturbed()
            if not found:
                return
            self.dirty |= found

    def history(self, group: int) -> History:
        """The tree of a settled group."""
        if group not in self._histories:
            rows = self.settled.members(group)
            self._histories[group] = History.of(self.tracks.template, rows, threshold=self.threshold)
        return self._histories[group]

    def _near_fresh(self) -> dict[int, IntArray]:
        squared = np.full(len(self.fresh), self.threshold**2)
        found = self.within(self.tracks.template[self.fresh], squared)
        return dict(zip(self.fresh.tolist(), found, strict=True))

    def within(self, points: FloatArray, squared: Float64Array) -> list[IntArray]:
        """Rows within a squared distance of each point, or a rounding error further."""
        found: list[list[IntArray]] = [[] for _ in points]
        for query, row in near_points(self.tracks.template, points, squared=squared, norms=self._norms):
            order = np.argsort(query, kind="stable")
            names, first = np.unique(query[order], return_index=True)
            for name, part in zip(names.tolist(), np.split(row[order], first[1:]), strict=True):
                found[name].append(part)
        return [np.concatenate([np.empty(0, np.int64), *parts]) for parts in found]

    def _persons(self) -> list[History]:
        """The trees of the persons that the rows make; those of rows that met nobody new are kept."""
        rows = self.rows
        part = near_components(self.tracks.template[rows], radius=self.threshold, joined=self.links[rows].joined)
        parts = _split(rows, part)
        unknown = [own for own in parts if own.tobytes() not in self._gathered]
        if unknown:
            self._gather(np.concatenate(unknown), unknown)
        return [one for own in parts for one in self._gathered[own.tobytes()]]

    def _gather(self, rows: IntArray, parts: list[IntArray]) -> None:
        good = np.ones(len(rows), bool)
        clusters = gather(self.tracks[rows], self.links[rows], good=good, threshold=self.threshold)
        person = dict(zip(rows.tolist(), clusters.person.tolist(), strict=True))
        for own in parts:
            self._gathered[own.tobytes()] = [
                History.of(self.tracks.template, members, threshold=self.threshold)
                for members in _split(own, np.array([person[row] for row in own.tolist()]))
            ]

    def _disturbed(self) -> set[int]:
        """Groups that are not dirty, but cannot stay as they are."""
        unknown = [(one, node) for one in self.new for node in self._open(one) if _key(one, node) not in self._around]
        self._look_around(unknown)
        found: set[int] = set()
        for one in self.new:
            key = one.rows.tobytes()
            for group in self._candidates(one) - self.dirty - found:
                if (key, group) not in self._judged:
                    self._judged[key, group] = one.disturbs(self.history(group))
                if self._judged[key, group]:
                    found.add(group)
        return found

    def _candidates(self, one: History) -> set[int]:
        """Groups with a track near a changed one, or near a cluster that is new."""
        near = [self.near[row] for row in one.rows.tolist() if row in self.near]
        groups = set(self.settled.group[np.concatenate([np.empty(0, np.int64), *near])].tolist())
        return groups.union(*(self._around[_key(one, node)] for node in self._open(one))) - {NOBODY}

    def _look_around(self, unknown: list[tuple[History, int]]) -> None:
        if not unknown:
            return
        spheres = [one.spheres(np.array([node])) for one, node in unknown]
        points = np.concatenate([mean for mean, _ in spheres]).astype(np.float32)
        found = self.within(points, np.concatenate([squared for _, squared in spheres]))
        for (one, node), rows in zip(unknown, found, strict=True):
            self._around[_key(one, node)] = set(self.settled.group[rows].tolist())

    def _open(self, one: History) -> list[int]:
        """Clusters that may disturb somebody although neither the changed tracks nor the earlier clusters do."""
        key = one.rows.tobytes()
        if key not in self._opened:
            self._opened[key] = self._find_open(one)
        return self._opened[key]

    def _find_open(self, one: History) -> list[int]:
        groups = self.settled.group[one.rows]
        olds = {group: self.history(group) for group in set(groups.tolist()) - {NOBODY}}
        if len(one.roots()) > 1 or any(group in self.forced or len(old.roots()) > 1 for group, old in olds.items()):
            return list(range(len(one.start)))
        place = np.full(len(one.rows), -1)
        for group, old in olds.items():
            place[groups == group] = _places(one.rows[groups == group], old.rows)
        return [node for node in range(len(one.start)) if not _made_of(one, node, olds, groups, place)]

    def beside(self, low: IntArray) -> set[int]:
        """Groups that are not dirty and within the threshold of tracks of low quality."""
        squared = np.full(len(low), self.threshold**2)
        found: set[int] = set()
        for row, near in zip(low.tolist(), self.within(self.tracks.template[low], squared), strict=True):
            alone = History.of(self.tracks.template, np.array([row]), threshold=self.threshold)
            groups = set(self.settled.group[near].tolist()) - {NOBODY} - self.dirty - found
            found |= {group for group in groups if _joins(alone, self.history(group))}
        return found


def _split(rows: IntArray, label: IntArray) -> list[IntArray]:
    """Rows by label, in their order."""
    order = np.argsort(label, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(label[order])) + 1) if len(rows) else []


def _key(one: History, node: int) -> bytes:
    rows = np.sort(one.rows[one.start[node] : one.stop[node]])
    return rows.tobytes() + np.float64(one.death[node]).tobytes()


def _places(rows: IntArray, among: IntArray) -> IntArray:
    order = np.argsort(among)
    return order[np.searchsorted(among, rows, sorter=order)]


def _made_of(one: History, node: int, olds: Mapping[int, History], groups: IntArray, place: IntArray) -> bool:
    """Whether a cluster is changed tracks and whole clusters of earlier trees that died no sooner than it."""
    inside = slice(one.start[node], one.stop[node])
    for group in set(groups[inside].tolist()) - {NOBODY}:
        part = olds[group].parts(float(one.death[node]))
        count = np.bincount(part[place[inside][groups[inside] == group]], minlength=part[-1] + 1)
        if not ((count == 0) | (count == np.bincount(part))).all():
            return False
    return True


def _joins(low: History, person: History) -> bool:
    """Whether a track of low quality may join a cluster of a person."""
    return bool((low.squared(person)[0, person.roots()] <= low.death[0] + ROUNDING).any())


class _Low:
    """The tracks of low quality whose person may change with the changed ones and the dirty groups."""

    def __init__(self, search: _Search) -> None:
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

    def _rivals(self, rows: set[int]) -> Mapping[int, list[int]]:
        """Rows that may not be of one person with these."""
        ids = self._search.tracks.track_id
        media = {ids[row].rpartition(":")[0] for row in rows}
        low = np.flatnonzero(self._is_low).tolist()
        beside = rows | {row for row in low if ids[row].rpartition(":")[0] in media}
        there = np.array(sorted(beside), np.int64)
        pairs = there[overlapping(self._search.tracks[there])]
        return neighbours(np.concatenate([pairs, self._search.links.cannot]))
