"""Means to lifts, drawn towards none as far as chance explains them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.people.lift import (
    LEAST_PRIOR,
    MIN_PERSONS,
    MOST_PRIOR,
    PRIOR_POSTS,
    prior_posts,
    shrunk_lift,
    variances,
)


def people(n: int, *, between: float, within: float, posts: int = 20):
    rng = np.random.default_rng(0)
    return [np.exp(8 + rng.normal(0, between) + rng.normal(0, within, posts)) for _ in range(n)]


def test_a_lift_is_shrunk_for_few_posts():
    assert shrunk_lift(20.0, n_posts=1, campaign_mean=10.0) == pytest.approx(1 / (1 + PRIOR_POSTS))
    assert shrunk_lift(20.0, n_posts=400, campaign_mean=10.0) == pytest.approx(0.99, abs=0.01)


@pytest.mark.parametrize("mean", [0.0, -3.0])
def test_a_campaign_without_a_mean_has_no_lift(mean):
    assert shrunk_lift(20.0, n_posts=1, campaign_mean=mean) is None


def test_the_variances_of_a_simulated_campaign_are_found():
    within, between = variances([np.log(group) for group in people(300, between=0.5, within=1.0)])
    assert (within, between) == (pytest.approx(1.0, rel=0.1), pytest.approx(0.25, rel=0.2))
    assert prior_posts(people(300, between=0.5, within=1.0)) == pytest.approx(4.0, rel=0.25)


def test_persons_who_differ_for_sure_are_hardly_drawn_and_equal_ones_fully():
    assert prior_posts(people(30, between=1.5, within=0.2)) == LEAST_PRIOR
    assert prior_posts(people(30, between=0.0, within=1.0)) > 10


def test_too_few_persons_say_nothing_about_the_spread():
    few = people(MIN_PERSONS - 1, between=1.0, within=0.1)
    assert prior_posts([*few, *([np.array([5.0])] * 20)]) == PRIOR_POSTS


def test_figures_without_any_spread_leave_the_convention():
    assert prior_posts([np.full(3, 7.0)] * 9) == PRIOR_POSTS


@given(st.lists(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6), max_size=12))
def test_any_figures_have_a_prior_within_its_bounds(groups):
    assert LEAST_PRIOR <= prior_posts([np.array(group) for group in groups]) <= MOST_PRIOR
