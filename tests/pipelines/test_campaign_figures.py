"""Figures about a campaign that the report and the page tell alike."""

from __future__ import annotations

import pytest

from postlens.pipelines.campaign_figures import Hits, count_hits, is_inside
from postlens.types import EngagementForecast


def forecast(actual: float | None, lower: float | None = 50.0) -> EngagementForecast:
    return EngagementForecast("p", "likes", 100.0, lower, 200.0, 0.9, 90.0, 5, actual)


@pytest.mark.parametrize(
    ("one", "inside"),
    [
        (None, None),
        (forecast(None), None),
        (forecast(100, lower=None), None),
        (forecast(50), True),
        (forecast(200), True),
        (forecast(201), False),
        (forecast(0, lower=0), True),
    ],
)
def test_a_count_is_inside_from_end_to_end_where_both_are_known(one, inside):
    assert is_inside(one) is inside


def test_only_counts_that_can_be_judged_are_counted():
    assert count_hits([None, forecast(None), forecast(60), forecast(600)]) == Hits(1, 2)
