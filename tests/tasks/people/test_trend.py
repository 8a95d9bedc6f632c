"""Dated figures to slopes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from postlens.tasks.people.trend import MIN_TREND_DAYS, MIN_TREND_POSTS, MOST_POSTS, PERIOD_DAYS, trend


def noisy(n: int, *, slope: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 200, n))
    return days, 100 + slope * days + rng.normal(0, 10, n)


def test_a_line_has_its_slope_and_no_width():
    days = np.arange(0, 70, 7.0)
    found = trend(days, 50 + 2 * days, level=100.0)
    assert (found.slope, found.low, found.high, found.n_posts) == pytest.approx((0.6, 0.6, 0.6, 10))


@pytest.mark.parametrize("seed", range(5))
def test_slope_and_interval_are_those_of_scipy(seed):
    days, values = noisy(30, slope=0.3, seed=seed)
    values[:4] = values[0]
    expected = theilslopes(values, days, 0.95)
    found = trend(days, values, level=PERIOD_DAYS)
    assert (found.slope, found.low, found.high) == pytest.approx((expected.slope, *expected[2:]))


def test_one_post_that_did_far_better_hardly_moves_a_trend():
    days, values = noisy(30)
    plain = trend(days, values, level=100.0)
    values[-1] *= 1000
    assert abs(trend(days, values, level=100.0).slope - plain.slope) < 0.02


@pytest.mark.parametrize(
    ("days", "level"),
    [
        (np.arange(MIN_TREND_POSTS - 1) * 30.0, 1.0),
        (np.linspace(0, MIN_TREND_DAYS - 0.1, 20), 1.0),
        (np.zeros(20), 1.0),
        (np.zeros(0), 1.0),
        (np.arange(20) * 30.0, 0.0),
    ],
    ids=["few posts", "few days", "one time", "no post", "no level"],
)
def test_what_cannot_carry_a_trend_has_none(days, level):
    assert trend(days, np.arange(float(len(days))), level=level) is None


@given(
    rows=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 50)), min_size=MIN_TREND_POSTS, max_size=25),
    seed=st.randoms(),
)
def test_any_posts_in_any_order_have_the_same_trend_with_the_slope_in_its_interval(rows, seed):
    def of(pairs):
        days, values = np.array(pairs, float).T
        return trend(days, values, level=10.0)

    found = of(rows)
    seed.shuffle(rows)
    assert of(rows) == found
    assert found is None or found.low <= found.slope <= found.high


def test_many_posts_are_asked_evenly():
    days = np.arange(3.0 * MOST_POSTS)
    found = trend(days, days, level=PERIOD_DAYS)
    assert (found.slope, found.n_posts) == (pytest.approx(1.0), len(days))
