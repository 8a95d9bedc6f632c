"""Which method answers, and that every fallback is told."""

from dataclasses import replace

import numpy as np
import pytest

from postlens.tasks.engagement.choose import forecast_posts

from .accounts import AnchorModel, make_post

MODEL = AnchorModel()


def forecast(posts, method="auto", metric="likes", only=1):
    return forecast_posts(posts, metric=metric, method=method, model=MODEL, only=only)[0]


def account(n=60, *, effect=0.0, seed=5):
    """Posts a day apart whose likes follow their picture by `effect` on the log scale."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 12)).astype(np.float32)
    likes = np.expm1(5 + effect * vectors[:, 0] + 0.2 * rng.normal(size=n)).round()
    pairs = enumerate(zip(vectors, likes.tolist(), strict=True))
    return [make_post(day, count, vector=vector) for day, (vector, count) in pairs]


def draft(first: float, day: float | None = 900):
    vector = np.zeros(12, np.float32)
    vector[0] = first
    return make_post(day, vector=vector)


def test_the_own_model_answers_new_posts_where_it_is_better():
    posts = account(120, effect=0.8)
    low, high = (forecast([draft(x), *posts]) for x in (-1.5, 1.5))
    assert (low.method, high.method) == ("account", "account")
    assert low.median < high.median / 2
    assert "better than your median" in high.note


def test_the_own_model_stays_silent_where_pictures_tell_nothing():
    answer = forecast([draft(1.5), *account(120)])
    assert answer.method == "accounts"


def test_a_model_no_better_than_the_median_is_told_when_asked_for():
    answer = forecast([draft(1.5), *account(120)], method="account")
    assert answer.method == "accounts"
    assert "no better than your median" in answer.note


def test_an_own_model_needs_posts():
    answer = forecast([draft(0), *account(12)], method="account")
    assert answer.method == "accounts"
    assert "it needs 30 earlier ones with likes and pictures, 12 are known" in answer.note


def test_counted_posts_are_never_answered_by_a_model_that_saw_them():
    posts = account(60, effect=0.8)
    changed = [*posts[:50], *(replace(one, counts={"likes": 9e6}) for one in posts[50:])]
    before, after = (forecast_posts(given, metric="likes", method="account", model=MODEL) for given in (posts, changed))
    for one, other in zip(before[:50], after[:50], strict=True):
        assert replace(one, note="") == replace(other, note="")


def test_the_median_answers_when_asked_for():
    posts = [make_post(day, 100) for day in range(4)] + [make_post(day, 300) for day in range(4, 9)]
    answer = forecast([make_post(20), *posts], method="median")
    assert answer.method == "median"
    assert answer.median == pytest.approx(300)


def test_another_metric_is_answered_by_the_median():
    posts = [make_post(day, counts={"views": 50.0}) for day in range(6)]
    assert forecast([make_post(20), *posts], metric="views").method == "median"


@pytest.mark.parametrize("method", ["auto", "accounts", "account", "median"])
def test_one_post_alone_is_told_what_is_missing(method):
    answer = forecast([make_post(3)], method=method)
    assert (answer.method, answer.median) == ("none", None)
    assert "at least 5 are needed" in answer.note
    assert ("give the account's followers" in answer.note) == (method != "median")
    assert "more posts with likes" in answer.note


def test_followers_are_not_asked_for_where_they_never_help():
    answer = forecast([make_post(3)], method="auto", metric="views")
    assert answer.note.endswith("give more posts with views")


def test_hidden_likes_are_told_not_counted_as_zero():
    answer = forecast([make_post(9), *(make_post(day) for day in range(7))])
    assert answer.median is None
    assert "7 other posts hide their likes" in answer.note


def test_equal_likes_are_told():
    answer = forecast([make_post(50, followers=900.0), *(make_post(day, 10) for day in range(8))])
    assert "all 8 posts have 10 likes: check that these are counts" in answer.note


def test_the_percentile_counts_earlier_posts_only():
    posts = [make_post(day, 10.0 * (day + 1)) for day in range(6)] + [make_post(99, 1.0)]
    answer = forecast([make_post(20), *posts])
    assert 30 < answer.median < 40
    assert answer.percentile == 50
