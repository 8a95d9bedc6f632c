"""Temperature and threshold: what held-out logits must bring out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import ShapeError
from postlens.tasks.scoring import expected_calibration_error
from postlens.train.calibrate import TEMPERATURES, calibrate, choose_threshold, fit_temperature, softmax
from postlens.types import NICHES

K = len(NICHES)


def drawn(*, n: int = 3000, temperature: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose calibrated form is them divided by `temperature`, and labels drawn from that."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, K)) * 2
    return logits * temperature, np.array([rng.choice(K, p=row) for row in softmax(logits)])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_drawn_labels_is_found(temperature):
    assert fit_temperature(*drawn(temperature=temperature)) == pytest.approx(temperature, rel=0.1)


def test_calibrated_probabilities_are_as_often_right_as_they_say():
    logits, truth = drawn(temperature=3.0)
    before, after = softmax(logits), calibrate(logits, truth, classes=NICHES).probs(logits)
    errors = [expected_calibration_error(p.max(1), p.argmax(1) == truth) for p in (before, after)]
    assert errors[0] > 0.15 > 0.05 > errors[1]


@given(st.floats(0.5, 2.0))
def test_scaled_logits_give_the_same_probabilities(factor):
    logits, truth = drawn(n=300)
    plain, scaled = (calibrate(z, truth, classes=NICHES).probs(z) for z in (logits, logits * factor))
    assert np.allclose(plain, scaled, atol=1e-3)


def test_a_handful_of_right_answers_is_not_trusted_without_bound():
    assert fit_temperature(np.eye(K), np.arange(K)) == pytest.approx(TEMPERATURES[0], rel=0.01)


def test_the_threshold_turns_unsure_images_of_no_niche_into_other():
    sure = np.full((90, K), 0.02) + np.eye(K)[np.arange(90) % K] * 0.82
    unsure = np.full((30, K), 0.11) + np.eye(K)[np.zeros(30, int)] * 0.01
    truth = np.concatenate([np.arange(90) % K, np.full(30, NICHES.index("other"))])
    assert 0.12 < choose_threshold(np.concatenate([sure, unsure]), truth) <= 0.5


def test_other_classes_than_the_niches_get_no_threshold():
    found = calibrate(np.eye(2), [0, 1], classes=("cat", "dog"))
    assert (dict(found.thresholds), found.n) == ({}, 2)
    assert found.answers([[0.4, 0.6]]).tolist() == [1]


def test_without_images_the_net_is_taken_at_its_word():
    found = calibrate(np.zeros((0, K)), [], classes=NICHES)
    assert (found.temperature, dict(found.thresholds), found.n) == (1.0, {"other_below": 0.0}, 0)


def test_logits_of_other_classes_are_refused():
    with pytest.raises(ShapeError, match=r"\(N, 9\)"):
        calibrate(np.zeros((3, 4)), [0, 1, 2], classes=NICHES)
