"""Figures to means and intervals, weighted or not."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.people.intervals import effective_number, mean_interval, weighted_mean

figures = st.lists(st.floats(0, 1e6), min_size=2, max_size=20)


def interval(values, weights=None, seed=0):
    return mean_interval(np.array(values, float), weights, rng=np.random.default_rng(seed))


@given(values=figures)
def test_an_interval_lies_within_the_values_and_around_their_mean(values):
    low, high = interval(values)
    assert min(values) - 1e-6 <= low <= np.mean(values) + 1e-6
    assert np.mean(values) - 1e-6 <= high <= max(values) + 1e-6


@given(values=figures, weight=st.floats(0.1, 100))
def test_equal_weights_are_no_weights(values, weight):
    assert interval(values, np.full(len(values), weight)) == pytest.approx(interval(values), rel=1e-9, abs=1e-6)


def test_two_or_three_posts_have_the_range_of_their_figures():
    assert interval([10, 20]) == (10, 20)
    assert interval([10, 20, 60]) == (10, 60)


def test_an_interval_narrows_as_posts_become_more():
    widths = [np.diff(interval(np.random.default_rng(0).normal(100, 10, n)))[0] for n in (5, 20, 100)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("values", [[], [5.0]])
def test_fewer_than_two_posts_have_no_interval(values):
    assert interval(values) is None


def test_posts_of_no_weight_count_for_nothing():
    assert interval([1, 50, 99], np.array([0.0, 1.0, 0.0])) is None
    assert interval([1, 50, 99], np.array([0.0, 1.0, 1.0])) == (50, 99)


@given(weights=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_an_effective_number_is_between_one_and_the_number(weights):
    assert 1 - 1e-9 <= effective_number(np.array(weights)) <= len(weights) + 1e-9


def test_a_weighted_mean_follows_the_weights():
    assert weighted_mean(np.array([10.0, 20.0]), np.array([3.0, 1.0])) == 12.5
    assert effective_number(np.array([2.0, 2.0, 2.0])) == pytest.approx(3)


def test_many_posts_are_drawn_in_little_memory_and_as_all_at_once(monkeypatch):
    values = np.random.default_rng(1).lognormal(5, 1, 3000)
    tracemalloc.start()
    found = interval(values)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.setattr("postlens.tasks.people.intervals.BLOCK_DRAWS", 10**9)
    assert interval(values) == found
    assert most_bytes < 60 << 20  # all 6 million draws with values and weights are 144 MB
