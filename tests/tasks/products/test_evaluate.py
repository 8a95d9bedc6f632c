"""Scores by label with unknown truths, and thresholds for other label frequencies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.products.evaluate import (
    log_odds,
    pick_calibrated_threshold,
    pick_threshold,
    prior_weights,
    score_attributes,
    shift_log_odds,
)
from postlens.types import ATTRIBUTES

HALF = dict.fromkeys(ATTRIBUTES, 0.5)


@pytest.mark.parametrize(("by", "expected"), [(0.0, 0.8), (log_odds(0.1) - log_odds(0.5), 4 / 13)])
def test_log_odds_are_shifted_as_the_frequency_asks(by: float, expected: float) -> None:
    assert shift_log_odds(0.8, by) == pytest.approx(expected)
    assert np.all((shift_log_odds([0.0, 1.0], by) >= 0) & (shift_log_odds([0.0, 1.0], by) <= 1))


@pytest.mark.parametrize(
    ("probs", "expected"), [((0.1, 0.9), 0.5), ((0.01, 0.3), 0.2855), ((0.6, 0.9), 0.615)], ids=["half", "rare", "sure"]
)
def test_a_calibrated_threshold_is_near_half_within_the_gap(probs: tuple[float, float], expected: float) -> None:
    assert pick_calibrated_threshold(probs, [False, True], prior=0.5) == pytest.approx(expected)


def test_unknown_truths_count_for_nothing() -> None:
    truth = np.tile([0.0, 1.0, np.nan, np.nan], (6, 1)).T
    probs = np.where(np.isnan(truth), 0.9, truth)
    tables = score_attributes(probs, truth, thresholds=HALF, rng=np.random.default_rng(0))
    assert list(tables) == list(ATTRIBUTES)
    assert {(t["n"], t["n_pos"], t["auc"], t["f1"]) for t in tables.values()} == {(2, 1, 1.0, 1.0)}


def test_a_label_without_positives_has_no_auc() -> None:
    probs = np.full((5, 6), 0.2)
    tables = score_attributes(probs, np.zeros((5, 6)), thresholds=HALF, rng=np.random.default_rng(0))
    assert tables["hat"]["auc"] is None
    assert tables["hat"]["n_pos"] == 0


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(N, 6\)"):
        score_attributes(np.zeros((3, 5)), np.zeros((3, 5)), thresholds=HALF, rng=np.random.default_rng(0))


@given(st.lists(st.booleans(), min_size=2, max_size=30).filter(lambda t: 0 < sum(t) < len(t)), st.floats(0.01, 0.99))
def test_weights_give_positives_their_prior(truth: list[bool], prior: float) -> None:
    weights = prior_weights(truth, prior=prior)
    assert weights.sum() == pytest.approx(1)
    assert weights[np.array(truth)].sum() == pytest.approx(prior)


def test_a_threshold_parts_classes_that_can_be_parted() -> None:
    assert pick_threshold([0.1, 0.2, 0.6, 0.8], [False, False, True, True], prior=0.5) == pytest.approx(0.4)


def test_a_rarer_label_is_asked_for_more() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2 == 0
    probs = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1, -1), 1)))
    assert pick_threshold(probs, truth, prior=0.02) > pick_threshold(probs, truth, prior=0.5)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), st.booleans()), min_size=2, max_size=20))
def test_no_other_threshold_has_a_higher_f1(rows: list[tuple[float, bool]]) -> None:
    probs, truth = np.array([p for p, _ in rows]), np.array([t for _, t in rows])
    if truth.all() or not truth.any():
        with pytest.raises(NotEnoughDataError):
            pick_threshold(probs, truth, prior=0.2)
        return
    weights = prior_weights(truth, prior=0.2)

    def f1(threshold: float) -> float:
        called = probs >= threshold
        return float(2 * weights[called & truth].sum() / (weights[called].sum() + 0.2))

    best = f1(pick_threshold(probs, truth, prior=0.2))
    assert best >= max(f1(t) for t in (0.05, 0.2, 0.45, 0.7)) - 1e-9
