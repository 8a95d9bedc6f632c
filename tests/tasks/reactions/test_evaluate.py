"""Scores of emotions and ratings."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.reactions.evaluate import correlation, score_emotions, score_ratings
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
