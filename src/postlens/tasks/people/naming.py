"""Groups of tracks to person ids: those a user gave, those that most of the tracks had, else new ones."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

import numpy as np

from postlens.tasks.people.near import BoolArray
from postlens.types import PERSON_ID_PREFIX, IntArray


def name_persons(
    ids: tuple[str, ...],
    person: IntArray,
    *,
    voting: BoolArray,
    previous: Mapping[str, str | None],
    gallery: Mapping[str, str],
    taken: set[str],
) -> dict[str, str | None]:
    """Person ids by track: the gallery's, then earlier ids by majority, then new ones from the smallest track id.

    `person` (N,) groups the rows, -1 for those without one. Only `voting` rows (N,) carry an id on: rows of low quality
    change sides too lightly. Ids in `taken` and those of the gallery go to nobody else.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(person >= 0).tolist():
        members[int(person[row])].append(row)
    named: dict[str, str | None] = dict.fromkeys(ids)
    kept = _gallery_ids({first: [ids[row] for row in rows] for first, rows in members.items()}, gallery)
    taken = taken | set(gallery.values())
    voters = {first: [ids[row] for row in rows if voting[row]] for first, rows in members.items() if first not in kept}
    kept |= _kept_ids(voters, previous=previous, taken=taken)
    for first, rows in members.items():
        tracks = [ids[row] for row in rows]
        name = kept.get(first) or _new_id(tracks, taken=taken)
        taken.add(name)
        named |= dict.fromkeys(tracks, name)
    return named


def _gallery_ids(members: Mapping[int, list[str]], gallery: Mapping[str, str]) -> dict[int, str]:
    """The id that most gallery tracks of each person have (a user may have joined two), then the smallest."""
    votes = {
        first: Counter(gallery[track] for track in tracks if track in gallery) for first, tracks in members.items()
    }
    return {first: min(found, key=lambda name: (-found[name], name)) for first, found in votes.items() if found}


def _kept_ids(
    members: Mapping[int, list[str]], *, previous: Mapping[str, str | None], taken: set[str]
) -> dict[int, str]:
    """Earlier id of each person: most tracks first, then the smallest id, then the person with the smallest track.

    Adds them to `taken`.
    """
    claims = [
        (-n_tracks, name, first)
        for first, tracks in members.items()
        for name, n_tracks in Counter(map(previous.get, tracks)).items()
        if name is not None
    ]
    kept: dict[int, str] = {}
    for _, name, first in sorted(claims):
        if first not in kept and name not in taken:
            kept[first] = name
            taken.add(name)
    return kept


def _new_id(tracks: list[str], *, taken: Collection[str]) -> str:
    """A hash of the smallest track id; of the next one where an earlier person already has that id."""
    names = [person_id_of(track) for track in tracks]
    name = next((name for name in names if name not in taken), names[0])
    while name in taken:
        name = person_id_of(name)
    return name


def person_id_of(text: str) -> str:
    """The id made from a text, a track's or an id that may not be used again. No id is the beginning of another."""
    return PERSON_ID_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:12]
