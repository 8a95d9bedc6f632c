"""Appearances and figures to the performance of persons: what counts, what counts once, what does not."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from postlens.tasks.people.performance import Known, performance
from postlens.types import Appearance


def seen(person: str, post: str, *, start_s: float = 0.0, end_s: float = 0.0, media: str | None = None) -> Appearance:
    return Appearance(person, post, media or post, f"{media or post}:0", start_s, end_s, 1.0)


def measured(appearances, posts, *, seed=0, metrics=None, weighting="post", **known):
    options = {"metrics": metrics, "weighting": weighting, "rng": np.random.default_rng(seed)}
    return performance(appearances, Known(posts, **known), **options)


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
    assert alone[0].interval in [row.interval for row in beside]


def test_figures_of_any_name_come_after_the_common_ones():
    posts = {"a": {"watch time": 2.5, "likes": 10.0, "clicks": 7.0}}
    assert [row.metric for row in measured([seen("ann", "a")], posts)] == ["likes", "clicks", "watch time"]


def test_the_best_and_the_worst_post_come_with_their_figures():
    (row,) = measured([seen("ann", "a"), seen("ann", "c")], POSTS)
    assert (row.best_post_id, row.best, row.worst_post_id, row.worst) == ("c", 60.0, "a", 10.0)


def test_the_share_on_screen_is_the_mean_over_the_videos():
    appearances = [
        seen("ann", "a", end_s=5.0),
        seen("ann", "b", start_s=1, end_s=2),
        seen("ann", "c"),
        seen("ann", "d", end_s=3.0),
    ]
    (row, _) = measured(appearances, POSTS, metrics=["likes", "views"], durations_s={"a": 10.0, "b": 2.0, "d": None})
    assert (row.metric, row.n_posts, row.n_videos) == ("likes", 4, 3)
    assert row.screen_share == pytest.approx((0.5 + 0.5) / 2)


def test_a_person_of_photos_alone_has_no_share_on_screen():
    (row,) = measured([seen("ann", "a")], POSTS)
    assert (row.n_videos, row.screen_share) == (0, None)


def test_screen_time_weighs_the_mean_when_asked_for():
    appearances = [seen("ann", "a", end_s=3.0), seen("ann", "b", end_s=1.0), seen("ann", "c")]
    (row,) = measured(appearances, POSTS, weighting="screen_time")
    assert (row.weighting, row.n_posts, row.mean, row.median) == ("screen_time", 3, 12.5, 20.0)
    assert row.n_effective == pytest.approx(1.6)
    assert row.interval is not None and 10 <= row.interval[0] <= row.mean <= row.interval[1] <= 20


def test_a_person_without_screen_time_is_weighed_by_post_and_the_row_says_so():
    (row,) = measured([seen("ann", "a"), seen("ann", "b")], POSTS, weighting="screen_time")
    assert (row.weighting, row.mean, row.n_effective) == ("post", 15.0, 2.0)


def weekly(n: int) -> tuple[list[Appearance], dict[str, dict[str, float]], dict[str, datetime]]:
    """Ann's posts, a week from each other, each with 10 likes more."""
    names = [f"post-{i}" for i in range(n)]
    at = {name: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(weeks=i) for i, name in enumerate(names)}
    return [seen("ann", name) for name in names], {name: {"likes": 10.0 * i} for i, name in enumerate(names)}, at


def test_a_trend_is_told_in_shares_of_the_campaigns_mean():
    appearances, posts, published_at = weekly(9)
    (row,) = measured(appearances, posts, published_at=published_at)
    assert row.trend is not None
    assert (row.trend.n_posts, row.trend.slope) == (9, pytest.approx(10 * 30 / 7 / 40))


def test_posts_without_a_time_make_no_trend():
    appearances, posts, published_at = weekly(9)
    known = dict(list(published_at.items())[:4])
    assert measured(appearances, posts, published_at=known)[0].trend is None


def test_a_lift_of_few_posts_is_drawn_towards_none():
    few, many = measured([seen("ann", "c"), *(seen("bob", post) for post in POSTS)], POSTS, metrics=["likes"])
    assert few.lift == pytest.approx(1 / 5)
    assert many.lift == 0.0


def test_a_name_that_is_no_utf8_has_an_interval():
    (row,) = measured([seen("ann\udcff", "a"), seen("ann\udcff", "b")], POSTS)
    assert row.interval is not None
