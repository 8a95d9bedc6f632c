"""Persons, the tracks that show them, the user's decisions about both, and the posts they appear in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select

from postlens.errors import ForgottenError, UnknownNameError, UsageError
from postlens.store.schema import constraints, faces, person_tracks, persons, post_media, posts, tracks
from postlens.store.statements import delete_in, delete_keys, select_in, upsert
from postlens.store.tombstones import forgotten_ids
from postlens.types import PERSON_ID_PREFIX, Appearance

AssignmentOrigin = Literal["auto", "user"]
ConstraintKind = Literal["must_link", "cannot_link"]


@dataclass(frozen=True, slots=True)
class Person:
    """A face identity. The name is given by the user, never guessed."""

    person_id: str
    created_at: datetime
    name: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class PersonTrack:
    """A track that shows a person."""

    track_id: str
    person_id: str
    similarity: float | None  # None: said by the user
    origin: AssignmentOrigin = "auto"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A user's word on two tracks: the same person, or two."""

    kind: ConstraintKind
    track_a: str
    track_b: str
    created_at: datetime


def write_persons(conn: Connection, batch: Iterable[Person]) -> int:
    """Insert or update persons; returns how many changed. Raises `ForgottenError` for one that was forgotten."""
    rows: list[dict[str, Any]] = [
        {"person_id": p.person_id, "name": p.name, "hidden": p.hidden, "created_at": p.created_at} for p in batch
    ]
    for person_id in forgotten_ids(conn, "person", [row["person_id"] for row in rows]):
        raise ForgottenError(f"person {person_id} was forgotten on request; a new person needs a new id")
    return upsert(conn, persons, rows, keep_first=["created_at"])


def read_persons(conn: Connection) -> list[Person]:
    """All persons by id."""
    return [Person(**row._mapping) for row in conn.execute(select(persons).order_by(persons.c.person_id))]


def find_person(conn: Connection, who: str) -> Person:
    """The one person with this id, name, or start of an id (with or without `person-`).

    Raises:
        UnknownNameError: there is none.
        UsageError: there are several.
    """
    every = read_persons(conn)
    found = [one for one in every if who in (one.person_id, one.name)] or [
        one for one in every if is_start(one.person_id, who)
    ]
    if not found:
        raise UnknownNameError(f"expected a person's id, its start, or a name, got {who!r}; `people list` shows them")
    if len(found) > 1:
        ids = ", ".join(f"{one.person_id} ({one.name})" if one.name else one.person_id for one in found)
        raise UsageError(f"{who!r} may be any of: {ids}; use the id")
    return found[0]


def is_start(person_id: str, text: str) -> bool:
    """Whether a text begins the id, with or without `person-`, and more than that."""
    return bool(text) and person_id.startswith((text, f"{PERSON_ID_PREFIX}{text}")) and text not in PERSON_ID_PREFIX


def delete_persons(conn: Connection, person_ids: Iterable[str]) -> int:
    """Drop persons that a merge or a new clustering left empty; their tracks wait again. Returns how many."""
    gone = list(person_ids)
    delete_in(conn, person_tracks, "person_id", gone)
    return delete_in(conn, persons, "person_id", gone)


def write_person_tracks(conn: Connection, batch: Iterable[PersonTrack]) -> int:
    """Assign tracks to persons, each to one; returns how many assignments changed."""
    return upsert(conn, person_tracks, [_assignment_row(one) for one in batch])


def _assignment_row(one: PersonTrack) -> dict[str, Any]:
    return {
        "track_id": one.track_id,
        "person_id": one.person_id,
        "similarity": one.similarity,
        "origin": one.origin,
    }


def read_person_tracks(conn: Connection, track_ids: Iterable[str] | None = None) -> list[PersonTrack]:
    """Assignments of tracks to persons, by track."""
    columns = (person_tracks.c[name] for name in ("track_id", "person_id", "similarity", "origin"))
    rows = select_in(conn, select(*columns), person_tracks.c.track_id, track_ids)
    return [PersonTrack(*row) for row in sorted(rows, key=itemgetter(0))]


def read_owners(conn: Connection) -> dict[str, str]:
    """Track to person, of all tracks that show one."""
    rows = conn.execute(select(person_tracks.c.track_id, person_tracks.c.person_id))
    return {row.track_id: row.person_id for row in rows}


def count_waiting_tracks(conn: Connection) -> int:
    """How many tracks show no person yet."""
    assigned = select(person_tracks.c.track_id)
    chosen = select(func.count()).select_from(tracks).where(tracks.c.track_id.not_in(assigned))
    return conn.execute(chosen).scalar_one()


def delete_person_tracks(conn: Connection, track_ids: Iterable[str]) -> int:
    """Take tracks from their persons; returns how many had one."""
    return delete_in(conn, person_tracks, "track_id", track_ids)


def write_constraints(conn: Connection, batch: Iterable[Constraint]) -> int:
    """Keep the user's words; returns how many are new. The order of the two tracks does not matter."""
    rows = [{**_key(one), "created_at": one.created_at} for one in batch]
    return upsert(conn, constraints, rows, keep_first=["created_at"])


def delete_constraints(conn: Connection, batch: Iterable[Constraint]) -> int:
    """Take words back; returns how many there were."""
    return delete_keys(conn, constraints, [tuple(_key(one).values()) for one in batch])


def _key(one: Constraint) -> dict[str, str]:
    first, second = sorted((one.track_a, one.track_b))
    return {"kind": one.kind, "track_a": first, "track_b": second}


def read_constraints(conn: Connection) -> list[Constraint]:
    """All words of the user, oldest first."""
    rows = conn.execute(select(constraints))
    found = [Constraint(**row._mapping) for row in rows]
    return sorted(found, key=lambda one: (one.created_at, one.kind, one.track_a, one.track_b))


def _shown(*, duplicates: bool = False) -> Select[Any]:
    """A row for each track of a person in each post; media twice in a post count once."""
    chosen = select(
        person_tracks.c.person_id,
        post_media.c.post_id,
        tracks.c.sha256.label("media"),
        tracks.c.track_id,
        tracks.c.start_s,
        tracks.c.end_s,
        person_tracks.c.similarity,
    )
    joined = person_tracks.join(tracks, tracks.c.track_id == person_tracks.c.track_id)
    joined = joined.join(post_media, post_media.c.sha256 == tracks.c.sha256)
    joined = joined.join(posts, posts.c.post_id == post_media.c.post_id)
    found = chosen.select_from(joined).distinct()
    return found if duplicates else found.where(posts.c.duplicate_of.is_(None))


def appearances(conn: Connection, *, duplicates: bool = False, hidden: bool = True) -> list[Appearance]:
    """Who is seen in which post, when; by person, post and time. The user's own assignments have similarity 1.

    Posts that are duplicates of others are left out unless asked for; persons whom the user hid, if asked for.
    """
    chosen = _shown(duplicates=duplicates)
    if not hidden:
        chosen = chosen.where(person_tracks.c.person_id.not_in(select(persons.c.person_id).where(persons.c.hidden)))
    rows = conn.execute(chosen)
    found = [
        Appearance(**{**row._mapping, "similarity": 1.0 if row.similarity is None else row.similarity}) for row in rows
    ]
    return sorted(found, key=lambda one: (one.person_id, one.post_id, one.media, one.start_s, one.track_id))


def read_person_thumbnails(conn: Connection) -> dict[str, bytes]:
    """JPEG of the best face of each person: the one of highest quality that has a picture."""
    chosen = select(person_tracks.c.person_id, faces.c.face_id, faces.c.quality)
    chosen = chosen.join(faces, faces.c.track_id == person_tracks.c.track_id).where(faces.c.thumbnail.is_not(None))
    best: dict[str, str] = {}
    for row in sorted(conn.execute(chosen), key=lambda row: (-row.quality, row.face_id)):
        best.setdefault(row.person_id, row.face_id)
    pictures = select_in(conn, select(faces.c.face_id, faces.c.thumbnail), faces.c.face_id, best.values())
    by_face = {row.face_id: row.thumbnail for row in pictures}
    return {person_id: by_face[face_id] for person_id, face_id in sorted(best.items())}
