"""Frames and faces of a post's media to one row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.niche import MediaFaces, face_features, post_embeddings
from postlens.tasks.niche.features import FACE_DIM, LAYOUT_COLUMNS
from postlens.types import Embeddings, Faces

from ...test_types import faces as any_faces


def media(*rows: list[float], fingerprint: str = "enc") -> Embeddings:
    vectors = np.array(rows, np.float32).reshape(len(rows), -1)
    return Embeddings(tuple(f"m:{i}" for i in range(len(rows))), vectors, fingerprint)


def test_a_photo_post_keeps_its_vector():
    posts = post_embeddings({"p1": [media([1.0, 2.0])], "p2": [media([3.0, 4.0])]})
    assert posts.ids == ("p1", "p2")
    assert posts.vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert posts.fingerprint == "enc"


def test_a_long_video_counts_like_the_photo_beside_it():
    post = post_embeddings({"p": [media([0.0], [0.0], [0.0]), media([1.0])]})
    assert post.vectors.tolist() == [[0.5]]


def test_media_without_frames_is_passed_over():
    empty = Embeddings((), np.zeros((0, 1), np.float32), "enc")
    assert post_embeddings({"p": [empty, media([2.0])]}).vectors.tolist() == [[2.0]]


def test_post_without_any_frame_is_refused():
    with pytest.raises(NotEnoughDataError, match="p: expected at least one"):
        post_embeddings({"p": []})


def test_vectors_of_two_encoders_are_refused():
    with pytest.raises(ShapeError, match="one encoder"):
        post_embeddings({"p": [media([1.0]), media([1.0], fingerprint="other")]})


def test_vectors_of_two_widths_are_refused():
    with pytest.raises(ShapeError, match="one width"):
        post_embeddings({"p": [media([1.0])], "q": [media([1.0, 2.0])]})


def test_no_posts_give_no_rows():
    assert len(post_embeddings({})) == 0


# --- faces ----------------------------------------------------------------------------------------------------------


def faces(*boxes: tuple[float, float, float, float], frames: tuple[int, ...] | None = None, seed: int = 0) -> Faces:
    rng, n = np.random.default_rng(seed), len(boxes)
    return replace(
        any_faces(n),
        xyxy_px=np.array(boxes, np.float32).reshape(n, 4),
        quality=rng.random(n).astype(np.float32),
        frame=np.array(frames if frames is not None else [0] * n, np.int64),
        template=rng.random((n, 128)).astype(np.float32),
        expression=rng.dirichlet(np.ones(8), n).astype(np.float32),
    )


def layout(row: np.ndarray) -> dict[str, float]:
    return dict(zip(LAYOUT_COLUMNS, row.tolist(), strict=False))


def test_two_faces_are_counted_and_measured_by_the_frame():
    found = faces((0, 0, 20, 20), (50, 50, 90, 90))
    (row,) = face_features([[MediaFaces(found, (100, 100))]])
    first = layout(row)
    assert (first["any"], first["one"], first["two"], first["three_or_more"], first["n_of_8"]) == (1, 0, 1, 0, 0.25)
    assert [first[name] for name in ("largest", "second", "second_of_largest", "sum_of_sides")] == pytest.approx(
        [0.4, 0.2, 0.5, 0.6]
    )
    assert first["best_quality"] == pytest.approx(found.quality.max())


def test_better_faces_weigh_more_in_the_means():
    found = replace(faces((0, 0, 1, 1), (0, 0, 1, 1)), quality=np.array([0.999, 0.0], np.float32))
    (row,) = face_features([[MediaFaces(found, (10, 10))]])
    wanted = (found.template[0] + 0.001 * found.template[1]) / 1.001
    assert row[10:138] == pytest.approx(wanted, abs=1e-5)


def test_a_photo_without_a_face_is_zeros_and_one_that_was_not_searched_is_not_a_number():
    searched, not_searched = face_features([[MediaFaces(Faces.none(), (10, 10))], []])
    assert not searched.any()
    assert np.isnan(not_searched).all()


def test_frames_without_faces_count_in_a_video():
    one, many = (face_features([[MediaFaces(faces((0, 0, 5, 5)), (10, 10), n)]])[0] for n in (1, 4))
    assert many * 4 == pytest.approx(one)


def test_a_face_size_does_not_depend_on_the_resolution():
    small, large = (face_features([[MediaFaces(faces((0, 0, k, k)), (4 * k, 3 * k))]])[0] for k in (10, 1000))
    assert small == pytest.approx(large)


def test_no_posts_give_no_face_rows():
    assert face_features([]).shape == (0, FACE_DIM)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_neither_the_order_of_faces_nor_that_of_media_matters(data):
    n = data.draw(st.integers(1, 6))
    frames = tuple(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    boxes = [(i, 0.0, i + data.draw(st.floats(0, 9)), 5.0) for i in range(n)]
    found = faces(*boxes, frames=frames, seed=n)
    mixed = found[data.draw(st.permutations(range(n)))]
    still = MediaFaces(Faces.none(), (10, 10))
    straight, turned = face_features([[MediaFaces(found, (20, 10), 3), still], [still, MediaFaces(mixed, (20, 10), 3)]])
    assert straight == pytest.approx(turned, abs=1e-6)


@pytest.mark.parametrize(
    "change", [{"template": None}, {"expression": None}, {"template": np.zeros((1, 8), np.float32)}]
)
def test_faces_without_what_the_head_reads_are_refused(change):
    with pytest.raises(ShapeError, match="run that stage first"):
        MediaFaces(replace(faces((0, 0, 1, 1)), **change), (10, 10))


@pytest.mark.parametrize("wrong", [{"n_frames": 0}, {"size_px": (0, 10)}])
def test_media_without_frames_or_pixels_has_no_faces(wrong):
    with pytest.raises(ShapeError, match="at least 1 x 1 px"):
        MediaFaces(**{"faces": Faces.none(), "size_px": (10, 10), "n_frames": 1} | wrong)
