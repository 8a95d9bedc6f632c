"""Weights and targets: labels weigh the same, large groups less, smoothed rows sum to one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.train.targets import row_weights, soft_targets

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=60)


@given(ROWS, st.floats(0, 1))
def test_labels_weigh_the_same_in_all_and_the_mean_is_one(rows, damping):
    labels = np.array([label for label, _ in rows])
    weights = row_weights(labels, [str(group) for _, group in rows], group_damping=damping)
    sums = [weights[labels == label].sum() for label in np.unique(labels)]
    assert sums == pytest.approx([sums[0]] * len(sums))
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize(("damping", "share"), [(0, 9 / 10), (0.5, 3 / 4), (1, 1 / 2)])
def test_a_large_group_is_damped_as_asked(damping, share):
    groups = ["large"] * 9 + ["small"]
    weights = row_weights(np.zeros(10, np.int64), groups, group_damping=damping)
    assert weights[:9].sum() / weights.sum() == pytest.approx(share)


@given(st.integers(2, 9), st.floats(0, 0.9))
def test_smoothed_targets_sum_to_one_and_favour_the_label(k, smoothing):
    targets = soft_targets(np.arange(k), n_classes=k, smoothing=smoothing)
    assert targets.sum(axis=1) == pytest.approx(1)
    assert (targets.argmax(axis=1) == np.arange(k)).all()
    assert targets[0, 1] == pytest.approx(smoothing / k)
