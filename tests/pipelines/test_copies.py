"""Copies among stored posts: the first publication is kept, without times the first that was seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postlens.pipelines.copies import link_copies
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.posts import LocatedPost, read_duplicates, write_posts

from ..store.facts import NOW, features, located, sha

DAY = timedelta(days=1)


def links(store: Store) -> dict[str, str]:
    with store.write() as conn:
        link_copies(conn)
        return {one.post_id[-1]: one.first_post_id[-1] for one in read_duplicates(conn)}


def write_copies(store: Store, *days: tuple[int, int | None]) -> None:
    """Posts of one photo in this order: number, and day of publication if known."""
    with store.write() as conn:
        write_features(conn, features(1))
        for number, day in days:
            at = None if day is None else NOW + day * DAY
            write_posts(conn, [LocatedPost(located(number, published_at=at).post, (sha(1),))], now=NOW)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (((2, 5), (1, 3)), {"2": "1"}),  # the earlier publication
        (((2, None), (1, None)), {"1": "2"}),  # no times: the first seen
        (((2, None), (1, 9)), {"2": "1"}),  # a time before none
        (((2, 4), (1, 4)), {"2": "1"}),  # equal times: the smaller id
    ],
)
def test_the_first_occurrence_is_kept(store: Store, days, expected) -> None:
    write_copies(store, *days)
    assert links(store) == expected


def test_seeing_a_post_again_changes_no_link(store: Store) -> None:
    write_copies(store, (2, None), (1, None))
    before = links(store)
    write_copies(store, (1, None), (2, None))
    assert links(store) == before == {"1": "2"}
