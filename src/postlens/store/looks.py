"""Looks of faces to rows and back: how the head around a face appears, for heads of attributes that are trained later.

They are vectors of persons' faces: they go with the face when it is forgotten. On disk they are float16, a relative
error of at most 0.05 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, and_, select

from postlens.store.columns import pack
from postlens.store.schema import faces, looks
from postlens.store.statements import delete_in, delete_keys, select_in, upsert
from postlens.types import Faces, FloatArray, IntArray

_FLOAT16 = np.dtype("<f2")  # the same bytes on every machine
Place = tuple[bytes, float]  # of a face: box and time
Looks = tuple[IntArray, FloatArray]  # rows of the faces (M,), ascending, and their vectors (M, D) float32


def write_looks(conn: Connection, by_media: Mapping[str, Faces], fingerprint: str) -> int:
    """Replace the looks of the stored faces of media, by sha256; call it after `write_faces`.

    A look goes to the stored face with the same box at the same time: faces that were forgotten have none. Rows with
    NaN are faces that were not looked at; faces without `looks` keep what is stored. Returns how many rows changed.
    """
    found = {sha256: one for sha256, one in by_media.items() if one.looks is not None}
    stored: dict[str, dict[str, Place]] = defaultdict(dict)
    chosen = select(faces.c.face_id, faces.c.sha256, faces.c.box, faces.c.pts_s)
    for row in select_in(conn, chosen, faces.c.sha256, found):
        stored[row.sha256][row.face_id] = _place(row)
    new = {
        face_id: vector
        for sha256, one in found.items()
        for face_id, vector in _vectors(stored[sha256], one, one.looks).items()
    }
    face_ids = [face_id for own in stored.values() for face_id in own]
    old = {row.face_id for row in select_in(conn, select(looks.c.face_id), looks.c.face_id, face_ids)}
    n_gone = delete_keys(conn, looks, [(face_id,) for face_id in sorted(old - new.keys())])
    rows = [{"face_id": name, "fingerprint": fingerprint, "vector": vector} for name, vector in new.items()]
    return n_gone + upsert(conn, looks, rows)


def looked_at(conn: Connection, sha256s: Iterable[str]) -> dict[str, Place]:
    """The places of the faces of media that have a look, by face_id: for `drop_moved`."""
    columns = select(faces.c.face_id, faces.c.box, faces.c.pts_s).join(looks, looks.c.face_id == faces.c.face_id)
    return {row.face_id: _place(row) for row in select_in(conn, columns, faces.c.sha256, sha256s)}


def drop_moved(conn: Connection, before: Mapping[str, Place]) -> int:
    """Delete the looks of faces that are not where they were: another face has their id now. Returns how many."""
    columns = select(faces.c.face_id, faces.c.box, faces.c.pts_s)
    now = {row.face_id: _place(row) for row in select_in(conn, columns, faces.c.face_id, before)}
    return delete_in(conn, looks, "face_id", [name for name, place in before.items() if now.get(name, place) != place])


def read_looks(conn: Connection, sha256s: Iterable[str] | None, fingerprint: str) -> dict[str, Looks]:
    """The looks that one maker made of the faces of media, by sha256; media without any are left out.

    A face's number here is its row in `read_faces`, which differs from the stored one behind a forgotten face.
    """
    made = and_(looks.c.face_id == faces.c.face_id, looks.c.fingerprint == fingerprint)
    chosen = select(faces.c.sha256, faces.c.number, looks.c.vector).outerjoin_from(faces, looks, made)
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in sorted(select_in(conn, chosen, faces.c.sha256, sha256s), key=lambda row: (row.sha256, row.number)):
        rows[row.sha256].append(row)
    known = {sha256: [i for i, row in enumerate(own) if row.vector is not None] for sha256, own in rows.items()}
    return {sha256: _looks([rows[sha256][i] for i in own], own) for sha256, own in known.items() if own}


def pack_look(vector: NDArray[Any]) -> bytes:
    """The bytes of a look as they are stored."""
    return np.ascontiguousarray(vector, _FLOAT16).tobytes()


def _place(row: Row[Any]) -> Place:
    return bytes(row.box), float(row.pts_s)


def _vectors(stored: Mapping[str, Place], found: Faces, vectors: FloatArray | None) -> dict[str, bytes]:
    """By face_id the look of the face that has the stored one's place; faces without a look are left out."""
    if vectors is None:
        return {}
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1)).tolist()
    places = {(pack(found.xyxy_px[i]), float(found.pts_s[i])): pack_look(vectors[i]) for i in known}
    return {face_id: places[place] for face_id, place in stored.items() if place in places}


def _looks(rows: list[Row[Any]], numbers: list[int]) -> Looks:
    vectors = np.frombuffer(b"".join(row.vector for row in rows), _FLOAT16).reshape(len(rows), -1)
    return np.array(numbers, np.int64), vectors.astype(np.float32)
