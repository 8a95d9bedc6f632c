"""Crops are levelled, placed and scaled as their formulas say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.vision import align

# A face looking into the camera: right eye, left eye, nose, mouth, ears.
FACE = np.array([[80, 100], [120, 100], [100, 120], [100, 141.6], [60, 105], [140, 105]], np.float32)


def turned(points: np.ndarray, angle_rad: float, *, zoom: float = 1.0) -> np.ndarray:
    turn = zoom * np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    return (points - 100) @ turn.T + 100


@given(angle=st.floats(-3, 3), zoom=st.floats(0.2, 5), dx=st.floats(-50, 50))
def test_similarity_finds_turn_zoom_and_shift(angle: float, zoom: float, dx: float) -> None:
    target = turned(FACE.astype(np.float64), angle, zoom=zoom) + np.array([dx, -dx])
    matrix = align.similarity(FACE.astype(np.float64), target)
    np.testing.assert_allclose(align.apply(matrix, FACE.astype(np.float64)), target, atol=1e-6)


def test_a_crop_that_leaves_the_image_repeats_its_edge() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    matrix = align.square_matrix(np.array([0.0, 0.0]), 30, 0.3, size_px=32)
    assert (align.crop_repeating(image, matrix, size_px=32) == 200).all()
    assert (align.crop(image, matrix, size_px=32) == 0).any()


def test_crop_keeps_the_brightness_of_what_it_shows() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    image[100:200, 100:200] = 200
    matrix = align.square_matrix(np.array([150.0, 150.0]), 80, 0.0, size_px=16)
    np.testing.assert_array_equal(align.crop(image, matrix, size_px=16), 200)


def test_crop_outside_the_image_is_black() -> None:
    matrix = align.square_matrix(np.array([-500.0, 10.0]), 40, 0.0, size_px=32)
    assert not align.crop(np.full((50, 50, 3), 255, np.uint8), matrix, size_px=32).any()


def test_crop_is_not_shifted_by_reducing_first() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, axis=0).repeat(3, axis=2)
    matrix = align.square_matrix(np.array([128.0, 128.0]), 192, 0.0, size_px=48)
    row = align.crop(ramp, matrix, size_px=48)[24, :, 0].astype(float)
    np.testing.assert_allclose(row, 32 + (np.arange(48) + 0.5) * 4 - 0.5, atol=1.0)


def test_turned_head_keeps_its_scale() -> None:
    profile = FACE.copy()
    profile[0] = [115, 100]
    assert align.face_scale(profile) == pytest.approx(align.face_scale(FACE), rel=0.1)


def test_landmarks_are_six_in_the_stated_order() -> None:
    mesh = np.zeros((468, 3))
    mesh[list(align.RIGHT_EYE), 0], mesh[list(align.LEFT_EYE), 0], mesh[align.CHIN, 1] = 10, 30, 99
    points = align.landmarks(mesh)
    assert points.shape == (len(align.LANDMARKS), 2)
    assert points[0, 0] == 10 and points[1, 0] == 30


def test_a_chip_of_another_size_keeps_its_centre_and_turn() -> None:
    mesh = np.zeros((468, 3))
    mesh[list(align.CHIP_MESH_POINTS), :2] = turned(align.CHIP_POINTS * 80 + 60, 0.4)
    plain, wide = align.chip_matrix(mesh), align.chip_matrix(mesh, size=1.5)
    centre = np.full(2, align.CHIP_PX / 2)
    np.testing.assert_allclose(align.apply(wide, centre), align.apply(plain, centre))
    np.testing.assert_allclose(wide[:, :2], 1.5 * plain[:, :2])
