"""Appearances and figures to the performance of persons: what counts, what counts once, what does not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.people.performance import PRIOR_POSTS, mean_interval, performance, screen_time_s, shrunk_lift
from postlens.types import Appearance


def seen(person: str, post: str, *, start_s: float = 0.0, end_s: float = 0.0, media: str | None = None) -> Appearance:
    return Appearance(person, post, media or post, f"{media or post}:0", start_s, end_s, 1.0)


def measured(appearances, posts, *, seed=0, **options):
    return performance(appearances, posts=posts, rng=np.random.default_rng(seed), **options)


POSTS = {"a": {"likes": 10.0}, "b": {"likes": 20.0}, "c": {"likes": 60.0}, "d": {"likes": 30.0, "views": 5.0}}


def test_a_person_has_mean_median_best_and_worst_post():
    (row,) = measured([seen("ann", "a"), seen("ann", "b"), seen("ann", "c")], POSTS)
    assert (row.person_id, row.metric, row.n_posts, row.mean, row.median) == ("ann", "likes", 3, 30.0, 20.0)
    assert (row.best_post_id, row.worst_post_id) == ("c", "a")
    assert row.interval is not None and 10 <= row.interval[0] < 30 < row.interval[1] <= 60


def test_several_appearances_in_one_post_count_as_one_post():
    (row,) = measured([seen("ann", "a"), seen("ann", "a", start_s=3, end_s=4)], POSTS)
    assert row.n_posts == 1 and row.interval is None


def test_unknown_figures_are_skipped_not_zero():
    posts = {"a": {"likes": None}, "b": {"likes": 20.0}, "c": {}}
    (row,) = measured([seen("ann", "a"), seen("ann", "b"), seen("ann", "c")], posts)
    assert (row.n_posts, row.mean) == (1, 20.0)


def test_a_person_without_any_figure_has_no_row():
    assert measured([seen("ann", "a")], {"a": {"likes": None}}) == ()


def test_a_copy_counts_once_with_the_figures_of_the_first():
    (row,) = measured([seen("ann", "a"), seen("ann", "c")], POSTS, duplicate_of={"c": "a"})
    assert (row.n_posts, row.mean, row.best_post_id) == (1, 10.0, "a")


def test_a_person_found_only_in_the_copy_counts_for_the_first_post():
    (row,) = measured([seen("ann", "c", end_s=2.0)], POSTS, duplicate_of={"c": "a"})
    assert (row.mean, row.best_post_id, row.screen_time_s) == (10.0, "a", 2.0)


def test_copies_do_not_weigh_in_the_campaign_mean():
    (with_copy,) = measured([seen("ann", "b")], POSTS, duplicate_of={"c": "a"}, metrics=["likes"])
    (without,) = measured([seen("ann", "b")], {k: v for k, v in POSTS.items() if k != "c"}, metrics=["likes"])
    assert with_copy.lift == without.lift


def test_all_figures_are_read_once_however_many_persons():
    """A mean over the campaign for each person would be quadratic."""
    reads: Counter[str] = Counter()

    class Counted(dict):
        def items(self):
            reads["all"] += 1
            return super().items()

    rows = measured([seen(f"p{n}", "a") for n in range(50)], Counted(POSTS), metrics=["likes", "views"])
    assert len(rows) == 50
    assert reads["all"] == 2


def test_rows_come_by_person_and_metric():
    rows = measured([seen("bob", "d"), seen("ann", "d")], POSTS)
    assert [(row.person_id, row.metric) for row in rows] == [
        ("ann", "views"), ("ann", "likes"), ("bob", "views"), ("bob", "likes"),
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_rows_in_any_order():
    appearances = [seen("ann", "a"), seen("ann", "b"), seen("bob", "c"), seen("bob", "d")]
    assert measured(appearances, POSTS) == measured(appearances[::-1], POSTS)


def test_another_person_does_not_change_the_interval():
    alone = measured([seen("ann", "a"), seen("ann", "b")], POSTS)
    beside = measured([seen("abe", "c"), seen("abe", "d"), seen("ann", "a"), seen("ann", "b")], POSTS)
    assert alone[0] in beside


def test_a_lift_is_shrunk_for_few_posts():
    few, many = np.full(1, 20.0), np.full(400, 20.0)
    assert shrunk_lift(few, campaign_mean=10.0) == pytest.approx(1 / (1 + PRIOR_POSTS))
    assert shrunk_lift(many, campaign_mean=10.0) == pytest.approx(0.99, abs=0.01)
    assert shrunk_lift(few, campaign_mean=0.0) is None


def test_overlapping_appearances_count_their_screen_time_once():
    parts = [
        seen("ann", "a", start_s=0, end_s=4),
        seen("ann", "a", start_s=2, end_s=5),
        seen("ann", "a", start_s=1, end_s=2),
    ]
    assert screen_time_s([*parts, seen("ann", "a", start_s=1, end_s=2, media="other")]) == 6.0


@given(values=st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_an_interval_of_the_mean_lies_within_the_values(values):
    low, high = mean_interval(np.array(values), rng=np.random.default_rng(0))
    assert min(values) - 1e-6 <= low <= high <= max(values) + 1e-6
