"""Early counts sharpen a forecast by how the account's earlier posts grew."""

from datetime import timedelta

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.engagement.early import EarlyCount, log_growth, with_early
from postlens.types import EngagementForecast, EngagementSnapshot

from .accounts import START

PLAIN = EngagementForecast("p", "likes", 100.0, 20.0, 500.0, 0.9, 100.0, 30, note="model", method="accounts")


def counted(post_id, *pairs):
    """Observations of a post published at START: (hours after, likes)."""
    return [EngagementSnapshot(post_id, START + timedelta(hours=age), likes=likes) for age, likes in pairs]


def test_growth_is_the_final_count_over_the_early_one():
    seen = {"a": counted("a", (1, 9), (30, 60), (400, 99)), "b": counted("b", (1.2, 0), (200, 0))}
    found = log_growth(seen, dict.fromkeys(seen, START), metric="likes", age_h=1)
    assert np.expm1(found) == pytest.approx([9, 0])


@pytest.mark.parametrize(
    "pairs", [((1, 9), (48, 90)), ((5, 9), (400, 90)), ((400, 90),), ((1, None), (400, 90)), ((-2, 9), (400, 90))]
)
def test_posts_without_an_early_or_a_final_count_tell_nothing(pairs):
    assert not len(log_growth({"a": counted("a", *pairs)}, {"a": START}, metric="likes", age_h=1))


def test_posts_without_a_date_tell_nothing():
    assert not len(log_growth({"a": counted("a", (1, 9), (400, 90))}, {"a": None}, metric="likes", age_h=1))


def test_steady_growth_decides():
    answer = with_early(PLAIN, EarlyCount(99, 1), np.log([9.5, 10, 10, 10.5, 10]))
    assert answer.method == "early"
    assert answer.median == pytest.approx(1000, rel=0.1)
    assert answer.upper / answer.lower < PLAIN.upper / PLAIN.lower / 5


def test_wild_growth_leaves_the_forecast_nearly_as_it_was():
    answer = with_early(PLAIN, EarlyCount(99, 1), np.log([2, 400, 3, 90, 1000, 1.1]) * 3)
    assert 99 <= answer.median < 200


def test_without_enough_posts_the_early_count_is_told_unused():
    answer = with_early(PLAIN, EarlyCount(99, 1), np.log([10.0, 10, 10, 10]))
    assert (answer.median, answer.method) == (100, "accounts")
    assert "4 earlier posts" in answer.note
    assert "at least 5 are needed" in answer.note


def test_a_count_is_not_expected_to_fall():
    answer = with_early(PLAIN, EarlyCount(5000, 24), np.full(8, 0.0))
    assert min(answer.lower, answer.median) >= 4999


@pytest.mark.parametrize("values", [(-1, 1), (float("nan"), 1), (5, 0), (5, 100)])
def test_a_count_must_be_early(values):
    with pytest.raises(ShapeError, match="within 72 hours"):
        EarlyCount(*values)


def test_intervals_of_drawn_accounts_hold_what_they_promise():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        growth = rng.normal(2.0, 0.4, 13)
        final = np.expm1(np.log1p(50) + growth[-1])
        blind = EngagementForecast("p", "likes", None, None, None, 0.9, None, 0)
        answer = with_early(blind, EarlyCount(50, 1), growth[:-1])
        inside += answer.lower <= final <= answer.upper
    assert 0.86 <= inside / 400 <= 0.95
