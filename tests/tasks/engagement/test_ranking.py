"""The image ranker: scores and probabilities as promised, and the shipped weights as the card says."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.tasks.engagement.ranking import RANK_MEASURES, RANK_MODEL, pair_probability, rank_features, rank_images
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS, open_model

DIM = 1280


@pytest.fixture(scope="module")
def model() -> Session:
    return open_model(RANK_MODEL)


def draw(n: int, *, seed: int = 0) -> tuple[np.ndarray, list[dict[str, float] | None]]:
    rng = np.random.default_rng(seed)
    measures = [dict(zip(RANK_MEASURES, rng.random(len(RANK_MEASURES)).tolist(), strict=True)) for _ in range(n)]
    return rng.random((n, DIM)).astype(np.float32), list(measures)


def test_one_score_per_image_whatever_the_others(model: Session) -> None:
    vectors, measures = draw(5)
    scores = rank_images(vectors, measures, model)
    assert scores.shape == (5,) and len(set(scores.tolist())) == 5
    assert rank_images(vectors[3:4], measures[3:4], model) == pytest.approx(scores[3:4], abs=1e-5)


def test_nothing_known_scores_zero(model: Session) -> None:
    blank = np.full((2, DIM), np.nan, np.float32)
    assert rank_images(blank, [None, {}], model) == pytest.approx(0.0, abs=1e-6)


def test_no_image_gives_no_score(model: Session) -> None:
    assert rank_images(np.zeros((0, DIM), np.float32), [], model).shape == (0,)


def test_thumbnails_have_weights_of_their_own(model: Session) -> None:
    vectors, measures = draw(4)
    photos, thumbnails = (rank_images(vectors, measures, model, thumbnails=value) for value in (False, True))
    assert not np.allclose(photos, thumbnails)


def test_a_model_of_ones_own_may_have_one_score_for_all(model: Session) -> None:
    class Own:
        spec = replace(model.spec, outputs=("score",))

        def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {"score": inputs["features"][:, :1]}

    vectors, measures = draw(4)
    assert rank_images(vectors, measures, Own(), thumbnails=True) == pytest.approx(vectors[:, 0])


def test_upright_photos_are_put_before_flat_ones(model: Session) -> None:
    blank = np.full((2, DIM), np.nan, np.float32)
    upright, flat = rank_images(blank, [{"aspect": 0.8}, {"aspect": 1.5}], model)
    assert upright > flat


@given(a=st.floats(-50, 50), b=st.floats(-50, 50))
def test_swapped_pair_has_the_complement(a: float, b: float) -> None:
    model = open_model(RANK_MODEL)
    p = pair_probability(a, b, model)
    assert 0 <= p <= 1 and p + pair_probability(b, a, model) == pytest.approx(1.0)
    assert (p - 0.5) * (a - b) >= 0


def test_arrays_give_one_probability_per_pair(model: Session) -> None:
    p = pair_probability(np.array([0.0, 1.0, np.nan]), np.zeros(3), model)
    assert p[0] == 0.5 and p[1] > 0.5 and np.isnan(p[2])


@pytest.mark.parametrize("vectors", [np.zeros(DIM), np.zeros((3, DIM))])
def test_vectors_that_do_not_fit_the_measures_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="measures"):
        rank_features(vectors.astype(np.float32), [None, None])


def test_embeddings_of_another_encoder_are_refused(model: Session) -> None:
    with pytest.raises(ShapeError, match="features must have shape"):
        rank_images(np.zeros((1, 64), np.float32), [None], model)


def test_weights_are_small_and_the_card_says_how_good_they_are(model: Session) -> None:
    assert (WEIGHTS / model.spec.file).stat().st_size <= 1e5
    scores = model.spec.metrics["held_out_accounts"]
    assert scores["pair_accuracy_ci"][0] > 0.5
