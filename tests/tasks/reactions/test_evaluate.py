"""Scores of emotions and ratings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from postlens.errors import ShapeError
from postlens.tasks.reactions.evaluate import (
    are_precise,
    average_precision,
    correlation,
    detect,
    score_emotions,
    score_ratings,
    score_reactions,
)
from postlens.types import EMOTIONS


def test_perfect_answers_score_one() -> None:
    labels = list(EMOTIONS) * 3
    probs = np.eye(8)[[EMOTIONS.index(label) for label in labels]]
    scores = score_emotions(probs, labels, rng=np.random.default_rng(0))
    assert (scores["n"], scores["accuracy"], scores["macro_f1"], scores["ece"]) == (24, 1.0, 1.0, 0.0)
    assert set(scores["per_class"]) == set(EMOTIONS)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(ShapeError, match="glad"):
        score_emotions(np.eye(8)[:1], ["glad"], rng=np.random.default_rng(0))


def test_unrated_photos_are_left_out_of_the_correlations() -> None:
    rated = np.array([[1, 4], [2, 3], [3, 2], [np.nan, 1]], float)
    predicted = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3], [9, 9]])
    scores = score_ratings(predicted, rated, rng=np.random.default_rng(0))
    assert (scores["valence_r"], scores["arousal_r"]) == (1.0, -1.0)


def test_without_ratings_there_is_no_correlation() -> None:
    scores = score_ratings(np.ones((3, 2)), np.full((3, 2), np.nan), rng=np.random.default_rng(0))
    assert scores["valence_r"] is None and scores["valence_r_ci"] is None


@pytest.mark.parametrize("values", [([1.0, 2.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])])
def test_a_correlation_of_too_little_is_not_a_number(values) -> None:
    assert np.isnan(correlation(*map(np.asarray, values)))


def many(*emotions: str) -> list[float]:
    return [float(name in emotions) for name in EMOTIONS]


def test_detections_at_the_thresholds_are_scored_by_emotion() -> None:
    truth = [many("happy"), many("happy", "sad"), many("sad")]
    probs = np.array([many("happy"), many("happy"), many("sad")]) * 0.8 + 0.1
    table = score_reactions(probs, truth, thresholds=np.full(8, 0.5), rng=np.random.default_rng(0))
    assert table["per_emotion"]["happy"] == {
        "n": 2, "precision": 1.0, "recall": 1.0, "f1": 1.0, "average_precision": 1.0, "ece": 0.1
    }  # fmt: skip
    assert table["per_emotion"]["sad"]["recall"] == 0.5 and table["per_emotion"]["fear"]["f1"] is None
    assert table["micro_f1"] == pytest.approx(2 * 3 / (3 + 4), abs=1e-4)
    assert table["macro_f1"] is None and table["scorable"] == []


def test_emotions_with_photos_enough_are_scorable() -> None:
    truth = np.array([many("happy")] * 30 + [many("sad")] * 10)
    table = score_reactions(truth, truth, rng=np.random.default_rng(0))
    assert table["scorable"] == ["happy"]
    assert table["macro_f1"] == table["map"] == 1.0 and table["macro_f1_ci"] == [1.0, 1.0] and table["ece"] == 0.0


def test_the_most_probable_emotion_stands_in_where_none_is_detected() -> None:
    found = detect(np.array([[0.2, 0.3, *[0.0] * 6], [0.6, 0.7, *[0.0] * 6]]), np.full(8, 0.5))
    assert found.sum(axis=1).tolist() == [1, 2] and found[0, 1]


def test_average_precision_is_the_mean_precision_at_each_positive() -> None:
    scores, truth = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert average_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(average_precision(scores, np.zeros(4, bool)))


def test_average_precision_does_not_depend_on_the_order_of_rows() -> None:
    rows = [(0.5, True), (0.5, False), (0.9, True), (0.5, False)]
    values = {round(average_precision(*zip(*order, strict=True)), 9) for order in permutations(rows)}
    assert values == {0.75}


def test_rows_of_which_an_emotion_is_not_known_do_not_count_for_it() -> None:
    rng = np.random.default_rng(1)
    probs, truth = rng.random((80, 8)), (rng.random((80, 8)) < 0.5).astype(float)
    truth[:40, 1] = np.nan
    how = {"thresholds": np.full(8, 0.5), "stand_in": False}
    table = score_reactions(probs, truth, rng=rng, **how)
    known = score_reactions(probs[40:], truth[40:], rng=rng, **how)
    assert table["per_emotion"]["sad"] == known["per_emotion"]["sad"] and table["n"] == 80
    assert table["per_emotion"]["sad"]["n"] == int((truth[40:, 1] == 1).sum())
    told = ~np.isnan(truth)
    assert table["micro_f1"] == pytest.approx(f1_score(truth[told], (probs >= 0.5)[told]), abs=1e-4)


def test_every_score_lies_in_its_interval() -> None:
    rng = np.random.default_rng(2)
    probs = rng.random((60, 8))
    truth = rng.random((60, 8)) < probs  # calibrated: resamples of the calibration error lie far above it
    for groups in (None, rng.integers(9, size=60)):
        table = score_reactions(probs, truth, thresholds=np.full(8, 0.5), groups=groups, min_positive=1, rng=rng)
        for name in ("macro_f1", "micro_f1", "weighted_f1", "map", "ece"):
            assert table[f"{name}_ci"][0] <= table[name] <= table[f"{name}_ci"][1], name


def test_a_way_to_detect_is_precise_where_it_is_so_in_each_source_with_rows_enough() -> None:
    truth = np.array([True] * 30 + [False] * 10 + [True] * 30 + [False] * 90 + [True] * 2 + [False] * 8)
    sources = np.array(["good"] * 40 + ["poor"] * 120 + ["few"] * 10)
    all_rows, good_only, nothing = np.ones(170, bool), sources == "good", np.zeros(170, bool)
    found = np.stack([all_rows, good_only, nothing, sources != "poor"], axis=1)
    assert are_precise(found, truth, sources=sources, least=0.35).tolist() == [False, True, True, True]
    assert are_precise(all_rows[:, None], truth, sources=np.zeros(170), least=0.35).tolist() == [True]


def test_tables_of_another_width_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(N, 8\)"):
        score_reactions(np.zeros((2, 7)), np.zeros((2, 7)), rng=np.random.default_rng(0))
