"""Scores of emotions and ratings."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.reactions.evaluate import (
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


def test_tables_of_another_width_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(N, 8\)"):
        score_reactions(np.zeros((2, 7)), np.zeros((2, 7)), rng=np.random.default_rng(0))
