"""Faces to crops and looks: the same for any scale, turn and number of faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.products.features import CROP_DOWN, CROP_PX, CROP_WIDTH, LOOK, face_features, head_crops
from postlens.types import Faces, FloatArray, Image
from postlens.vision.encoder import Encoder
from postlens.vision.zoo import load_spec

POINTS = np.array([[80, 80], [120, 80], [100, 100], [100, 121.6], [60, 85], [140, 85]], np.float32)
SCALE_PX = 40  # between the eyes


class MeanColour:
    """Stands for the net: the mean colour of each crop."""

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


def test_each_face_gives_one_square_as_the_net_takes_it() -> None:
    crops = head_crops(gradient(), faces(POINTS, POINTS + 5))
    assert [crop.shape for crop in crops] == [(CROP_PX, CROP_PX, 3)] * 2
    assert load_spec(LOOK).input_size == (3, CROP_PX, CROP_PX)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        pytest.param(-1.0, True, id="the brim of a hat"),
        pytest.param(1.6, True, id="below the chin"),
        pytest.param(-1.25, False, id="above"),
        pytest.param(2.0, False, id="the neck"),
    ],
)
def test_the_crop_reaches_from_the_brim_to_below_the_chin(row: float, shown: bool) -> None:
    image = np.zeros((240, 200, 3), np.uint8)
    y = round(80 + row * SCALE_PX)
    image[y - 2 : y + 2] = 255
    assert bool(head_crops(image, faces(POINTS))[0].max() > 200) is shown


def test_the_eyes_lie_above_the_middle() -> None:
    image = np.zeros((240, 200, 3), np.uint8)
    image[79:81] = 255
    brightest = head_crops(image, faces(POINTS))[0].mean(axis=(1, 2)).argmax()
    assert brightest == pytest.approx(CROP_PX * (0.5 - CROP_DOWN / CROP_WIDTH), abs=2)


def test_a_tilted_head_is_levelled() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # a quarter turn around the middle of a square picture
    image = gradient(200, 200)
    points = (POINTS - 100) @ turn.T + 100
    turned = np.ascontiguousarray(np.rot90(image, k=-1))
    straight, levelled = head_crops(image, faces(POINTS))[0], head_crops(turned, faces(points))[0]
    assert np.abs(straight.astype(int) - levelled).mean() < 2


def test_a_reduced_image_gives_nearly_the_same_crop() -> None:
    small = gradient()[::2, ::2]
    whole, half = head_crops(gradient(), faces(POINTS))[0], head_crops(small, faces(POINTS), scale=0.5)[0]
    assert np.abs(whole.astype(int) - half).mean() < 3


@pytest.mark.parametrize("shift", [(-90, -70), (95, 150), (-500, 0), (0, 900)])
def test_beyond_the_border_the_edge_is_repeated(shift: tuple[int, int]) -> None:
    image = np.full((240, 200, 3), 77, np.uint8)
    assert (head_crops(image, faces(POINTS + np.array(shift, np.float32)))[0] == 77).all()


def test_a_wider_crop_shows_more() -> None:
    image = np.zeros((240, 200, 3), np.uint8)
    image[190:200] = 255  # under what is served
    assert head_crops(image, faces(POINTS))[0].max() == 0
    wide = head_crops(image, faces(POINTS), width=2 * CROP_WIDTH, size_px=64)[0]
    assert wide.shape == (64, 64, 3)
    assert wide.max() > 200


def test_looks_are_the_crops_vectors_face_by_face() -> None:
    image, net = gradient(), MeanColour()
    looks = face_features(image, faces(POINTS, POINTS + 9), net)
    assert looks.shape == (2, 3)
    assert np.array_equal(looks[1], face_features(image, faces(POINTS + 9), net)[0])


def test_no_faces_give_no_looks() -> None:
    assert face_features(gradient(), Faces.none(), Encoder(LOOK)).shape == (0, load_spec(LOOK).dim)


def test_too_few_landmarks_are_refused() -> None:
    with pytest.raises(ShapeError, match="landmarks_px"):
        head_crops(gradient(), Faces.none(n_landmarks=3))
