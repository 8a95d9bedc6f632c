"""Stored features to the conclusions that span posts: which are copies of which, and who is who."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.pipelines.copies import link_copies
from postlens.pipelines.forgotten_copies import forget_in_copies
from postlens.store import Store
from postlens.store.faces import read_tracks
from postlens.store.gallery import read_gallery, settle
from postlens.store.media import drop_unused_media
from postlens.store.meta import write_meta
from postlens.store.people import (
    Person,
    PersonTrack,
    delete_person_tracks,
    delete_persons,
    read_constraints,
    read_person_tracks,
    read_persons,
    write_person_tracks,
    write_persons,
)
from postlens.store.settled import FULL_RUN, Basis, has_settled, read_basis, read_unsettled, write_basis
from postlens.store.tombstones import forgotten_ids
from postlens.tasks.people.identity import assign, similarities
from postlens.tasks.people.naming import person_id_of
from postlens.types import FaceTracks
from postlens.vision.templates import MATCH, TEMPLATE
from postlens.vision.zoo import load_spec

People = dict[str, str | None]  # track to person


@dataclass(frozen=True, slots=True)
class _Said:
    """The user's words on tracks."""

    must_link: tuple[tuple[str, str], ...]
    cannot_link: tuple[tuple[str, str], ...]
    gallery: dict[str, str]  # track to person

    @classmethod
    def read(cls, conn: Connection) -> _Said:
        links = sorted((one.kind, one.track_a, one.track_b) for one in read_constraints(conn))
        must, cannot = (tuple((a, b) for name, a, b in links if name == kind) for kind in ("must_link", "cannot_link"))
        return cls(must, cannot, {one.track_id: one.person_id for one in read_gallery(conn)})

    def digest(self) -> str:
        said = repr((self.must_link, self.cannot_link, sorted(self.gallery.items())))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def conclude(store: Store, *, settings: Settings, now: datetime, stop: Callable[[], None] = lambda: None) -> None:
    """Drop media that no post uses any more, link copies, forget in them what is forgotten, assign tracks to persons.

    All in one transaction. All follow from the stored facts and the user's links alone, whatever the order they came
    in. Ids and names of persons stay with the person that has most of their tracks. `stop`: asked before each step;
    what it raises undoes all of them.
    """
    with store.write() as conn:
        for step in (drop_unused_media, link_copies, forget_in_copies):
            stop()
            step(conn)
        stop()
        conclude_people(conn, settings=settings, now=now)
        stop()


def conclude_people(conn: Connection, *, settings: Settings, now: datetime) -> None:
    """Assign tracks to persons, as `conclude` does, within the caller's transaction.

    Only tracks that are not settled, and the persons they disturb, are computed and written: new tracks, and those that
    whoever changes the user's words has made unsettled. All are, where that is not enough; why, is kept in `meta`.
    """
    spec, said, new = load_spec(TEMPLATE), _Said.read(conn), read_unsettled(conn)
    threshold = settings.match_threshold or spec.thresholds[MATCH]
    basis = Basis(threshold, spec.fingerprint, said.digest())
    reason = _reason_for_all(conn, basis, new)
    if reason is not None:
        write_meta(conn, FULL_RUN, reason)
    if reason is not None or new:
        _assign(conn, said, changed=None if reason else new, threshold=threshold, now=now)
        settle(conn, new)
        write_basis(conn, basis)
    _drop_empty(conn, kept=set(said.gallery.values()))


def _reason_for_all(conn: Connection, basis: Basis, new: Collection[str]) -> str | None:
    """Why all tracks must be computed; `None` if the new ones and those they disturb are enough."""
    before = read_basis(conn)
    if before is None:
        return "nothing was assigned before"
    ids = [person.person_id for person in read_persons(conn)]
    reasons = {
        f"the threshold is {basis.threshold:g}, it was {before.threshold:g}": before.threshold != basis.threshold,
        f"the model of templates is {basis.model}, it was {before.model}": before.model != basis.model,
        "tracks went away or were looked at anew": bool(new) and not has_settled(conn),
        "links changed, it is not known which": before.words != basis.words and not new,
        "a person's id was forgotten": bool(forgotten_ids(conn, "person", ids)),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _assign(conn: Connection, said: _Said, *, changed: Collection[str] | None, threshold: float, now: datetime) -> None:
    tracks = read_tracks(conn)
    before: People = dict.fromkeys(tracks.track_id)
    before |= {one.track_id: one.person_id for one in read_person_tracks(conn)}
    people = assign(
        tracks,
        threshold=threshold,
        must_link=said.must_link,
        cannot_link=said.cannot_link,
        gallery=said.gallery,
        previous=before,
        changed=changed,
    )
    people = _without_forgotten_ids(conn, people)
    moved = [track for track, person in people.items() if person != before[track]]
    seen_anew = tracks.track_id if changed is None else changed
    touched = {one[track] for one in (before, people) for track in (*moved, *seen_anew)} - {None}
    _write_people(conn, tracks, people, touched={one for one in touched if one}, threshold=threshold, now=now)
    delete_person_tracks(conn, [track for track in moved if people[track] is None])


def _without_forgotten_ids(conn: Connection, people: People) -> People:
    """An id that was forgotten is not used again: the person that would get it gets one made from it."""
    while gone := forgotten_ids(conn, "person", {name for name in people.values() if name is not None}):
        people = {track: person_id_of(name) if name in gone else name for track, name in people.items()}
    return people


def _write_people(
    conn: Connection, tracks: FaceTracks, people: People, *, touched: Collection[str], threshold: float, now: datetime
) -> None:
    """The persons that are touched, and all of their tracks: how well one fits depends on the others."""
    known = {person.person_id for person in read_persons(conn)}
    theirs = {track: person for track, person in people.items() if person is not None and person in touched}
    found = set(theirs.values())
    write_persons(conn, [Person(person_id, created_at=now) for person_id in sorted(found - known)])
    close = similarities(tracks, theirs, threshold=threshold)
    write_person_tracks(conn, [PersonTrack(track, person, close[track]) for track, person in theirs.items()])


def _drop_empty(conn: Connection, *, kept: Iterable[str]) -> None:
    """Persons that no track is left for, but for those that a user named or vouched for."""
    seen = {one.person_id for one in read_person_tracks(conn)}.union(kept)
    gone = [one.person_id for one in read_persons(conn) if one.name is None and one.person_id not in seen]
    delete_persons(conn, gone)
