"""Looks of faces to rows and back, and away with their faces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.forget import forget_faces
from postlens.store.looks import pack_look, read_looks
from postlens.store.schema import looks
from postlens.types import Faces

from .conftest import undone
from .facts import boxes, features, sha, tracks_of

MAKER = "maker-1"
DIM = 4


def seen(*lefts: float, unread: tuple[int, ...] = ()) -> Faces:
    """Faces whose look is their left edge, but for the rows that were not looked at."""
    vectors = np.repeat(np.array(lefts, np.float32)[:, None], DIM, axis=1)
    vectors[list(unread)] = np.nan
    return replace(boxes(*lefts), looks=vectors)


def media(faces: Faces, number: int = 1) -> Any:
    return replace(features(number), faces=faces, tracks=tracks_of(sha(number), faces))


def write(store: Store, *values: Any, looks_by: str | None = MAKER) -> int:
    with store.write() as conn:
        return write_features(conn, *values, looks_by=looks_by)


def read(store: Store, number: int = 1, maker: str = MAKER) -> dict[int, float]:
    """Row of the face to the first value of its look."""
    with store.read() as conn:
        rows, vectors = read_looks(conn, [sha(number)], maker).get(sha(number), (np.zeros(0), np.zeros((0, DIM))))
    return dict(zip(rows.tolist(), vectors[:, 0].tolist(), strict=True))


def n_rows(store: Store) -> int:
    with store.read() as conn:
        return len(conn.execute(select(looks)).all())


def test_looks_come_back_with_the_rows_of_their_faces(store: Store) -> None:
    write(store, media(seen(0, 100, 200)), media(seen(50), 2))
    assert read(store) == {0: 0, 1: 100, 2: 200}
    assert read(store, 2) == {0: 50}


def test_writing_the_same_looks_again_changes_nothing(store: Store) -> None:
    write(store, media(seen(0, 100)))
    assert write(store, media(seen(0, 100))) == 0


def test_a_face_that_was_not_looked_at_has_none(store: Store) -> None:
    write(store, media(seen(0, 100, unread=(0,))))
    assert read(store) == {1: 100}


def test_looks_of_another_maker_are_not_read(store: Store) -> None:
    write(store, media(seen(0)))
    assert read(store, maker="maker-2") == {}


def test_without_a_maker_looks_are_not_kept(store: Store) -> None:
    write(store, media(seen(0)), looks_by=None)
    assert n_rows(store) == 0


def test_faces_that_come_without_looks_keep_theirs(store: Store) -> None:
    write(store, media(seen(0, 100)))
    write(store, media(boxes(0, 100)))
    assert read(store) == {0: 0, 1: 100}


def test_a_look_goes_when_its_face_is_found_elsewhere(store: Store) -> None:
    write(store, media(seen(0, 100)))
    write(store, media(boxes(0, 300)))
    assert read(store) == {0: 0}


def test_a_look_goes_with_its_forgotten_face_and_the_others_keep_theirs(store: Store) -> None:
    write(store, media(seen(0, 100, 200)))
    with store.write() as conn:
        removed = forget_faces(conn, [f"{sha(1)}:1"], guessed=False)
    assert (removed["looks"], removed["faces"]) == (1, 1)
    assert read(store) == {0: 0, 1: 200}


def test_a_forgotten_face_gets_no_look_when_it_is_found_again(store: Store) -> None:
    write(store, media(seen(0, 100, 200)))
    with store.write() as conn:
        forget_faces(conn, [f"{sha(1)}:1"], guessed=False)
    write(store, media(seen(0, 100, 200)))
    assert read(store) == {0: 0, 1: 200}
    assert n_rows(store) == 2


@pytest.mark.parametrize("number", [1, 2])
def test_all_looks_are_read_without_naming_media(store: Store, number: int) -> None:
    write(store, media(seen(0)), media(seen(50), 2))
    with store.read() as conn:
        assert sha(number) in read_looks(conn, None, MAKER)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lefts=st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True), data=st.data())
def test_the_order_in_which_faces_are_found_does_not_mix_up_looks(store: Store, lefts: list[int], data: Any) -> None:
    shuffled = data.draw(st.permutations(lefts))
    with undone(store) as conn:
        write_features(conn, media(seen(*(100.0 * left for left in lefts))), looks_by=MAKER)
        write_features(conn, media(seen(*(100.0 * left for left in shuffled))), looks_by=MAKER)
        rows, vectors = read_looks(conn, [sha(1)], MAKER)[sha(1)]
    assert rows.tolist() == list(range(len(lefts)))
    assert vectors[:, 0].tolist() == [100 * left for left in shuffled]


def test_half_a_float_is_kept_of_each_value() -> None:
    assert np.frombuffer(pack_look(np.array([1.0, 0.1])), "<f2").tolist() == [1.0, np.float16(0.1)]
