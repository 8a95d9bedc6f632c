"""Stored features to the conclusions that span posts: which are copies of which, and who is who."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.pipelines.copies import link_copies
from postlens.store import Store
from postlens.store.faces import read_tracks
from postlens.store.media import drop_unused_media
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    delete_persons,
    read_constraints,
    read_person_tracks,
    read_persons,
    replace_person_tracks,
    write_persons,
)
from postlens.store.tombstones import forgotten_ids
from postlens.tasks.people.identity import assign, similarities
from postlens.types import FaceTracks
from postlens.vision.zoo import load_spec

TEMPLATE_MODEL = "face_template"
MATCH_THRESHOLD = "match"  # its name on the template's card


def conclude(store: Store, *, settings: Settings, now: datetime) -> None:
    """Drop media that no post uses any more, link copies and assign tracks to persons, in one transaction.

    All follow from the stored facts and the user's links alone, whatever the order they came in. Ids and names of
    persons stay with the person that has most of their tracks.
    """
    with store.write() as conn:
        drop_unused_media(conn)
        link_copies(conn)
        conclude_people(conn, settings=settings, now=now)


def conclude_people(conn: Connection, *, settings: Settings, now: datetime) -> None:
    """Assign tracks to persons, as `conclude` does, within the caller's transaction."""
    threshold = settings.match_threshold or load_spec(TEMPLATE_MODEL).thresholds[MATCH_THRESHOLD]
    _assign_people(conn, threshold=threshold, now=now)


def _assign_people(conn: Connection, *, threshold: float, now: datetime) -> None:
    tracks, links = read_tracks(conn), read_constraints(conn)
    before = {one.track_id: one.person_id for one in read_person_tracks(conn)}
    people = assign(
        tracks,
        threshold=threshold,
        must_link=_pairs(links, "must_link"),
        cannot_link=_pairs(links, "cannot_link"),
        previous=before,
    )
    _write_people(conn, tracks, _without_forgotten_ids(conn, people), threshold=threshold, now=now)


def _pairs(links: Sequence[Constraint], kind: str) -> list[tuple[str, str]]:
    return [(one.track_a, one.track_b) for one in links if one.kind == kind]


def _without_forgotten_ids(conn: Connection, people: dict[str, str | None]) -> dict[str, str | None]:
    """An id that was forgotten is not used again: the person that would get it gets the id with a mark."""
    while gone := forgotten_ids(conn, "person", {name for name in people.values() if name is not None}):
        people = {track: f"{name}b" if name in gone else name for track, name in people.items()}
    return people


def _write_people(
    conn: Connection, tracks: FaceTracks, people: dict[str, str | None], *, threshold: float, now: datetime
) -> None:
    """New persons, then the assignments, then persons that no track is left for; a named person stays."""
    known = {person.person_id: person for person in read_persons(conn)}
    found = {person_id for person_id in people.values() if person_id is not None}
    write_persons(conn, [Person(person_id, created_at=now) for person_id in sorted(found - known.keys())])
    close = similarities(tracks, people, threshold=threshold)
    rows = [PersonTrack(track, person, close[track]) for track, person in people.items() if person is not None]
    replace_person_tracks(conn, rows)
    delete_persons(conn, [name for name, person in known.items() if name not in found and person.name is None])
