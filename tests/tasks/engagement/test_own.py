"""Own models are fitted once, and on what was known before the posts that they answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from postlens.tasks.engagement import PostFacts, own
from postlens.tasks.engagement.choose import forecast_posts
from postlens.tasks.engagement.own import OwnFits, own_model

from .accounts import AnchorModel, make_post

MODEL = AnchorModel()


def account(n: int = 60, *, dated: bool = True) -> list[PostFacts]:
    """Posts a day apart whose likes follow their picture; without dates each has its place."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(n, 12)).astype(np.float32)
    likes = np.expm1(5 + 0.8 * vectors[:, 0] + 0.2 * rng.normal(size=n)).round().tolist()
    posts = [make_post(day, likes[day], vector=vectors[day], place=day) for day in range(n)]
    return posts if dated else [replace(post, published_at=None) for post in posts]


def draft(day: float = 900) -> PostFacts:
    return make_post(day, vector=np.zeros(12, np.float32))


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of posts that models were fitted on, as they are."""
    numbers: list[int] = []
    fit = own.fit_account

    def counting(rows: Any, *args: Any, **more: Any) -> Any:
        numbers.append(len(rows))
        return fit(rows, *args, **more)

    monkeypatch.setattr(own, "fit_account", counting)
    return numbers


@pytest.mark.parametrize("dated", [True, False])
def test_an_answer_and_what_is_said_of_it_share_one_fit(fitted: list[int], dated: bool) -> None:
    fits, posts = OwnFits(), account(dated=dated)
    answer = forecast_posts([draft(), *posts], metric="likes", method="auto", model=MODEL, only=1, fits=fits)[0]
    said = own_model([*reversed(posts), draft()], metric="likes", fits=fits)
    assert said is not None
    assert answer.note == said.note
    assert fitted == [60]


def test_other_posts_are_fitted_anew(fitted: list[int]) -> None:
    fits, posts = OwnFits(), account()
    own_model(posts, metric="likes", fits=fits)
    own_model([replace(posts[0], counts={"likes": 1.0}), *posts[1:]], metric="likes", fits=fits)
    own_model(posts[1:], metric="likes", fits=fits)
    assert fitted == [60, 60, 59]


def test_a_post_of_long_ago_that_hides_its_likes_takes_nothing_from_a_new_one(fitted: list[int]) -> None:
    posts = [draft(), *account(), make_post(40.5, vector=np.zeros(12, np.float32))]
    forecast_posts(posts, metric="likes", method="auto", model=MODEL, only=1)
    assert fitted == [60]


def test_posts_without_dates_are_taken_by_their_places() -> None:
    posts = account(dated=False)
    in_order = own_model(posts, metric="likes")
    assert in_order is not None
    assert "the order in which they were read" in in_order.note
    by_lot = own_model([replace(post, place=None) for post in posts], metric="likes")
    assert by_lot is not None
    assert "drawn by lot" in by_lot.note


def test_an_account_without_pictures_has_no_own_model() -> None:
    assert own_model([make_post(day, 10) for day in range(50)], metric="likes") is None
