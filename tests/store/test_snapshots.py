"""Figures of posts over time: counts, and figures of any other name."""

from __future__ import annotations

import math

import pytest

from postlens.store import Store
from postlens.store.posts import write_posts
from postlens.store.snapshots import read_history, read_snapshots
from postlens.types import EngagementSnapshot

from .facts import LATER, NOW, located

POST = "instagram:1"


def test_same_counts_later_are_no_news(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        assert write_posts(conn, [located(1)], now=LATER) == 0
        assert read_history(conn) == [EngagementSnapshot(POST, NOW, likes=10)]


def test_changed_count_is_a_new_observation(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        write_posts(conn, [located(1, metrics={"likes": 12})], now=LATER)
        assert [one.likes for one in read_history(conn)] == [10, 12]
        assert read_snapshots(conn)[POST] == EngagementSnapshot(POST, LATER, likes=12)


def test_latest_keeps_counts_that_the_last_observation_lacks(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={"likes": 5, "views": 90}, followers=1000)], now=NOW)
        write_posts(conn, [located(1, metrics={"likes": 6})], now=LATER)
        latest = read_snapshots(conn, [POST])[POST]
    assert (latest.likes, latest.views, latest.followers) == (6, 90, 1000)


def test_figures_of_the_account_are_kept_with_the_post(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={}, followers=1000, followees=20, n_posts=3)], now=NOW)
        assert read_snapshots(conn)[POST] == EngagementSnapshot(POST, NOW, followers=1000, followees=20, n_posts=3)


def test_earlier_observation_does_not_hide_the_latest(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, observed_at=LATER, metrics={"likes": 9})], now=LATER)
        write_posts(conn, [located(1, observed_at=NOW, metrics={"likes": 4})], now=LATER)
        assert read_snapshots(conn)[POST].likes == 9


def test_number_corrected_for_a_time_replaces_the_old_one(store: Store) -> None:
    with store.write() as conn:
        for likes in (1000.0, 100.0):
            write_posts(conn, [located(1, observed_at=NOW, metrics={"likes": likes})], now=LATER)
        assert [one.likes for one in read_history(conn)] == [100]


def test_return_to_an_older_value_is_seen(store: Store) -> None:
    with store.write() as conn:
        for day, likes in ((1, 10.0), (3, 10.0), (2, 20.0)):
            write_posts(conn, [located(1, observed_at=NOW.replace(day=day), metrics={"likes": likes})], now=LATER)
        assert read_snapshots(conn)[POST].likes == 10


def test_post_without_numbers_has_no_observation(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={})], now=NOW)
        assert read_snapshots(conn) == {}


def test_zero_is_a_count(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={"likes": 0})], now=NOW)
        assert read_snapshots(conn)[POST].values == {"likes": 0}


def test_a_figure_of_any_name_is_kept_beside_the_counts(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={"likes": 5, "watch time": 2.5, "clicks": 7})], now=NOW)
        assert list(read_snapshots(conn)[POST].values.items()) == [("likes", 5), ("clicks", 7), ("watch time", 2.5)]


def test_each_other_figure_is_the_latest_known(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={"clicks": 7, "reach": 90})], now=NOW)
        write_posts(conn, [located(1, metrics={"clicks": 8})], now=LATER)
        assert read_snapshots(conn)[POST].values == {"clicks": 8, "reach": 90}
        assert [one.other for one in read_history(conn)] == [{"clicks": 7, "reach": 90}, {"clicks": 8}]


def test_the_same_other_figure_again_is_no_news(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={"clicks": 7})], now=NOW)
        assert write_posts(conn, [located(1, metrics={"clicks": 7})], now=LATER) == 0


def test_an_other_figure_corrected_for_a_time_leaves_the_rest_of_that_time(store: Store) -> None:
    with store.write() as conn:
        for metrics in ({"clicks": 700, "reach": 90}, {"clicks": 7}, {"likes": 3}):
            write_posts(conn, [located(1, observed_at=NOW, metrics=metrics)], now=LATER)
        assert [one.values for one in read_history(conn)] == [{"likes": 3, "clicks": 7, "reach": 90}]


def test_figures_of_one_time_in_one_batch_are_put_together(store: Store) -> None:
    parts = [located(1, observed_at=NOW, metrics=metrics) for metrics in ({"clicks": 7}, {"reach": 90})]
    with store.write() as conn:
        write_posts(conn, parts, now=LATER)
        assert read_snapshots(conn)[POST].other == {"clicks": 7, "reach": 90}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_not_known(store: Store, value: float) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1, metrics={"likes": 3, "clicks": value})], now=NOW)
        assert read_snapshots(conn)[POST].values == {"likes": 3}
