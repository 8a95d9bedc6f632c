"""Any RGB image becomes one embedding, whatever its size and whoever shares its batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.vision.encoder import BATCH_SIZE, Encoder, normalize, prepare


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


def noise(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_features_are_in_the_documented_range(encoder: Encoder) -> None:
    features, logits = encoder.embed([noise(300, 200), noise(64, 64)])
    assert features.shape == (2, 1280) and logits.shape == (2, 1000)
    assert features.dtype == np.float32 and features.min() >= 0 and features.max() <= 6


def test_no_images_give_no_rows(encoder: Encoder) -> None:
    features, logits = encoder.embed([])
    assert features.shape == (0, 1280) and logits.shape == (0, 1000)


def test_row_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    images = [noise(80, 60, seed=seed) for seed in range(BATCH_SIZE + 2)]
    together, _ = encoder.embed(images)
    np.testing.assert_allclose(together[-1:], encoder.embed(images[-1:])[0], atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400))
def test_any_size_is_prepared_to_the_model_input(encoder: Encoder, height: int, width: int) -> None:
    prepared = prepare(np.full((height, width, 3), 127, np.uint8), encoder.spec)
    assert prepared.shape == (3, 224, 224) and prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, 0, atol=1e-6)


def test_only_the_centre_square_is_seen(encoder: Encoder) -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = noise(100, 100)
    np.testing.assert_array_equal(
        prepare(wide, encoder.spec)[:, 50, 50], prepare(wide[:, 100:200], encoder.spec)[:, 50, 50]
    )


def test_normalising_follows_the_card(encoder: Encoder) -> None:
    values = normalize(np.array([[[255, 127, 0]]], np.uint8), encoder.spec)
    np.testing.assert_allclose(values[:, 0, 0], [1.0, 0.0, -127 / 128], atol=1e-6)


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)]
)
def test_other_arrays_are_refused(encoder: Encoder, image: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="uint8"):
        encoder.embed([image])
