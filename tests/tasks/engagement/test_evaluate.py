"""Scores of forecasts, checked on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.engagement.evaluate import (
    Outcomes,
    collect_outcomes,
    pair_counts,
    score_outcomes,
    spearman,
)
from tests.tasks.engagement.accounts import AnchorModel, make_post


def outcomes(actual, median, *, blind=None, followers=5000.0, account=None) -> Outcomes:
    actual, median = np.array(actual, float), np.array(median, float)
    return Outcomes(
        actual=actual,
        lower=median - 1,
        median=median,
        upper=median + 1,
        blind=median if blind is None else np.array(blind, float),
        baseline=np.full(len(actual), np.nan),
        followers=np.broadcast_to(followers, actual.shape).astype(float),
        account=np.arange(len(actual), dtype=float) if account is None else np.array(account, float),
    )


def scores(found: Outcomes):
    return score_outcomes(found, rng=np.random.default_rng(0))


def test_perfect_forecasts_score_perfectly():
    table = scores(outcomes([1, 2, 3, 4], [1, 2, 3, 4]))
    assert (table["n"], table["mae_log"], table["spearman"], table["coverage_90"]) == (4, 0.0, 1.0, 1.0)


def test_coverage_is_the_share_inside():
    assert scores(outcomes([0, 2, 4, 6], [0, 0, 4, 4]))["coverage_90"] == 0.5


def test_mae_is_on_the_log_scale_as_given():
    assert scores(outcomes([0, 2, 4, 6], [1, 2, 4, 3]))["mae_log"] == 1.0


@pytest.mark.parametrize(
    ("actual", "blind", "right", "n_pairs"),
    [
        ([1, 2, 3], [1, 2, 3], 3, 3),
        ([1, 2, 3], [3, 2, 1], 0, 3),
        ([1, 2, 3], [1, 1, 1], 1.5, 3),  # equal forecasts count half
        ([1, 1, 3], [1, 2, 3], 2, 2),  # equal counts have no right order
        ([1, 2, 3], [np.nan, 2, 3], 1, 1),
    ],
)
def test_pairs_of_one_account_are_compared(actual, blind, right, n_pairs):
    found = pair_counts(outcomes(actual, actual, blind=blind, account=[7, 7, 7]))
    assert (found[0].item(), found[1].item()) == (right, n_pairs)


def test_posts_of_different_accounts_are_no_pairs():
    table = scores(outcomes([1, 2, 3], [3, 2, 1]))
    assert (table["pair_accuracy"], table["pair_accuracy_ci"]) == (None, None)


def test_sizes_are_bands_of_followers():
    table = scores(outcomes(np.zeros(5), np.zeros(5), followers=[999, 1000, 50_000, 2e6, np.nan]))
    found = {size: row["n"] for size, row in table["by_account_size"].items()}
    assert found == {"<1k": 1, "1k-10k": 1, "10k-100k": 1, ">=1M": 1}


def test_every_score_has_an_interval_around_it():
    rng = np.random.default_rng(3)
    actual = rng.normal(6, 1, 80)
    table = scores(outcomes(actual, actual + rng.normal(0, 1, 80), account=np.arange(80) // 2))
    for name in ("mae_log", "spearman", "coverage_90", "pair_accuracy"):
        low, high = table[f"{name}_ci"]
        assert low <= table[name] <= high


def test_the_baseline_is_scored_where_there_is_one():
    posts = [make_post(day, 100.0 * (day + 1), followers=1000) for day in range(4)]
    found = collect_outcomes([posts, [make_post(0, 50.0, followers=500)]], model=AnchorModel())
    table = scores(found)
    assert (len(found), table["n_accounts"], table["account_median"]["n"]) == (5, 2, 3)


def test_posts_that_cannot_be_scored_are_left_out():
    posts = [make_post(0, None, followers=1000), make_post(1, 10.0), make_post(2, 10.0, followers=10)]
    assert len(collect_outcomes([posts], model=AnchorModel())) == 2


def test_forecasts_compared_in_pairs_do_not_know_the_accounts_counts():
    low = [make_post(day, 10.0, followers=1000) for day in range(3)]
    high = [make_post(day, 1e6, followers=1000) for day in range(3)]
    found = [collect_outcomes([posts], model=AnchorModel()).blind for posts in (low, high)]
    assert np.array_equal(*found)


def test_no_outcomes_have_no_scores():
    table = scores(collect_outcomes([], model=AnchorModel()))
    assert (table["n"], table["mae_log"], table["by_account_size"]) == (0, None, {})


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ShapeError, match="all columns"):
        outcomes([1, 2], [1, 2, 3])


def test_rank_correlation_counts_ties_at_their_mean_rank():
    assert spearman(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 2, 9])) == pytest.approx(1.0)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))
