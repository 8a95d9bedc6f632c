"""An early count is of one new post: taken by it, refused for several, told where there is none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from postlens.errors import UsageError
from postlens.pipelines.forecast_early_check import check_early, count_new
from postlens.store.posts import write_post
from postlens.tasks.engagement.early import EarlyCount
from postlens.types import MediaRef, SourcePost

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLY = EarlyCount(120, 1)


@pytest.mark.parametrize(("early", "n_new"), [(None, 0), (None, 3), (EARLY, 1)])
def test_one_new_post_or_no_early_count_needs_no_word(early, n_new):
    assert check_early(early, n_new) == ()


def test_several_new_posts_are_refused():
    with pytest.raises(UsageError, match=r"one new post for the early count of 120 at 1 h, got 3"):
        check_early(EARLY, 3)


def test_a_count_that_no_post_takes_is_told():
    (note,) = check_early(EARLY, 0)
    assert note == (
        "the early count of 120 at 1 h is not used: all posts have counts of their own; name the new photo with"
        " --account"
    )


def test_posts_with_followers_alone_are_new(store):
    one = SourcePost("ann", (MediaRef(path="/a.png"),), platform="instagram", post_key="1")
    posts = [one, replace(one, post_key="2", followers=9.0), replace(one, post_key="3", metrics={"likes": 4.0})]
    with store.write() as conn:
        for post in posts:
            write_post(conn, post, [None], now=NOW)
    with store.read() as conn:
        assert count_new(conn, [post.post_id for post in posts] * 2) == 2
