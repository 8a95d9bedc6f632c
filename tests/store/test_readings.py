"""What nets read out of pixels, to rows and back, and with the faces that are written again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.forget import forget_faces
from postlens.store.readings import read_readings
from postlens.store.schema import readings
from postlens.types import WHOLE, Faces, Readings

from .facts import boxes, features, sha, tracks_of


def of_rows(*rows: int, fingerprint: str = "net-1") -> Readings:
    """Two probabilities for each row, told apart by its number."""
    probs = np.array([[(row + 2) / 10, 0.5] for row in rows], np.float32).reshape(len(rows), 2)
    return Readings(fingerprint, np.array(rows, np.int64), probs)


def media(faces: Faces, *found: Readings) -> Any:
    """A photo with these faces and readings."""
    return replace(features(1), faces=faces, tracks=tracks_of(sha(1), faces), readings=found)


def write(store: Store, *values: Any) -> int:
    with store.write() as conn:
        return write_features(conn, *values)


def read(store: Store, fingerprint: str = "net-1") -> dict[int, float]:
    """Row to the first probability."""
    with store.read() as conn:
        found = read_readings(conn, [sha(1)], fingerprint)
    return {
        r: round(float(p[0]), 3) for one in found.values() for r, p in zip(one.rows.tolist(), one.probs, strict=True)
    }


def n_rows(store: Store) -> int:
    with store.read() as conn:
        return len(conn.execute(select(readings)).all())


def test_readings_come_back_as_they_were_written(store: Store) -> None:
    write(store, media(boxes(0, 100), of_rows(0, 1)))
    assert read(store) == {0: 0.2, 1: 0.3}
    assert write(store, media(boxes(0, 100), of_rows(0, 1))) == 0


def test_the_reading_of_a_whole_image_needs_no_face(store: Store) -> None:
    write(store, media(boxes(), of_rows(WHOLE)))
    assert read(store) == {WHOLE: 0.1}


def test_several_nets_read_side_by_side(store: Store) -> None:
    write(store, media(boxes(0), of_rows(0)))
    write(store, replace(features(1), faces=None, tracks=None, readings=(of_rows(WHOLE, fingerprint="net-2"),)))
    assert (read(store), read(store, "net-2"), read(store, "net-3")) == ({0: 0.2}, {WHOLE: 0.1}, {})


def test_a_net_that_reads_fewer_faces_leaves_no_old_rows(store: Store) -> None:
    write(store, media(boxes(0, 100), of_rows(0, 1)))
    write(store, media(boxes(0, 100), of_rows(1)))
    assert read(store) == {1: 0.3}


@pytest.mark.parametrize(
    ("again", "rows"),
    [((0, 100), {0: 0.2, 1: 0.3}), ((100,), {0: 0.3}), ((50, 0, 100), {1: 0.2, 2: 0.3}), ((7,), {}), ((), {})],
)
def test_readings_follow_their_faces_when_these_are_numbered_anew(
    store: Store, again: tuple[int, ...], rows: Any
) -> None:
    write(store, media(boxes(0, 100), of_rows(0, 1)))
    write(store, media(boxes(*again)))
    assert read(store) == rows
    assert n_rows(store) == len(rows)


def test_a_forgotten_face_has_no_reading_now_or_later(store: Store) -> None:
    write(store, media(boxes(0, 100), of_rows(0, 1)))
    with store.write() as conn:
        forget_faces(conn, [f"{sha(1)}:0"], guessed=False)
    assert read(store) == {0: 0.3}
    write(store, media(boxes(0, 100), of_rows(0, 1)))
    assert read(store) == {0: 0.3}
    assert n_rows(store) == 1
