"""Tracks whose person a user vouches for, and tracks that the last assignment to persons has seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, select

from postlens.store.schema import gallery, settled_tracks
from postlens.store.statements import delete_in, select_in, upsert

GalleryKind = Literal["enrolled", "named"]


@dataclass(frozen=True, slots=True)
class GalleryTrack:
    """A track of a person by the user's word: of a photo given for a person, or the best one when it was named."""

    track_id: str
    person_id: str
    kind: GalleryKind
    created_at: datetime


def write_gallery(conn: Connection, batch: Iterable[GalleryTrack]) -> int:
    """Keep the user's word on these tracks, each of one person; returns how many rows changed."""
    rows = [
        {"track_id": one.track_id, "person_id": one.person_id, "kind": one.kind, "created_at": one.created_at}
        for one in batch
    ]
    return upsert(conn, gallery, rows, keep_first=["created_at"])


def read_gallery(conn: Connection, track_ids: Iterable[str] | None = None) -> list[GalleryTrack]:
    """The user's words by track, of all tracks or of these."""
    rows = select_in(conn, select(gallery), gallery.c.track_id, track_ids)
    return sorted((GalleryTrack(**row._mapping) for row in rows), key=lambda one: one.track_id)


def delete_gallery(conn: Connection, track_ids: Iterable[str]) -> int:
    """Take the user's word on tracks back; returns how many had one."""
    return delete_in(conn, gallery, "track_id", track_ids)


def read_settled(conn: Connection) -> set[str]:
    """Ids of the tracks that the last assignment to persons has seen."""
    return set(conn.execute(select(settled_tracks.c.track_id)).scalars())


def settle(conn: Connection, track_ids: Iterable[str]) -> None:
    """Note tracks as seen by an assignment to persons; this makes no new revision."""
    upsert(conn, settled_tracks, [{"track_id": one} for one in track_ids], counted=False)


def unsettle(conn: Connection, track_ids: Iterable[str] | None = None) -> None:
    """Make tracks new again, all of them by default, so that the next assignment looks at them once more.

    For whoever changes a user's word: all ends of new and of removed words.
    """
    if track_ids is None:
        conn.execute(delete(settled_tracks), execution_options={"counted": False})
    else:
        delete_in(conn, settled_tracks, "track_id", track_ids, counted=False)
