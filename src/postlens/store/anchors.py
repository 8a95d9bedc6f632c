"""What was said about tracks follows their faces when a media file is looked at anew.

A track's number says nothing lasting: a new detector or frame rate numbers the tracks of a media file otherwise. So
persons, known faces, the user's words and decisions move to the new track at the same place and time; where none is
found, they are dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, or_, select

from postlens.store.decisions import read_decisions, renamed, tracks_of, write_payload
from postlens.store.faces import read_faces, track_number
from postlens.store.gallery import GalleryTrack, delete_gallery, read_gallery, unsettle, write_gallery
from postlens.store.people import (
    Constraint,
    PersonTrack,
    delete_constraints,
    delete_person_tracks,
    read_person_tracks,
    write_constraints,
    write_person_tracks,
)
from postlens.store.schema import constraints, faces, gallery, person_tracks, tracks
from postlens.store.statements import select_in, upsert
from postlens.store.tombstones import FORGOTTEN_WITHIN_S
from postlens.types import Faces
from postlens.vision.boxes import box_iou

# Two boxes show one face if they cover each other this much (PASCAL VOC, Everingham et al. 2010). Higher: more of the
# user's words are dropped when boxes are drawn otherwise. Lower: they may move to a neighbour.
SAME_PLACE_IOU = 0.5
SAME_TIME_S = FORGOTTEN_WITHIN_S  # half the distance of frames at the default rate


@dataclass(frozen=True, slots=True)
class Links:
    """What is said about tracks, under their new ids."""

    assignments: tuple[PersonTrack, ...] = ()
    words: tuple[Constraint, ...] = ()
    known: tuple[GalleryTrack, ...] = ()
    kept: tuple[tuple[Table, Mapping[str, Any]], ...] = ()  # rows of given faces that are found no more


def take_links(conn: Connection, new: Mapping[str, Faces]) -> Links:
    """Take off what is said about tracks that the new faces (by sha256) number otherwise; `put_links` puts it back.

    A face that was given for an enrolled person stays, though it may be found no more: it was searched with a border.
    Tracks of the media that were there before are no longer settled: their templates may change.
    """
    if _seen_before(conn, new):
        unsettle(conn)
    moved = _moved(conn, new)
    kept = _kept(conn, new, moved)
    if not moved:
        return Links()
    assignments, known = read_person_tracks(conn, moved), read_gallery(conn, moved)
    words = _words(conn, moved)
    delete_person_tracks(conn, [one.track_id for one in assignments])
    delete_gallery(conn, [one.track_id for one in known])
    delete_constraints(conn, words)
    _rename_decisions(conn, moved)
    renamed = [(one, moved[one.track_id]) for one in assignments]
    vouched = [(one, moved[one.track_id]) for one in known]
    ends = [(one, moved.get(one.track_a, one.track_a), moved.get(one.track_b, one.track_b)) for one in words]
    return Links(
        assignments=tuple(replace(one, track_id=name) for one, name in renamed if name),
        words=tuple(
            replace(one, track_a=a, track_b=b)
            for one, a, b in ends
            if a and b and (a != b or one.track_a == one.track_b)
        ),
        known=tuple(replace(one, track_id=name) for one, name in vouched if name),
        kept=tuple(kept),
    )


def put_links(conn: Connection, links: Links) -> None:
    """Put back what was taken off, as far as the new tracks are there."""
    for table, row in links.kept:
        upsert(conn, table, [row])
    names = {one.track_id for one in links.assignments} | {one.track_id for one in links.known}
    names |= {name for one in links.words for name in _ends(one)}
    there = {row.track_id for row in select_in(conn, select(tracks.c.track_id), tracks.c.track_id, names)}
    write_person_tracks(conn, [one for one in links.assignments if one.track_id in there])
    write_gallery(conn, [one for one in links.known if one.track_id in there])
    write_constraints(conn, [one for one in links.words if there.issuperset(_ends(one))])


def _ends(one: Constraint) -> tuple[str, str]:
    return one.track_a, one.track_b


def _seen_before(conn: Connection, sha256s: Iterable[str]) -> bool:
    return any(True for _ in select_in(conn, select(tracks.c.track_id).limit(1), tracks.c.sha256, sha256s))


def _moved(conn: Connection, new: Mapping[str, Faces]) -> dict[str, str | None]:
    """Old to new id of the tracks that something is said about and whose id changes; `None`: found no more."""
    said = _said_about(conn, new)
    if not said:
        return {}
    old = read_faces(conn, said)
    moved: dict[str, str | None] = {}
    for sha256, track_ids in said.items():
        numbers = match_tracks(old[sha256], new[sha256]) if sha256 in old else {}
        seen = set(_numbers(old[sha256])) if sha256 in old else set()
        for track_id in track_ids:
            number = track_number(track_id)
            found = numbers.get(number)
            if number in seen and found != number:
                moved[track_id] = None if found is None else f"{sha256}:{found}"
    return moved


def _said_about(conn: Connection, sha256s: Iterable[str]) -> dict[str, list[str]]:
    """Tracks of media that belong to a person or are in a word or decision of the user, by sha256."""
    decided = {name for one in read_decisions(conn) for name in tracks_of(one.payload)}
    ends = select(constraints.c.track_a).union(select(constraints.c.track_b))
    said = or_(
        tracks.c.track_id.in_(select(person_tracks.c.track_id)),
        tracks.c.track_id.in_(select(gallery.c.track_id)),
        tracks.c.track_id.in_(ends),
    )
    chosen = select(tracks.c.sha256, tracks.c.track_id, said.label("said"))
    found: dict[str, list[str]] = defaultdict(list)
    for row in select_in(conn, chosen, tracks.c.sha256, sha256s):
        if row.said or row.track_id in decided:
            found[row.sha256].append(row.track_id)
    return found


def _words(conn: Connection, track_ids: Collection[str]) -> list[Constraint]:
    rows = {
        tuple(row): Constraint(**row._mapping)
        for side in (constraints.c.track_a, constraints.c.track_b)
        for row in select_in(conn, select(constraints), side, track_ids)
    }
    return list(rows.values())


def _kept(
    conn: Connection, new: Mapping[str, Faces], moved: dict[str, str | None]
) -> list[tuple[Table, Mapping[str, Any]]]:
    """Rows of faces of enrolled persons that are found no more, numbered after the new ones; adds to `moved`."""
    lost = [one.track_id for one in read_gallery(conn, moved) if one.kind == "enrolled" and moved[one.track_id] is None]
    found: list[tuple[Table, Mapping[str, Any]]] = []
    n_more: dict[str, int] = defaultdict(int)
    for row in select_in(conn, select(tracks), tracks.c.track_id, lost):
        number = max(_numbers(new[row.sha256]), default=-1) + 1 + n_more[row.sha256]
        moved[row.track_id] = f"{row.sha256}:{number}"
        found.append((tracks, {**row._mapping, "track_id": moved[row.track_id]}))
        shown = conn.execute(select(faces).where(faces.c.track_id == row.track_id)).all()
        for i, face in enumerate(shown, start=len(new[row.sha256]) + n_more[row.sha256]):
            changed = {"face_id": f"{row.sha256}:{i}", "number": i, "track_id": moved[row.track_id]}
            found.append((faces, {**face._mapping, **changed}))
        n_more[row.sha256] += max(1, len(shown))
    return found


def _rename_decisions(conn: Connection, moved: Mapping[str, str | None]) -> None:
    """Decisions are about the same faces under their new ids; what is about a face found no more is left out."""
    for one in read_decisions(conn):
        payload = renamed(one.payload, moved)
        if payload != one.payload:
            write_payload(conn, one.number, payload)


def match_tracks(old: Faces, new: Faces) -> dict[int, int]:
    """Old to new track number, one to one: pairs with the most overlap over their faces at the same times first."""
    if old.track_id is None or new.track_id is None or not len(old) or not len(new):
        return {}
    overlap = box_iou(old.xyxy_px, new.xyxy_px)
    near = np.abs(old.pts_s[:, None] - new.pts_s[None]) <= SAME_TIME_S
    votes: dict[tuple[int, int], float] = defaultdict(float)
    for i, j in np.argwhere(near & (overlap > SAME_PLACE_IOU)).tolist():
        votes[int(old.track_id[i]), int(new.track_id[j])] += float(overlap[i, j])
    found: dict[int, int] = {}
    for first, second in sorted(votes, key=lambda pair: (-votes[pair], pair)):
        if first not in found and second not in found.values():
            found[first] = second
    return found


def _numbers(found: Faces) -> list[int]:
    return [] if found.track_id is None else found.track_id.tolist()
