"""Faces to crops and features: the same for any scale, mirrored place and number of faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.products.features import CROP_PX, CROPS, face_features, head_inputs, stack_crops
from postlens.types import Faces, FloatArray, Image

POINTS = np.array([[80, 80], [120, 80], [100, 100], [100, 121.6], [60, 85], [140, 85]], np.float32)


class MeanColour:
    """Stands for the encoder: the mean colour of each crop."""

    def embed(self, images: Sequence[Image], /) -> tuple[FloatArray, FloatArray]:
        vectors = np.array([image.mean(axis=(0, 1)) for image in images], np.float32).reshape(len(images), 3)
        return vectors, vectors


def faces(*points: FloatArray) -> Faces:
    n, zeros = len(points), np.zeros(len(points), np.float32)
    frame = np.zeros(n, np.int64)
    return Faces(
        np.zeros((n, 4), np.float32), zeros, np.array(points, np.float32).reshape(n, 6, 2), zeros, frame, zeros
    )


def gradient(height: int = 240, width: int = 200) -> Image:
    """Red grows to the right, green downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    image[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    return image


def test_each_face_gives_one_square_per_crop() -> None:
    crops = head_inputs(gradient(), faces(POINTS, POINTS + 5))
    assert len(crops) == 2 * len(CROPS)
    assert {crop.shape for crop in crops} == {(CROP_PX, CROP_PX, 3)}


def test_the_crops_reach_from_the_brim_to_the_chin() -> None:
    image = np.zeros((240, 200, 3), np.uint8)
    image[30:40, 90:110] = 255  # one and a bit face scales above the eyes
    image[145:155, 90:110] = 255  # the chin
    upper, lower, chin = head_inputs(image, faces(POINTS))
    assert upper[: CROP_PX // 8].max() > 200
    assert min(lower[-CROP_PX // 3 :].max(), chin[-CROP_PX // 3 :].max()) > 200


def test_the_chin_crop_leaves_the_eyes_out() -> None:
    image = np.zeros((240, 200, 3), np.uint8)
    image[70:85] = 255
    names = [shape.name for shape in CROPS]
    crops = head_inputs(image, faces(POINTS))
    assert crops[names.index("chin")].max() == 0
    assert crops[names.index("lower")].max() == 255


def test_a_tilted_head_is_levelled() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # a quarter turn around the middle of a square picture
    image = gradient(200, 200)
    points = (POINTS - 100) @ turn.T + 100
    turned = np.ascontiguousarray(np.rot90(image, k=-1))
    straight, levelled = head_inputs(image, faces(POINTS))[1], head_inputs(turned, faces(points))[1]
    assert np.abs(straight.astype(int) - levelled).mean() < 2


def test_a_reduced_image_gives_nearly_the_same_crops() -> None:
    small = gradient()[::2, ::2]
    whole, half = head_inputs(gradient(), faces(POINTS)), head_inputs(small, faces(POINTS), scale=0.5)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(whole, half, strict=True)) < 3


@pytest.mark.parametrize("shift", [(-90, -70), (95, 150), (-500, 0), (0, 900)])
def test_beyond_the_border_the_edge_is_repeated(shift: tuple[int, int]) -> None:
    image = np.full((240, 200, 3), 77, np.uint8)
    crops = head_inputs(image, faces(POINTS + np.array(shift, np.float32)))
    assert all((crop == 77).all() for crop in crops)


def test_features_are_the_crops_vectors_face_by_face() -> None:
    image, encoder = gradient(), MeanColour()
    features = face_features(image, faces(POINTS, POINTS + 9), encoder)
    assert features.shape == (2, 3 * len(CROPS))
    assert np.array_equal(features[1], face_features(image, faces(POINTS + 9), encoder)[0])


def test_no_faces_give_no_features() -> None:
    assert face_features(gradient(), Faces.none(), MeanColour()).shape == (0, 3 * len(CROPS))


def test_too_few_landmarks_or_odd_vectors_are_refused() -> None:
    with pytest.raises(ShapeError, match="landmarks_px"):
        head_inputs(gradient(), Faces.none(n_landmarks=3))
    with pytest.raises(ShapeError, match="vectors"):
        stack_crops(np.zeros((len(CROPS) + 1, 3), np.float32))
