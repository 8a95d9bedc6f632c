"""Training on several labels: what an epoch is scored by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.train.label_learner import best_f1, label_scores

NAN = np.nan


@pytest.mark.parametrize(
    ("logits", "truth", "f1"),
    [
        ([[-1], [-2], [-3]], [[1], [1], [0]], 1.0),  # right in order, though all are no at .5
        ([[3], [2], [1]], [[0], [1], [0]], 2 / 3),
        ([[3], [2]], [[0], [NAN]], 0.0),  # no positive image
        ([[3, 9], [2, 9]], [[1, NAN], [NAN, 0]], 1.0),  # the second label has no positive image
        ([[1], [1]], [[1], [0]], 2 / 3),  # a threshold cannot part equal scores
    ],
)
def test_labels_are_scored_at_their_best_thresholds(logits, truth, f1):
    assert label_scores(np.array(logits), np.array(truth))["val_macro_f1"] == pytest.approx(f1)


def test_accuracy_counts_known_answers():
    found = label_scores(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[1, NAN], [0, 1]]))
    assert found["val_accuracy"] == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1))
def test_the_best_f1_is_that_of_some_threshold(pairs):
    scores, positive = np.array([score for score, _ in pairs]), np.array([truth for _, truth in pairs])
    if not positive.any():
        return
    every = [2 * (positive & (scores >= at)).sum() / ((scores >= at).sum() + positive.sum()) for at in set(scores)]
    assert best_f1(scores, positive) == pytest.approx(max(every))
