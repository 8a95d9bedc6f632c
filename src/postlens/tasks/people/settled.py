"""Persons of an earlier assignment to groups of tracks that stay together unless something disturbs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from postlens.tasks.people.near import BoolArray
from postlens.types import FaceTracks, IntArray

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Settled:
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
    ) -> Settled:
        n, new = len(tracks), frozenset(changed)
        names = list(map(previous.get, tracks.track_id))
        number = {name: k for k, name in enumerate(dict.fromkeys((None, *names)))}
        before = np.fromiter(map(number.__getitem__, names), np.int64, n)
        before[before == number[None]] = NOBODY
        is_new = np.fromiter(map(new.__contains__, tracks.track_id), bool, n)
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
