"""Faces are found where they are, nowhere else, and told apart."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from postlens.types import Faces
from postlens.vision.detector import whole_boxes
from postlens.vision.faces import CAREFUL, FaceDetector
from postlens.vision.quality import face_quality, sharpness
from postlens.vision.templates import identity_vectors
from postlens.vision.zoo import load_spec

SAME = ("sample.portraits/flight-suit.jpg", "sample.portraits/smile.jpg")  # a photo and its close-up
OTHER = "sample.portraits/navy-cap.jpg"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def photos(sample_campaign: Path) -> dict[str, np.ndarray]:
    names = (*SAME, OTHER)
    return {name: _upright(sample_campaign / "media" / name) for name in names}


@pytest.fixture(scope="module")
def found(detector: FaceDetector, photos: dict[str, np.ndarray]) -> dict[str, Faces]:
    return {name: detector.detect(photo) for name, photo in photos.items()}


def _upright(path: Path) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def _identity(faces: Faces) -> np.ndarray:
    assert faces.template is not None
    return identity_vectors(faces.template)[np.argmax(faces.quality)]


@pytest.mark.parametrize("size", [(1, 1), (8, 700), (480, 640)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_blank_image_shows_nobody(detector: FaceDetector, size: tuple[int, int], level: int) -> None:
    faces = detector.detect(np.full((*size, 3), level, np.uint8))
    assert len(faces) == 0 and faces.landmarks_px.shape == (0, 6, 2)


def test_noise_shows_nobody(detector: FaceDetector) -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert len(detector.detect(image)) == 0


@pytest.mark.parametrize("name", [*SAME, OTHER])
def test_portrait_shows_a_face_with_all_columns(found: dict[str, Faces], name: str) -> None:
    faces = found[name]
    assert len(faces) >= 1
    assert faces.template is not None and faces.template.shape[1] == 128
    assert ((faces.quality >= 0) & (faces.quality <= 1) & (faces.score >= 0.9)).all()


def test_same_person_is_closer_than_another(found: dict[str, Faces]) -> None:
    first, second, other = (_identity(found[name]) for name in (*SAME, OTHER))
    threshold = load_spec("face_template").thresholds["same_person"]
    assert np.linalg.norm(first - second) <= threshold < np.linalg.norm(first - other)


def test_more_views_of_a_face_give_nearly_the_same_identity(
    photos: dict[str, np.ndarray], found: dict[str, Faces]
) -> None:
    careful = FaceDetector(views=CAREFUL).detect(photos[OTHER])
    assert 0 < np.linalg.norm(_identity(careful) - _identity(found[OTHER])) < 0.15


def test_boxes_come_back_in_original_pixels(detector: FaceDetector, photos: dict[str, np.ndarray]) -> None:
    whole, half = (detector.detect(photos[OTHER], scale=scale) for scale in (1.0, 0.5))
    np.testing.assert_allclose(half.xyxy_px, whole.xyxy_px * 2, rtol=1e-5)
    np.testing.assert_allclose(half.landmarks_px, whole.landmarks_px * 2, rtol=1e-5)


def test_frame_and_time_are_noted(detector: FaceDetector, photos: dict[str, np.ndarray]) -> None:
    faces = detector.detect(photos[OTHER], frame=7, pts_s=1.5)
    assert set(faces.frame.tolist()) == {7} and set(faces.pts_s.tolist()) == {1.5}


def test_mirrored_face_has_the_same_template(detector: FaceDetector, photos: dict[str, np.ndarray]) -> None:
    photo = photos[OTHER]
    templates = [_identity(detector.detect(image)) for image in (photo, np.ascontiguousarray(photo[:, ::-1]))]
    assert np.linalg.norm(templates[0] - templates[1]) < 0.2


def test_blur_lowers_quality(photos: dict[str, np.ndarray]) -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    flat = np.full_like(sharp, 90)
    mesh = np.zeros((468, 3))
    mesh[454, 0], mesh[152, 1] = 1, 1
    values = [face_quality(chip, mesh, scale_px=60, trust=1.0) for chip in (sharp, flat)]
    assert values[0] == pytest.approx(1.0) and values[1] == 0.0 and sharpness(sharp) > sharpness(flat)


def test_part_of_a_face_and_its_wide_double_are_dropped() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 2, 6, 6], [-5, -5, 15, 15], [9, 0, 19, 10]], np.float64)
    assert whole_boxes(boxes, max_inside=0.5).tolist() == [0, 3]


@pytest.mark.data
def test_identity_photos_nearly_all_show_a_face(detector: FaceDetector, data_root: Path) -> None:
    files = sorted((data_root / "faces_identity").glob("*/*.jpg"))[::25]
    shown = [len(detector.detect(np.asarray(Image.open(file).convert("RGB")))) > 0 for file in files]
    assert np.mean(shown) >= 0.9


def test_a_face_is_followed_to_where_it_moved(detector: FaceDetector, photos: dict[str, np.ndarray]) -> None:
    photo = photos[SAME[1]]
    before = detector.detect(photo)[[0]]
    shift = int(before.xyxy_px[0, 2] - before.xyxy_px[0, 0]) // 8
    moved = np.roll(photo, shift, axis=1)
    after = detector.follow(moved, before)
    assert after is not None
    assert np.abs(after.xyxy_px - before.xyxy_px - [shift, 0, shift, 0]).max() < shift / 2
    assert np.linalg.norm(_identity(after) - _identity(before)) < load_spec("face_template").thresholds["track"]


def test_a_face_that_went_away_is_not_followed(detector: FaceDetector, photos: dict[str, np.ndarray]) -> None:
    before = detector.detect(photos[SAME[1]])[[0]]
    assert detector.follow(np.full_like(photos[SAME[1]], 90), before) is None


def test_a_glance_sees_a_portrait_and_nothing_in_a_blank(detector: FaceDetector, photos: dict[str, np.ndarray]) -> None:
    assert detector.glance(photos[SAME[1]]) and not detector.glance(np.full((90, 160, 3), 90, np.uint8))
