"""Probabilities that a trained net read out of pixels, to rows and back: of faces, and of whole images.

They cannot be derived from a stored vector. A row is of a face by its number in the media file, or of the whole file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from postlens.store.columns import pack, unpack
from postlens.store.schema import faces, readings
from postlens.store.statements import delete_keys, replace_rows, select_in, upsert
from postlens.types import WHOLE, Faces, MediaFeatures, Readings

Place = tuple[bytes, float]  # of a face: box and time
Placed = dict[tuple[str, int, str], tuple[Place | None, bytes]]  # by key of the row: the face's place, probabilities


def write_readings(conn: Connection, features: Mapping[str, MediaFeatures]) -> int:
    """Replace what nets read in media, by sha256; readings of other nets stay. Call it after `write_faces`.

    A reading of a face goes to the stored face with the same box at the same time: forgotten faces have none. Returns
    how many rows changed.
    """
    by_net: dict[str, dict[str, Readings]] = defaultdict(dict)
    for sha256, one in features.items():
        for found in one.readings:
            by_net[found.fingerprint][sha256] = found
    if not by_net:
        return 0
    numbers = _numbers(conn, features)
    return sum(
        replace_rows(
            conn,
            readings,
            [row for sha256, one in own.items() for row in _rows(sha256, one, features[sha256].faces, numbers)],
            scope=("sha256", own),
            fingerprint=fingerprint,
        )
        for fingerprint, own in by_net.items()
    )


def read_readings(conn: Connection, sha256s: Iterable[str] | None, fingerprint: str) -> dict[str, Readings]:
    """What one net read in media, by sha256; media without are left out. Numbers are rows of `read_faces`."""
    chosen = select(readings).where(readings.c.fingerprint == fingerprint)
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in sorted(select_in(conn, chosen, readings.c.sha256, sha256s), key=lambda row: (row.sha256, row.number)):
        rows[row.sha256].append(row)
    places = _positions(conn, rows)
    known = {sha256: [row for row in own if (sha256, row.number) in places] for sha256, own in rows.items()}
    return {
        sha256: Readings(
            fingerprint,
            rows=np.array([places[sha256, row.number] for row in own], np.int64),
            probs=unpack([row.probs for row in own]),
        )
        for sha256, own in known.items()
        if own
    }


# --- faces that are numbered anew -----------------------------------------------------------------------------------


def take_readings(conn: Connection, found: Mapping[str, Faces]) -> Placed:
    """What nets read in faces that are about to be written again, with the places of these faces, by key of the row."""
    chosen = select(readings).where(readings.c.number != WHOLE)
    rows = list(select_in(conn, chosen, readings.c.sha256, found))
    places = {key: place for place, key in _by_number(conn, {row.sha256 for row in rows})}
    return {(r.sha256, r.number, r.fingerprint): (places.get((r.sha256, r.number)), r.probs) for r in rows}


def put_readings(conn: Connection, taken: Placed) -> int:
    """Give what was taken to the faces that are in the same places; that of faces which are gone goes.

    Returns how many rows changed.
    """
    if not taken:
        return 0
    numbers = _numbers(conn, {sha256 for sha256, _, _ in taken})
    kept = {
        (sha256, numbers[sha256, place], fingerprint): probs
        for (sha256, _, fingerprint), (place, probs) in taken.items()
        if place is not None and (sha256, place) in numbers
    }
    n_gone = delete_keys(conn, readings, sorted(taken.keys() - kept.keys()))
    rows = [{"sha256": s, "number": n, "fingerprint": f, "probs": probs} for (s, n, f), probs in kept.items()]
    return n_gone + upsert(conn, readings, rows)


def _rows(
    sha256: str, one: Readings, found: Faces | None, numbers: Mapping[tuple[str, Place], int]
) -> list[dict[str, Any]]:
    known = {WHOLE: WHOLE}
    if found is not None:
        places = [(sha256, (pack(box), float(at_s))) for box, at_s in zip(found.xyxy_px, found.pts_s, strict=True)]
        known |= {row: numbers[place] for row, place in enumerate(places) if place in numbers}
    return [
        {"sha256": sha256, "number": known[row], "fingerprint": one.fingerprint, "probs": pack(probs)}
        for row, probs in zip(one.rows.tolist(), one.probs, strict=True)
        if row in known
    ]


def _numbers(conn: Connection, sha256s: Iterable[str]) -> dict[tuple[str, Place], int]:
    """Number of the stored face of a media file that is in a place."""
    return {(sha256, place): number for place, (sha256, number) in _by_number(conn, sha256s)}


def _by_number(conn: Connection, sha256s: Iterable[str]) -> list[tuple[Place, tuple[str, int]]]:
    chosen = select(faces.c.sha256, faces.c.number, faces.c.box, faces.c.pts_s)
    rows = select_in(conn, chosen, faces.c.sha256, sha256s)
    return [((bytes(row.box), float(row.pts_s)), (row.sha256, row.number)) for row in rows]


def _positions(conn: Connection, sha256s: Iterable[str]) -> dict[tuple[str, int], int]:
    """By media and number the face's row in `read_faces`: numbers have gaps where faces were forgotten."""
    sha256s = list(sha256s)
    chosen = select(faces.c.sha256, faces.c.number)
    found: dict[str, list[int]] = defaultdict(list)
    for row in select_in(conn, chosen, faces.c.sha256, sha256s):
        found[row.sha256].append(row.number)
    places = {(sha256, number): at for sha256, own in found.items() for at, number in enumerate(sorted(own))}
    return places | {(sha256, WHOLE): WHOLE for sha256 in sha256s}
