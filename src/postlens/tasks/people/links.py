"""A user's words on tracks, and overlaps in time, to the rows that are one person and those that never are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from postlens.errors import UsageError
from postlens.tasks.people.near import BoolArray, Pairs, components
from postlens.types import FaceTracks, IntArray

Words = Iterable[tuple[str, str]]  # pairs of track ids


@dataclass(frozen=True, slots=True)
class Links:
    """What is said about tracks, by row."""

    must: Pairs  # rows that are one person; a row with itself is vouched for
    cannot: Pairs  # rows that are two persons by a user's word
    joined: IntArray  # (N,) smallest row that must-links connect to
    known: BoolArray  # (N,) joined to a track of the gallery: two such persons are never one

    @classmethod
    def of(cls, tracks: FaceTracks, *, must_link: Words, cannot_link: Words, gallery: Mapping[str, str]) -> Links:
        """Words on unknown tracks are left out. Raises `UsageError` when the words contradict each other."""
        must_link, cannot_link = list(must_link), list(cannot_link)
        said = {*gallery, *(track for words in (must_link, cannot_link) for pair in words for track in pair)}
        row = {track: i for i, track in enumerate(tracks.track_id) if track in said} if said else {}
        here = {track: person for track, person in gallery.items() if track in row}
        must, apart = _rows([*must_link, *gallery_words(here)], row), _rows(cannot_link, row)
        joined = components(len(tracks), must)
        broken = np.flatnonzero(joined[apart[:, 0]] == joined[apart[:, 1]])
        if len(broken):
            a, b = (tracks.track_id[i] for i in apart[broken[0]])
            raise UsageError(f"{a} and {b} are kept apart and joined at once; remove one of the links between them")
        in_gallery = np.array([row[track] for track in here], np.int64)
        is_known = np.zeros(len(tracks), bool)
        is_known[joined[in_gallery]] = True
        return cls(must, apart, joined, is_known[joined])

    def __getitem__(self, rows: IntArray) -> Links:
        """The words among some rows, numbered in their order."""
        place = np.full(len(self.joined), -1)
        place[rows] = np.arange(len(rows))
        must, cannot = (ends[(ends >= 0).all(axis=1)] for ends in (place[self.must], place[self.cannot]))
        return Links(must, cannot, components(len(rows), must), self.known[rows])

    def vouched(self) -> BoolArray:
        """Rows that a user says to be of somebody: (N,)."""
        found = np.zeros(len(self.joined), bool)
        found[self.must.ravel()] = True
        return found


def gallery_words(gallery: Mapping[str, str]) -> list[tuple[str, str]]:
    """Must-links that a gallery means: each track of a person with itself and with the person's smallest."""
    members: dict[str, list[str]] = defaultdict(list)
    for track, person in gallery.items():
        members[person].append(track)
    return [(min(tracks), track) for tracks in members.values() for track in tracks]


def _rows(words: Words, row: Mapping[str, int]) -> Pairs:
    known = [(row[a], row[b]) for a, b in words if a in row and b in row]
    return np.array(known, np.int64).reshape(-1, 2)


def overlapping(tracks: FaceTracks) -> Pairs:
    """Pairs of rows whose tracks overlap in time in the same media file (both ends included): (E, 2)."""
    by_media: dict[str, list[int]] = defaultdict(list)
    for row, track in enumerate(tracks.track_id):
        by_media[track.rpartition(":")[0]].append(row)
    found = [_overlaps(np.array(rows), tracks) for rows in by_media.values() if len(rows) > 1]
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def _overlaps(rows: IntArray, tracks: FaceTracks) -> Pairs:
    start, end = tracks.start_s[rows], tracks.end_s[rows]
    meet = np.maximum(start[:, None], start) <= np.minimum(end[:, None], end)
    a, b = np.nonzero(np.triu(meet, 1))
    return np.stack([rows[a], rows[b]], axis=1)
