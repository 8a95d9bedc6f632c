"""New posts are put in the order of their forecasts; pictures decide where these are the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.engagement.order import order_posts
from postlens.types import EngagementForecast, ModelSpec

PLAIN = EngagementForecast("new", "likes", 100.0, 20.0, 500.0, 0.9, 100.0, 30, note="model", method="accounts")


class Ranker:
    """A card with the slope alone: one unit of score is log odds of 1."""

    spec = ModelSpec(
        "engagement_rank", "0", "engagement", "", "", "none", "tests", "none", thresholds={"pair_slope": 1.0}
    )


def forecasts(*medians):
    return [replace(PLAIN, median=median, **({} if median else {"lower": None, "upper": None})) for median in medians]


def order(medians, scores):
    return order_posts(forecasts(*medians), None if scores is None else np.array(scores, float), Ranker())


def test_the_order_is_that_of_the_forecasts_whatever_the_pictures_say():
    found = order((100.0, 300.0, 200.0), (3.0, 1.0, 2.0))
    assert found.places == (3, 1, 2)
    assert found.note == "the order is by forecasts: the first beats the last in 79% of cases"


@pytest.mark.parametrize("medians", [(None, None), (100.0, None)])
def test_pictures_decide_where_a_forecast_is_missing(medians):
    found = order(medians, (0.0, 1.0))
    assert found.places == (2, 1)
    assert found.note == "the order is by pictures alone: the first beats the last in 73% of cases"


def test_pictures_decide_between_equal_forecasts():
    found = order((100.0, 100.001), (0.0, 1.0))
    assert found.places == (2, 1)
    assert "by pictures alone, since the forecasts are the same: the first beats the last in 73%" in found.note


def test_forecasts_order_without_pictures():
    assert order((100.0, 300.0), None).places == (2, 1)
    assert order((100.0, 300.0), (np.nan, np.nan)).places == (2, 1)


def test_what_nothing_is_known_of_has_no_place():
    assert order((None, None, None), (np.nan, 1.0, 2.0)).places == (None, 2, 1)
    assert order((None, None), None).places == (None, None)
    assert order((100.0,), (1.0,)).places == (None,)


@given(medians=st.lists(st.floats(0.5, 1e6), min_size=2, max_size=6), seed=st.integers(0, 99))
def test_no_order_contradicts_its_forecasts(medians, seed):
    found = order(medians, np.random.default_rng(seed).normal(size=len(medians)))
    assert sorted(found.places) == list(range(1, len(medians) + 1))
    by_place = [medians[found.places.index(place)] for place in range(1, len(medians) + 1)]
    logs = np.log1p(by_place)
    assert (np.diff(logs) <= 1e-4 + 1e-9).all()
