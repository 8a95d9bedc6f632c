"""Face crops and what the expression net and heads make of them."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.reactions.features import (
    AFFECT_HEAD,
    CROP_PX,
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    MIN_PROB,
    SCENE_HEAD,
    SceneReading,
    evened,
    expression_crops,
    expression_features,
    face_features,
    read_affect,
    read_expressions,
    read_scene,
    whole_crop,
    whole_features,
)
from postlens.types import EMOTIONS, Faces
from postlens.vision.zoo import load_spec, open_model

# Eyes, nose, mouth and ears of an upright face, 40 px between the eyes, around (100, 100).
LANDMARKS = np.array([[80, 90], [120, 90], [100, 110], [100, 130], [65, 95], [135, 95]], np.float32)


def face(points: np.ndarray = LANDMARKS, n: int = 1) -> Faces:
    none = np.zeros(n, np.float32)
    return Faces(
        xyxy_px=np.tile(np.float32([60, 50, 140, 150]), (n, 1)),
        score=none,
        landmarks_px=np.tile(points, (n, 1, 1)),
        quality=none,
        frame=np.zeros(n, np.int64),
        pts_s=none,
    )


def noise(height: int = 200, width: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_a_crop_has_the_eyes_in_the_upper_third() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[85:95, 75:85] = image[85:95, 115:125] = 255
    crop = expression_crops(image, face())[0]
    rows, columns = np.nonzero(crop[..., 0] > 128)
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    assert rows.mean() / CROP_PX == pytest.approx(0.30, abs=0.02)
    assert columns.mean() / CROP_PX == pytest.approx(0.5, abs=0.02)


def test_a_reduced_image_gives_the_same_crop() -> None:
    image = np.kron(noise(25, 25), np.ones((16, 16, 1), np.uint8))
    small = image[::2, ::2]
    full, half = (
        expression_crops(image, face(LANDMARKS * 2))[0],
        expression_crops(small, face(LANDMARKS * 2), scale=0.5)[0],
    )
    assert np.abs(full.astype(int) - half).mean() < 12


def test_a_face_at_the_border_is_continued_by_its_edge_pixels() -> None:
    image = np.full((60, 60, 3), 200, np.uint8)
    assert (expression_crops(image, face(LANDMARKS - 80))[0] == 200).all()
    assert (whole_crop(np.full((30, 90, 3), 7, np.uint8)) == 7).all()


def test_a_crop_and_its_mirror_image_are_read_alike() -> None:
    net, crop = open_model(EXPRESSION_NET), noise(CROP_PX, CROP_PX)
    one, mirrored = expression_features([crop], net), expression_features([crop[:, ::-1]], net)
    np.testing.assert_allclose(one, mirrored, atol=1e-4)
    assert one.shape == (1, 7) and (one >= np.log(MIN_PROB) - 1e-4).all()


def test_a_smaller_margin_shows_the_middle_of_the_crop() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[85:95, 75:85] = image[85:95, 115:125] = 255
    wide, narrow = (expression_crops(image, face(), margin=margin)[0] for margin in (1.0, 0.5))
    assert (narrow > 128).sum() > 3 * (wide > 128).sum()


@pytest.mark.parametrize(("gain", "shift"), [(1.0, 0), (0.5, 0), (0.5, 90), (0.4, 40)])
def test_light_and_contrast_of_a_crop_do_not_matter(gain: float, shift: int) -> None:
    crop = np.clip(np.random.default_rng(0).normal(120, 40, (CROP_PX, CROP_PX, 3)), 20, 235).astype(np.uint8)
    other = (crop * gain + shift).astype(np.uint8)
    assert np.abs(evened(crop).astype(int) - evened(other)).mean() < 4


def test_a_blank_crop_stays_blank() -> None:
    assert np.ptp(evened(np.full((8, 8, 3), 7, np.uint8))) == 0
    assert np.ptp(evened(np.full((8, 8, 3), 255, np.uint8))) == 0


def test_a_dark_photo_is_read_as_the_same_photo_in_good_light() -> None:
    net, image = open_model(EXPRESSION_NET), noise()
    light, dark = (face_features(pixels, face(), net) for pixels in (image, (image * 0.5).astype(np.uint8)))
    np.testing.assert_allclose(light, dark, atol=0.5)


def test_a_whole_photo_is_one_row() -> None:
    assert whole_features(noise(40, 90), open_model(EXPRESSION_NET)).shape == (1, 7)


def test_many_faces_are_read_as_each_alone() -> None:
    net, head, image = open_model(EXPRESSION_NET), open_model(EXPRESSION_HEAD), noise()
    many, one = (read_expressions(image, face(n=n), net=net, head=head) for n in (19, 1))
    assert many.shape == (19, len(EMOTIONS))
    np.testing.assert_allclose(many, np.repeat(one, 19, axis=0), atol=1e-5)
    np.testing.assert_allclose(many.sum(axis=1), 1, atol=1e-5)


def test_no_face_gives_no_row() -> None:
    net, head = open_model(EXPRESSION_NET), open_model(EXPRESSION_HEAD)
    assert read_expressions(noise(), Faces.none(), net=net, head=head).shape == (0, len(EMOTIONS))


def test_faces_without_landmarks_are_refused() -> None:
    with pytest.raises(ShapeError, match="landmarks_px"):
        expression_crops(noise(), Faces.none(n_landmarks=2))


@pytest.mark.parametrize("name", [EXPRESSION_HEAD, SCENE_HEAD])
def test_heads_answer_in_the_order_of_the_emotions(name: str) -> None:
    assert load_spec(name).labels == EMOTIONS


def test_a_scene_is_the_mean_over_its_frames() -> None:
    vectors = np.random.default_rng(0).gamma(0.5, 1.0, (3, 1280)).astype(np.float32)
    heads = open_model(SCENE_HEAD), open_model(AFFECT_HEAD)
    each, whole = [read_scene(vectors[i : i + 1], *heads) for i in range(3)], read_scene(vectors, *heads)
    np.testing.assert_allclose(whole.probs, np.mean([one.probs for one in each], axis=0), atol=1e-6)
    assert whole.valence == pytest.approx(np.mean([one.valence for one in each]), abs=1e-4)


def test_valence_and_arousal_stay_on_the_raters_scale() -> None:
    vectors = np.random.default_rng(0).gamma(0.5, 9.0, (5, 1280)).astype(np.float32)
    assert all(1 <= value <= 7 for value in read_affect(vectors, open_model(AFFECT_HEAD)))


@pytest.mark.parametrize("wrong", [np.zeros(7, np.float32), np.full(8, 2, np.float32), np.full(8, np.nan, np.float32)])
def test_a_scene_reading_refuses_what_are_no_probabilities(wrong: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="probabilities"):
        SceneReading(wrong, 4.0, 3.0)
