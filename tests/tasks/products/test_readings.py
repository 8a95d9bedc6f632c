"""Which face speaks for an image, and what is read of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.tasks.products.readings import MIN_QUALITY, main_row, read_image
from postlens.types import ATTRIBUTES, Faces

SCORES = st.lists(st.floats(0, 1), min_size=6, max_size=6)


def faces(*sides_px: float, quality: float | list[float] = 0.9, tracks: list[int] | None = None) -> Faces:
    """Square faces; the first has attributes .1, the second .2 and so on."""
    n = len(sides_px)
    sides = np.array(sides_px, np.float32)
    return Faces(
        xyxy_px=np.stack([np.zeros(n), np.zeros(n), sides, sides], axis=1).astype(np.float32),
        score=np.ones(n, np.float32),
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=np.broadcast_to(np.float32(quality), n).copy(),
        frame=np.zeros(n, np.int64),
        pts_s=np.zeros(n, np.float32),
        attributes=np.repeat(np.arange(1, n + 1, dtype=np.float32)[:, None] / 10, 6, axis=1).reshape(n, 6),
        track_id=None if tracks is None else np.array(tracks, np.int64),
    )


def test_the_largest_face_speaks_for_an_image() -> None:
    found = read_image(faces(30, 60, 50))
    assert (found.has_face, found.face, round(found.scores["hat"], 6)) == (True, 1, 0.2)


def test_the_face_of_the_profiles_person_outranks_a_larger_one() -> None:
    assert read_image(faces(30, 60, tracks=[4, 5]), preferred_tracks={4}).face == 0


def test_a_person_who_is_not_in_the_image_changes_nothing() -> None:
    assert read_image(faces(30, 60, tracks=[4, 5]), preferred_tracks={7}).face == 1


def test_a_person_whose_face_cannot_be_read_leaves_the_image_to_the_largest() -> None:
    found = faces(30, 60, quality=[MIN_QUALITY / 2, 0.9], tracks=[4, 5])
    assert read_image(found, preferred_tracks={4}).face == 1


@pytest.mark.parametrize("found", [Faces.none(), faces(50, quality=MIN_QUALITY / 2)], ids=["none", "blurred"])
def test_without_a_usable_face_the_image_itself_may_speak(found: Faces) -> None:
    assert read_image(found).scores == {}
    with_ring = read_image(found, {"ring": 0.7})
    assert (with_ring.has_face, with_ring.face, dict(with_ring.scores)) == (False, None, {"ring": 0.7})


def test_of_a_track_the_best_face_is_the_one_that_was_read() -> None:
    assert read_image(faces(60, 30, quality=[0.5, 0.9], tracks=[2, 2])).face == 1


def test_scores_that_are_not_known_are_left_out() -> None:
    found = read_image(faces(50), {"ring": float("nan")}, face_scores=[{"hat": 0.4, "beard": float("nan")}])
    assert dict(found.scores) == {"hat": 0.4}


def test_faces_without_attributes_need_other_scores() -> None:
    bare = replace(faces(50), attributes=None)
    with pytest.raises(ShapeError, match="predict_attributes"):
        read_image(bare)
    assert dict(read_image(bare, face_scores=[{"cap": 0.9}]).scores) == {"cap": 0.9}


@given(st.permutations(range(4)))
def test_the_order_of_faces_never_matters(order: list[int]) -> None:
    image = faces(30, 60, 50, 60, tracks=[0, 1, 2, 3])
    image = replace(image, score=np.array([1, 0.9, 1, 0.8], np.float32))
    for preferred in (frozenset(), frozenset({0, 2})):
        shuffled = read_image(image[order], preferred_tracks=preferred)
        assert shuffled.scores == read_image(image, preferred_tracks=preferred).scores


@given(st.lists(SCORES, min_size=1, max_size=4))
def test_a_reading_repeats_one_face_as_it_is(rows: list[list[float]]) -> None:
    found = replace(faces(*range(20, 20 + len(rows))), attributes=np.array(rows, np.float32))
    row = main_row(found)
    assert row is not None
    assert list(read_image(found).scores) == list(ATTRIBUTES)
    assert list(read_image(found).scores.values()) == pytest.approx(found.attributes[row].tolist())
