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
from postlens.store.statements import delete_keys, select_in, upsert
from postlens.types import Faces, FloatArray, IntArray

_FLOAT16 = np.dtype("<f2")  # the same bytes on every machine
Looks = tuple[IntArray, FloatArray]  # rows of the faces (M,), ascending, and their vectors (M, D) float32


def write_looks(conn: Connection, by_media: Mapping[str, Faces], fingerprint: str) -> int:
    """Replace the looks of the stored faces of media, by sha256; call it after `write_faces`.

    A look goes to the stored face with the same box at the same time: faces that were forgotten have none. Rows with
    NaN are faces that were not looked at. Faces that come without `looks` keep what is stored, unless they have no
    `attributes` either: then they were found anew, and the looks of the former ones go. Returns how many rows changed.
    """
    stored: dict[str, list[Row[Any]]] = defaultdict(list)
    chosen = select(faces.c.face_id, faces.c.sha256, faces.c.box, faces.c.pts_s)
    for row in select_in(conn, chosen, faces.c.sha256, by_media):
        stored[row.sha256].append(row)
    new = {
        face_id: vector
        for sha256, found in by_media.items()
        if found.looks is not None
        for face_id, vector in _vectors(stored[sha256], found).items()
    }
    replaced = {name for name, one in by_media.items() if one.looks is not None or one.attributes is None}
    face_ids = [row.face_id for sha256 in replaced for row in stored[sha256]]
    old = {row.face_id for row in select_in(conn, select(looks.c.face_id), looks.c.face_id, face_ids)}
    n_gone = delete_keys(conn, looks, [(face_id,) for face_id in sorted(old - new.keys())])
    rows = [{"face_id": name, "fingerprint": fingerprint, "vector": vector} for name, vector in new.items()]
    return n_gone + upsert(conn, looks, rows)


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


def _vectors(rows: Iterable[Row[Any]], found: Faces) -> dict[str, bytes]:
    """By face_id the look of the face that has the stored one's place; faces without a look are left out."""
    assert found.looks is not None
    known = np.flatnonzero(np.isfinite(found.looks).all(axis=1)).tolist()
    places = {(pack(found.xyxy_px[i]), float(found.pts_s[i])): pack_look(found.looks[i]) for i in known}
    keys = {row.face_id: (bytes(row.box), float(row.pts_s)) for row in rows}
    return {face_id: places[key] for face_id, key in keys.items() if key in places}


def _looks(rows: list[Row[Any]], numbers: list[int]) -> Looks:
    vectors = np.frombuffer(b"".join(row.vector for row in rows), _FLOAT16).reshape(len(rows), -1)
    return np.array(numbers, np.int64), vectors.astype(np.float32)
