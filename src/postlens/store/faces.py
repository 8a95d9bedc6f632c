"""Faces and face tracks to rows and back, many media at a time. Forgotten faces are dropped on the way in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from postlens.store.columns import pack, pack_rows, unpack, unpack_or_none
from postlens.store.looks import drop_moved, looked_at
from postlens.store.schema import faces, tracks
from postlens.store.statements import replace_rows, select_in
from postlens.store.tombstones import read_forgotten_faces
from postlens.types import Faces, FaceTracks, IntArray

_PRIVATE = ("template", "thumbnail")  # read only where asked for: they are most of the bytes
_NO_TRACK = -1


def track_number(track_id: str) -> int:
    """The running number within the media file: 3 for "<sha256>:3"."""
    return int(track_id.rpartition(":")[2])


def write_faces(conn: Connection, batch: Mapping[str, tuple[Faces | None, FaceTracks | None]]) -> int:
    """Replace faces and tracks of media, by sha256; `None` leaves those of the media as they are.

    Faces that were forgotten on request are dropped, with all of the track that they belong to. A look stays with its
    face only where that keeps its place and number. Returns how many rows changed.
    """
    batch = _without_forgotten(conn, batch)
    new_tracks = {sha256: t for sha256, (_, t) in batch.items() if t is not None}
    new_faces = {sha256: f for sha256, (f, _) in batch.items() if f is not None}
    track_rows = [row for sha256, t in new_tracks.items() for row in _track_rows(sha256, t)]
    face_rows = [row for sha256, f in new_faces.items() for row in _face_rows(sha256, f)]
    looked = looked_at(conn, new_faces)
    n_rows = replace_rows(conn, tracks, track_rows, scope=("sha256", new_tracks))
    n_rows += replace_rows(conn, faces, face_rows, scope=("sha256", new_faces))
    return n_rows + drop_moved(conn, looked)


def _without_forgotten(
    conn: Connection, batch: Mapping[str, tuple[Faces | None, FaceTracks | None]]
) -> dict[str, tuple[Faces | None, FaceTracks | None]]:
    kept = dict(batch)
    for sha256, places in read_forgotten_faces(conn, batch).items():
        found, followed = kept[sha256]
        if found is None or not len(found):
            continue
        gone = places.matches(found.xyxy_px, found.pts_s)
        gone_tracks = set() if found.track_id is None else set(found.track_id[gone].tolist()) - {_NO_TRACK}
        if found.track_id is not None:
            gone |= np.isin(found.track_id, list(gone_tracks))
        kept[sha256] = (found[~gone], None if followed is None else _drop_tracks(followed, gone_tracks))
    return kept


def _drop_tracks(followed: FaceTracks, numbers: set[int]) -> FaceTracks:
    return followed[np.array([track_number(track_id) not in numbers for track_id in followed.track_id], bool)]


def _track_rows(sha256: str, followed: FaceTracks) -> list[dict[str, Any]]:
    return [
        {
            "track_id": track_id,
            "sha256": sha256,
            "start_s": float(followed.start_s[i]),
            "end_s": float(followed.end_s[i]),
            "n_frames": int(followed.n_frames[i]),
            "quality": float(followed.quality[i]),
            "template": pack(followed.template[i]),
        }
        for i, track_id in enumerate(followed.track_id)
    ]


def _face_rows(sha256: str, found: Faces) -> list[dict[str, Any]]:
    n_faces = len(found)
    thumbnails: Sequence[bytes | None] = found.thumbnails or [None] * n_faces
    track_ids = _track_ids(sha256, found.track_id, n_faces)
    templates, expressions, attributes = (
        pack_rows(matrix, n_faces) for matrix in (found.template, found.expression, found.attributes)
    )
    return [
        {
            "face_id": f"{sha256}:{i}",
            "sha256": sha256,
            "number": i,
            "frame": int(found.frame[i]),
            "pts_s": float(found.pts_s[i]),
            "box": pack(found.xyxy_px[i]),
            "score": float(found.score[i]),
            "quality": float(found.quality[i]),
            "landmarks": pack(found.landmarks_px[i]),
            "template": templates[i],
            "track_id": track_ids[i],
            "expression": expressions[i],
            "attributes": attributes[i],
            "thumbnail": thumbnails[i] or None,
        }
        for i in range(n_faces)
    ]


def _track_ids(sha256: str, numbers: IntArray | None, n_faces: int) -> list[str | None]:
    if numbers is None:
        return [None] * n_faces
    return [None if number == _NO_TRACK else f"{sha256}:{number}" for number in numbers.tolist()]


def read_faces(
    conn: Connection,
    sha256s: Iterable[str] | None = None,
    *,
    templates: bool = False,
    thumbnails: bool = False,
) -> dict[str, Faces]:
    """Faces by sha256 of their media, in the order they were written; media without faces are left out.

    `templates` and `thumbnails` are most of the bytes, and are read only where asked for.
    """
    wanted = {"template": templates, "thumbnail": thumbnails}
    columns = [column for column in faces.c if wanted.get(column.name, True)]
    rows = sorted(select_in(conn, select(*columns), faces.c.sha256, sha256s), key=lambda row: (row.sha256, row.number))
    grouped: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        grouped[row.sha256].append(row)
    return {sha256: _faces(rows, **wanted) for sha256, rows in grouped.items()}


def read_face_ids(conn: Connection, sha256s: Iterable[str]) -> dict[str, list[str]]:
    """Ids of faces by sha256 of their media, in the order of `read_faces`."""
    chosen = select(faces.c.sha256, faces.c.number, faces.c.face_id)
    found: dict[str, list[str]] = defaultdict(list)
    for row in sorted(select_in(conn, chosen, faces.c.sha256, sha256s), key=lambda row: (row.sha256, row.number)):
        found[row.sha256].append(row.face_id)
    return dict(found)


def _faces(rows: Sequence[Row[Any]], *, template: bool, thumbnail: bool) -> Faces:
    numbers = [_NO_TRACK if row.track_id is None else track_number(row.track_id) for row in rows]
    pictures = tuple(row.thumbnail or b"" for row in rows) if thumbnail else ()
    return Faces(
        xyxy_px=unpack([row.box for row in rows]),
        score=_floats([row.score for row in rows]),
        landmarks_px=unpack([row.landmarks for row in rows]).reshape(len(rows), -1, 2),
        quality=_floats([row.quality for row in rows]),
        frame=np.array([row.frame for row in rows], np.int64),
        pts_s=_floats([row.pts_s for row in rows]),
        template=unpack_or_none([row.template for row in rows]) if template else None,
        expression=unpack_or_none([row.expression for row in rows]),
        attributes=unpack_or_none([row.attributes for row in rows]),
        track_id=None if all(number == _NO_TRACK for number in numbers) else np.array(numbers, np.int64),
        thumbnails=pictures if any(pictures) else None,
    )


def _floats(values: Sequence[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def read_tracks(
    conn: Connection, sha256s: Iterable[str] | None = None, *, track_ids: Iterable[str] | None = None
) -> FaceTracks:
    """Tracks of media, or with these ids, by media and running number."""
    if track_ids is None:
        rows = list(select_in(conn, select(tracks), tracks.c.sha256, sha256s))
    else:
        rows = list(select_in(conn, select(tracks), tracks.c.track_id, track_ids))
    rows.sort(key=lambda row: (row.sha256, track_number(row.track_id)))
    return FaceTracks(
        track_id=tuple(row.track_id for row in rows),
        start_s=_floats([row.start_s for row in rows]),
        end_s=_floats([row.end_s for row in rows]),
        n_frames=np.array([row.n_frames for row in rows], np.int64),
        quality=_floats([row.quality for row in rows]),
        template=unpack([row.template for row in rows]),
    )
