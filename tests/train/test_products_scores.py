"""Out-of-fold probabilities to scores, curves and the clearest mistakes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from postlens.tasks.scoring import average_precision
from postlens.train.products_scores import precision_recall, roc_curve, score_heads

SCORES = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(truth for _, truth in rows) < len(rows)
)


@given(rows=SCORES)
def test_curves_and_average_precision_are_those_of_scikit_learn(rows):
    scores, truth = np.array([s for s, _ in rows]) / 8, np.array([t for _, t in rows])
    assert average_precision(scores, truth) == pytest.approx(metrics.average_precision_score(truth, scores))
    false, true = roc_curve(scores, truth)
    assert np.trapezoid(true, false) == pytest.approx(metrics.roc_auc_score(truth, scores))
    wanted = metrics.precision_recall_curve(truth, scores)
    recall, precision = precision_recall(scores, truth)
    assert precision.tolist() == pytest.approx(wanted[0][:-1][::-1].tolist())
    assert recall.tolist() == pytest.approx(wanted[1][:-1][::-1].tolist())


def test_without_positives_there_is_no_precision():
    assert np.isnan(average_precision([0.1, 0.2], [False, False]))
    assert len(precision_recall([0.1], [False])[0]) == 0


@pytest.fixture
def scored():
    truth = np.array([[1], [1], [0], [0], [np.nan], [0]], np.float32)
    probs = np.array([[0.9], [0.2], [0.8], [0.1], [0.9], [0.3]])
    answered = SimpleNamespace(probs=probs, thresholds=np.full((6, 1), 0.5))
    rng = np.random.default_rng(0)
    return score_heads(answered, truth, np.arange(6), np.arange(6), labels=["hat"], rng=rng)[0]


def test_scores_are_of_images_whose_truth_is_known(scored):
    assert (scored.table["n"], scored.table["n_pos"]) == (5, 2)
    assert scored.confusion == (1, 1, 1, 2)
    assert scored.table["precision"] == 0.5
    assert scored.table["auc"] == pytest.approx(4 / 6, abs=1e-4)
    low, high = scored.table["auc_ci"]
    assert low <= scored.table["auc"] <= high


def test_the_clearest_mistakes_are_told_by_kind(scored):
    alarms, misses = scored.mistakes(3)
    assert (alarms.tolist(), misses.tolist()) == ([2], [1])


def test_each_image_is_compared_with_the_threshold_of_its_fold():
    truth = np.array([[1], [0], [1], [0]], np.float32)
    probs, thresholds = np.array([[0.3], [0.1], [0.9], [0.7]]), np.array([[0.2], [0.2], [0.8], [0.8]])
    answered = SimpleNamespace(probs=probs, thresholds=thresholds)
    (one,) = score_heads(answered, truth, np.arange(4), np.arange(4), labels=["hat"], rng=np.random.default_rng(0))
    assert one.table["f1"] == 1.0
