"""A user's corrections to persons: give a name, join, divide, move a face, hide; each a decision that can be undone.

A person is given by id, by an unambiguous start of it, or by name; a track as in `store/person_tracks.py`. Joining is
kept as a must-link between the best tracks, dividing as cannot-links between the tracks named and the rest; a later
word takes earlier ones back that contradict it. What a user names or hides gets a known face (a gallery row), so that
it stays this person whatever comes later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postlens.config import Settings
from postlens.errors import UsageError
from postlens.pipelines.decide import Edit, deciding
from postlens.store import Store
from postlens.store.gallery import GalleryTrack, delete_gallery, read_gallery, write_gallery
from postlens.store.people import (
    Constraint,
    ConstraintKind,
    Person,
    PersonTrack,
    delete_constraints,
    delete_person_tracks,
    delete_persons,
    find_person,
    read_constraints,
    read_persons,
    write_constraints,
    write_person_tracks,
    write_persons,
)
from postlens.store.person_tracks import TrackPlace, find_tracks, read_places

NEW = "new"  # in place of a person: the track becomes one of its own


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as made: its number, the person it is about, and what a user should know."""

    number: int
    person_id: str | None
    notes: tuple[str, ...] = ()


def name_person(store: Store, who: str, name: str, *, settings: Settings, now: datetime) -> Decided:
    """Give a person a name. Raises `UnknownNameError` for no such person, `UsageError` for a name that is taken."""
    with deciding(store, "name", {"person": who, "name": name}, settings=settings, now=now) as edit:
        person = find_person(edit.conn, who)
        _expect_free(edit, name, but=[person.person_id])
        write_persons(edit.conn, [replace(person, name=name.strip())])
        _vouch(edit, person.person_id)
        edit.conclude()
    return Decided(edit.number, person.person_id)


def hide_person(store: Store, who: str, *, hidden: bool = True, settings: Settings, now: datetime) -> Decided:
    """Leave a person out of all outputs, or show it again; the faces stay stored. Raises `UsageError` if it is so."""
    verb = "hide" if hidden else "unhide"
    with deciding(store, verb, {"person": who}, settings=settings, now=now) as edit:
        person = find_person(edit.conn, who)
        if person.hidden == hidden:
            raise UsageError(f"{_title(person)} is {'hidden' if hidden else 'shown'} already")
        write_persons(edit.conn, [replace(person, hidden=hidden)])
        if hidden:
            _vouch(edit, person.person_id)
        edit.conclude()
    return Decided(edit.number, person.person_id)


def merge_people(
    store: Store, who: Sequence[str], *, name: str | None = None, settings: Settings, now: datetime
) -> Decided:
    """Say that persons are one. The one with a name stays, of several the one named by `name`, else the most seen.

    Raises:
        UnknownNameError: there is no such person.
        UsageError: fewer than two persons, several names and none chosen, a name that is taken, a person without faces.
    """
    with deciding(store, "merge", {"persons": list(who), "name": name}, settings=settings, now=now) as edit:
        people = {person.person_id: person for person in (find_person(edit.conn, one) for one in who)}
        if len(people) < 2:
            raise UsageError(f"expected two persons or more to join, got {len(people)}")
        places = _places(edit, *people)
        kept = _kept(list(people.values()), places, name)
        others = [one for one in people if one != kept.person_id]
        _join(edit, kept.person_id, others, places)
        if name is not None:
            _expect_free(edit, name, but=[kept.person_id])
            write_persons(edit.conn, [replace(kept, name=name.strip())])
            _vouch(edit, kept.person_id)
        edit.conclude()
        notes = _apart(edit, [one for person_id in people for one in places[person_id]], kept.person_id)
    return Decided(edit.number, kept.person_id, notes)


def split_person(store: Store, who: str, references: Sequence[str], *, settings: Settings, now: datetime) -> Decided:
    """Say that tracks of a person show somebody else; the rest stays together under the person's id and name.

    `references`: tracks of this person, see `find_tracks`; a post stands for all its tracks of the person. Raises
    `UnknownNameError` for what is no track of the person, `UsageError` where nothing would be left.
    """
    said = {"person": who, "tracks": list(references)}
    with deciding(store, "split", said, settings=settings, now=now) as edit:
        person = find_person(edit.conn, who)
        own = _places(edit, person.person_id).get(person.person_id, [])
        moved = {one.track_id for one in find_tracks(own, references)}
        rest = [one for one in own if one.track_id not in moved]
        if not rest:
            raise UsageError(f"these are all tracks of {_title(person)}; leave at least one, or use `people name`")
        _part(edit, person, moved, rest)
        edit.conclude()
        _keep_together(edit, rest)
        edit.conclude()
        notes = _became(edit, moved)
    return Decided(edit.number, person.person_id, notes)


def assign_track(store: Store, reference: str, who: str, *, settings: Settings, now: datetime) -> Decided:
    """Say that a track shows a person, or with "new" a person of its own, and nobody else.

    Raises:
        UnknownNameError: there is no such track or person.
        UsageError: the reference means several tracks, or the track is this person's already.
    """
    with deciding(store, "assign", {"track": reference, "person": who}, settings=settings, now=now) as edit:
        track = _one_track(edit, reference)
        target = None if who == NEW else find_person(edit.conn, who)
        if target is not None and track.person_id == target.person_id:
            raise UsageError(f"track {track.short_id} is one of {_title(target)} already")
        known = (track.person_id, target and target.person_id)
        places = _places(edit, *(person_id for person_id in known if person_id))
        if track.person_id is not None:
            rest = [one for one in places[track.person_id] if one.track_id != track.track_id]
            owner = next(one for one in read_persons(edit.conn) if one.person_id == track.person_id)
            _part(edit, owner, {track.track_id}, rest)
            if rest:
                edit.conclude()
                _keep_together(edit, rest)
        _give(edit, track, target, places)
        edit.conclude()
        person_id = edit.people.get(track.track_id)
    return Decided(edit.number, person_id)


# --- words -----------------------------------------------------------------------------------------------------------


def _link(edit: Edit, kind: ConstraintKind, pairs: Iterable[tuple[str, str]]) -> None:
    write_constraints(edit.conn, [Constraint(kind, first, second, edit.now) for first, second in pairs])


def _unlink(edit: Edit, kind: ConstraintKind, some: Iterable[str], others: Iterable[str]) -> None:
    """Take back words between the first tracks and the others."""
    first, second = set(some), set(others)
    words = [one for one in read_constraints(edit.conn) if one.kind == kind]
    pairs = [(one, (one.track_a in first and one.track_b in second)) for one in words]
    delete_constraints(
        edit.conn, [one for one, found in pairs if found or (one.track_b in first and one.track_a in second)]
    )


def _vouch(edit: Edit, person_id: str) -> None:
    """Give a person a known face, the best one, unless it has one; a person without faces gets none."""
    if any(one.person_id == person_id for one in read_gallery(edit.conn)):
        return
    own = _places(edit, person_id).get(person_id, [])
    if own:
        write_gallery(edit.conn, [GalleryTrack(best_track(own).track_id, person_id, "named", edit.now)])


def _join(edit: Edit, kept: str, others: Sequence[str], places: Mapping[str, list[TrackPlace]]) -> None:
    """Link the best tracks, take back what kept the persons apart, and give all faces to the one that stays."""
    every = [kept, *others]
    empty = [person_id for person_id in every if person_id not in places]
    if empty:
        raise UsageError(f"{empty[0]} has no faces now, so there is nothing to join; use `people name` or `assign`")
    ids = {person_id: [one.track_id for one in places[person_id]] for person_id in every}
    for number, person_id in enumerate(every):
        _unlink(edit, "cannot_link", ids[person_id], [track for one in every[:number] for track in ids[one]])
    _link(edit, "must_link", [(best_track(places[kept]).track_id, best_track(places[one]).track_id) for one in others])
    known = [replace(one, person_id=kept) for one in read_gallery(edit.conn) if one.person_id in others]
    write_gallery(edit.conn, known)
    write_person_tracks(edit.conn, [PersonTrack(track, kept, None) for one in others for track in ids[one]])
    delete_persons(edit.conn, others)


def _part(edit: Edit, person: Person, moved: set[str], rest: Sequence[TrackPlace]) -> None:
    """Keep tracks apart from the rest of their person, which keeps id and name."""
    others = [one.track_id for one in rest]
    _unlink(edit, "must_link", moved, others)
    _link(edit, "cannot_link", [(one, other) for one in sorted(moved) for other in others])
    delete_person_tracks(edit.conn, moved)
    vouched = delete_gallery(edit.conn, moved)
    if vouched and rest:
        _vouch(edit, person.person_id)


def _give(edit: Edit, track: TrackPlace, target: Person | None, places: Mapping[str, list[TrackPlace]]) -> None:
    """Link a track that has no person to one, or to itself: it is then a person alone. A given photo stays given."""
    track_id = track.track_id
    if target is None:
        _link(edit, "must_link", [(track_id, track_id)])
        return
    if track.known == "enrolled":
        write_gallery(edit.conn, [GalleryTrack(track_id, target.person_id, "enrolled", edit.now)])
    own = places.get(target.person_id, [])
    _unlink(edit, "cannot_link", [track_id], [one.track_id for one in own])
    if own:
        _link(edit, "must_link", [(track_id, best_track(own).track_id)])
    elif track.known != "enrolled":
        write_gallery(edit.conn, [GalleryTrack(track_id, target.person_id, "named", edit.now)])
    write_person_tracks(edit.conn, [PersonTrack(track_id, target.person_id, None)])


def _keep_together(edit: Edit, rest: Sequence[TrackPlace]) -> None:
    """Link what is left of a person where it fell apart, or would wait: nothing was said against it."""
    people = edit.people
    parts: dict[str, list[TrackPlace]] = {}
    for one in rest:
        parts.setdefault(people.get(one.track_id, one.track_id), []).append(one)
    first, *others = sorted((best_track(part) for part in parts.values()), key=lambda one: one.track_id)
    alone = not others and first.track_id not in people
    _link(edit, "must_link", [(first.track_id, one.track_id) for one in ([first] if alone else others)])


# --- what was found --------------------------------------------------------------------------------------------------


def best_track(own: Sequence[TrackPlace]) -> TrackPlace:
    """The track of highest quality, of equal ones the longest."""
    return min(own, key=lambda one: (-one.quality, -one.n_frames, one.track_id))


def _places(edit: Edit, *person_ids: str) -> dict[str, list[TrackPlace]]:
    """The tracks of these persons; persons without any are left out."""
    own = [track for track, person_id in edit.people.items() if person_id in person_ids]
    found: dict[str, list[TrackPlace]] = {}
    for one in read_places(edit.conn, own):
        found.setdefault(str(one.person_id), []).append(one)
    return found


def _one_track(edit: Edit, reference: str) -> TrackPlace:
    found = find_tracks(read_places(edit.conn), [reference])
    if len(found) > 1:
        ids = ", ".join(one.short_id for one in found[:5])
        raise UsageError(f"{reference!r} means {len(found)} tracks ({ids} ...); add the time: POST@SECONDS")
    return found[0]


def _kept(people: Sequence[Person], places: Mapping[str, list[TrackPlace]], name: str | None) -> Person:
    """The person whose id stays."""
    named = [person for person in people if person.name is not None]
    chosen = [person for person in named if person.name == name] or named or list(people)
    if len(chosen) > 1 and named and name is None:
        names = ", ".join(repr(person.name) for person in named)
        raise UsageError(f"these persons have the names {names}; say with --name which one stays")
    return min(chosen, key=lambda person: (-len(places.get(person.person_id, [])), person.person_id))


def expect_name(name: str) -> None:
    """Raise `UsageError` for an empty name, and for the word that stands for a person of its own."""
    if name.strip() in ("", NEW):
        raise UsageError(f"expected a name, got {name.strip()!r}; {NEW!r} is what `people assign` calls nobody known")


def _expect_free(edit: Edit, name: str, *, but: Sequence[str]) -> None:
    """Raise `UsageError` for what is no name, and for one by which another person is known."""
    expect_name(name)
    for person in read_persons(edit.conn):
        if person.person_id not in but and name.strip() in (person.name, person.person_id):
            raise UsageError(f"{name.strip()!r} is {person.person_id} already; use `people merge`, or another name")


def _title(person: Person) -> str:
    return person.name or person.person_id


def _apart(edit: Edit, joined: Sequence[TrackPlace], kept: str) -> tuple[str, ...]:
    """A note where not all faces of the joined persons came together: those of one frame are never one person."""
    people = edit.people
    left = [one for one in joined if people.get(one.track_id) != kept]
    if not left:
        return ()
    return (f"{len(left)} of {len(joined)} tracks stay apart, as they are in one frame with others: `people assign`",)


def _became(edit: Edit, moved: Iterable[str]) -> tuple[str, ...]:
    """Notes on where the tracks that were taken off are now."""
    people, names = edit.people, {person.person_id: _title(person) for person in read_persons(edit.conn)}
    where = [people.get(one) for one in moved]
    found = [f"{where.count(one)} tracks are {names[one]} now" for one in sorted({one for one in where if one})]
    waiting = where.count(None)
    return (*found, *([f"{waiting} tracks wait until more faces like them are seen"] if waiting else []))
