"""Counts of posts over time."""

from __future__ import annotations

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
