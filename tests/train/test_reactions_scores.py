"""Scores of several emotions, against scikit-learn and by hand; temperature and thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.reactions.evaluate import score_reactions
from postlens.tasks.scoring import average_precision
from postlens.train.reactions_calibrate import THRESHOLDS, calibrate_emotions, choose_threshold, fit_temperature
from postlens.train.reactions_scores import epoch_scores, score_emotions
from postlens.types import EMOTIONS

NAMES = ("happy", "sad", "fear")


def drawn(n=60, *, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 3)) < (0.5, 0.3, 0.1)).astype(float)
    probs = np.clip(truth * 0.4 + rng.random((n, 3)) * 0.6, 0, 1)
    return probs, truth


def scores(probs, truth, **options):
    limits = dict.fromkeys(NAMES, 0.5)
    groups = [str(i) for i in range(len(probs))]
    return score_emotions(
        probs, truth, labels=NAMES, thresholds=limits, groups=groups, rng=np.random.default_rng(0), **options
    )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_means_are_those_of_scikit_learn(average):
    from sklearn.metrics import f1_score

    probs, truth = drawn()
    expected = f1_score(truth, probs >= 0.5, average=average)
    assert scores(probs, truth)[f"{average}_f1"] == pytest.approx(expected, abs=1e-4)


def test_map_is_that_of_scikit_learn():
    from sklearn.metrics import average_precision_score

    probs, truth = drawn()
    assert scores(probs, truth)["map"] == pytest.approx(average_precision_score(truth, probs), abs=1e-4)


def test_intervals_enclose_the_score():
    table = scores(*drawn())
    for name in ("macro_f1", "micro_f1", "weighted_f1", "map", "ece"):
        low, high = table[f"{name}_ci"]
        assert low <= table[name] <= high


def test_an_emotion_without_a_positive_image_has_no_f1_and_counts_in_no_mean():
    probs, truth = drawn()
    truth[:, 2] = 0
    table = scores(probs, truth)
    assert table["per_class"]["fear"]["f1"] is None
    f1 = [table["per_class"][name]["f1"] for name in ("happy", "sad")]
    assert table["macro_f1"] == pytest.approx(np.mean(f1), abs=1e-4)


def test_images_of_which_an_emotion_is_not_known_do_not_count_for_it():
    probs, truth = drawn()
    truth[:30, 1] = np.nan
    assert scores(probs, truth)["per_class"]["sad"]["n"] == 30


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1), st.randoms())
def test_average_precision_does_not_depend_on_the_order_of_images(pairs, random):
    def value(rows):
        return average_precision([s for s, _ in rows], [t for _, t in rows])

    shuffled = random.sample(pairs, len(pairs))
    assert value(shuffled) == pytest.approx(value(pairs), nan_ok=True)


def test_an_epoch_is_scored_also_where_nothing_is_there():
    found = epoch_scores(np.array([[1.0, -1.0]]), np.array([[np.nan, 0.0]]), ("happy", "sad"))
    assert found == {"val_micro_f1": 0.0, "val_map": 0.0, "val_ap_happy": 0.0, "val_ap_sad": 0.0}


def test_a_training_and_an_evaluation_score_the_same_table_alike():
    probs, truth = np.random.default_rng(3).random((60, 8)), np.random.default_rng(4).integers(0, 2, (60, 8)) * 1.0
    truth[::7, 2] = np.nan
    how = {"thresholds": dict.fromkeys(EMOTIONS, 0.1), "groups": [str(i) for i in range(60)]}
    trained = score_emotions(probs, truth, labels=EMOTIONS, rng=np.random.default_rng(0), **how)
    evaluated = score_reactions(probs, truth, thresholds=np.full(8, 0.1), rng=np.random.default_rng(0), min_positive=1)
    for name in ("macro_f1", "micro_f1", "weighted_f1", "map", "ece"):
        assert trained[name] == evaluated[name]


# --- calibration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_temperature_that_logits_were_scaled_by_is_found(temperature):
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 3))
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.1)


def test_the_temperature_of_nothing_known_is_1():
    assert fit_temperature(np.ones((3, 2)), np.full((3, 2), np.nan)) == 1.0


def test_a_threshold_is_the_best_of_those_tried():
    probs, truth = drawn(200)

    def f1(limit):
        named = probs[:, 2] >= limit
        return 2 * (named & (truth[:, 2] > 0)).sum() / max(named.sum() + truth[:, 2].sum(), 1)

    chosen = choose_threshold(probs[:, 2], truth[:, 2])
    assert f1(chosen) == pytest.approx(max(map(f1, THRESHOLDS)))


def test_an_emotion_with_few_images_keeps_the_default_threshold():
    probs, truth = drawn(40)
    truth[:, 1], truth[:4, 1] = 0, 1
    found = calibrate_emotions(np.log(probs / (1 - probs + 1e-9) + 1e-9), truth, labels=NAMES)
    assert found.thresholds["sad"] == 0.35
    assert found.n == 40
