"""By what a person is known in the store, so that it can be seen afterwards that nothing of it is left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from postlens.store.decisions import SIDES, given_photos, owners_of, read_decisions
from postlens.store.schema import faces, gallery, looks, person_tracks, persons, tracks
from postlens.store.statements import select_in


@dataclass(frozen=True, slots=True)
class PersonTraces:
    """By what a person is known in the store."""

    person_id: str
    joined: frozenset[str]  # ids of persons that were joined with this one and are no more
    names: frozenset[str]  # the user's, those of before and of the joined ones too
    track_ids: frozenset[str]
    face_ids: frozenset[str]
    given: frozenset[str]  # sha256 of photos given for the person
    pictures: frozenset[bytes]  # JPEGs of the faces
    vectors: frozenset[bytes]  # templates of the faces and tracks
    looks: frozenset[bytes]  # vectors of how the head around the faces appears

    @property
    def words(self) -> frozenset[str]:
        """Ids and names."""
        return self.names | self.ids

    @property
    def ids(self) -> frozenset[str]:
        """All under which the person was known."""
        return self.joined | {self.person_id}


def read_person_traces(conn: Connection, person_id: str) -> PersonTraces:
    """What `forget_person` makes unknown to the store."""
    owned = select(person_tracks.c.track_id).where(person_tracks.c.person_id == person_id)
    known = conn.execute(select(gallery).where(gallery.c.person_id == person_id)).all()
    track_ids = {*conn.execute(owned).scalars(), *(row.track_id for row in known)}
    columns = select(faces.c.face_id, faces.c.thumbnail, faces.c.template)
    shown = list(select_in(conn, columns, faces.c.track_id, track_ids))
    means = select_in(conn, select(tracks.c.template), tracks.c.track_id, track_ids)
    seen = select_in(conn, select(looks.c.vector), looks.c.face_id, [row.face_id for row in shown])
    joined = _joined(conn, track_ids)
    return PersonTraces(
        person_id=person_id,
        joined=frozenset(joined),
        names=_names(conn, [person_id, *joined]),
        track_ids=frozenset(track_ids),
        face_ids=frozenset(row.face_id for row in shown),
        given=frozenset(_given(conn, person_id)),
        pictures=frozenset(row.thumbnail for row in shown if row.thumbnail),
        vectors=frozenset([*(row.template for row in shown if row.template), *(row.template for row in means)]),
        looks=frozenset(row.vector for row in seen),
    )


def _given(conn: Connection, person_id: str) -> set[str]:
    """sha256 of photos that were given for the person, and not for another since."""
    rows = conn.execute(select(gallery.c.track_id, gallery.c.person_id).where(gallery.c.kind == "enrolled"))
    now = {row.track_id.rpartition(":")[0]: row.person_id for row in rows}
    every = now.keys() | given_photos(read_decisions(conn), to=[person_id])
    return {sha256 for sha256 in every if now.get(sha256, person_id) == person_id}


def _joined(conn: Connection, track_ids: Collection[str]) -> set[str]:
    """Ids of persons that the tracks were once of and that are no more."""
    there = set(conn.execute(select(persons.c.person_id)).scalars())
    return {name for one in read_decisions(conn) for name in owners_of(one.payload, track_ids)} - there


def _names(conn: Connection, person_ids: Collection[str]) -> frozenset[str]:
    """The names of persons now, and the names they had in decisions."""
    now = {row.name for row in select_in(conn, select(persons.c.name), persons.c.person_id, person_ids)}
    states = [one.payload[side]["persons"] for one in read_decisions(conn) for side in SIDES]
    rows = [state[name] for state in states for name in state.keys() & person_ids]
    return frozenset(name for name in (*now, *(row[0] for row in rows if row)) if name)
