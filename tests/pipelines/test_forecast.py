"""Accounts are found by name, drafts join their history, early counts come from the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from postlens.config import Settings
from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.answers_engagement import Forecaster, Readings, post_facts
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.forecast import Asked, forecast_media
from postlens.pipelines.forecast_account import draft_facts, find_account
from postlens.pipelines.forecast_early import EarlyBook
from postlens.store import Store
from postlens.store.posts import write_post
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.early import EarlyCount
from postlens.tasks.engagement.ranking import RANK_MODEL, pair_probability, rank_images
from postlens.types import (
    Creator,
    Embeddings,
    EngagementForecast,
    EngagementSnapshot,
    Faces,
    MediaFile,
    MediaRef,
    Post,
    SourcePost,
)
from postlens.vision.zoo import open_model

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MARA = Creator("instagram:mara", "instagram", "mara")
PLAIN = EngagementForecast("new", "likes", 100.0, 20.0, 500.0, 0.9, 100.0, 30, note="model", method="accounts")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    posts = [
        SourcePost(handle, (MediaRef(path=f"/in/{platform}-{handle}.jpg"),), platform=platform)
        for platform, handle in [
            ("instagram", "mara"),
            ("instagram", "Anna.B"),
            ("tiktok", "twice"),
            ("instagram", "twice"),
        ]
    ]
    with Store.open(str(tmp_path_factory.mktemp("store") / "postlens.db")) as opened:
        with opened.write() as conn:
            for one in posts:
                write_post(conn, one, [None], now=NOW)
        yield opened


@pytest.mark.parametrize("name", ["mara", "@mara", "instagram:mara"])
def test_an_account_is_found_by_handle_or_id(store, name):
    with store.read() as conn:
        assert find_account(conn, name).creator_id == "instagram:mara"


@pytest.mark.parametrize(("name", "words"), [("marta", "did you mean mara"), ("anna_b", "Anna.B"), ("zzz", "it has ")])
def test_an_unknown_account_is_told_with_near_names(store, name, words):
    with store.read() as conn, pytest.raises(UnknownNameError, match=words):
        find_account(conn, name)


def test_a_name_of_two_accounts_is_told(store):
    with store.read() as conn, pytest.raises(UsageError, match="instagram:twice"):
        find_account(conn, "twice")


def test_no_source_is_told():
    with pytest.raises(UsageError, match="at least one source"):
        forecast_media(Asked(()), settings=Settings())


def facts(*posts, snapshots=None):
    counted = {post.post_id: EngagementSnapshot(post.post_id, likes=9.0) for post in posts}
    return CreatorFacts(MARA, posts, {}, {}, {}, {}, {}, counted if snapshots is None else snapshots)


def post(post_id, day=None, media=()):
    return Post(post_id, MARA.creator_id, "instagram", media, None if day is None else NOW - timedelta(days=day))


@pytest.mark.parametrize(("days", "expected"), [((1, 2), NOW), ((None, None, 1), None)])
def test_a_draft_is_dated_as_the_account_is(days, expected):
    account = facts(*(post(f"old-{place}", day) for place, day in enumerate(days)))
    merged = draft_facts(facts(post("new"), snapshots={}), account, now=NOW)
    assert (merged.posts[0].post_id, merged.posts[0].published_at) == ("new", expected)
    assert "new" not in merged.snapshots


def test_a_draft_takes_the_place_of_the_same_post():
    merged = draft_facts(facts(post("a"), snapshots={}), facts(post("a", 1), post("b", 2)), now=NOW)
    assert [one.post_id for one in merged.posts] == ["a", "b"]
    assert set(merged.snapshots) == {"b"}


def test_what_is_known_of_a_post_reaches_the_forecast():
    media = MediaFile("0" * 64, "image", "/in/a.jpg", 100, 50, 10)
    faces = replace(
        Faces.none(),
        xyxy_px=np.array([[0, 0, 50, 50], [0, 0, 10, 10]], np.float32),
        score=np.ones(2, np.float32),
        landmarks_px=np.zeros((2, 6, 2), np.float32),
        quality=np.ones(2, np.float32),
        frame=np.zeros(2, np.int64),
        pts_s=np.zeros(2, np.float32),
    )
    vectors = Embeddings(("a", "b"), np.array([[1, 0], [0, 1]], np.float32), "f")
    one = replace(post("a", 1, (media.sha256,)), alt_text="two people", n_tagged=3, has_location=True)
    known = replace(
        facts(one),
        media={media.sha256: media},
        faces={media.sha256: faces},
        embeddings={media.sha256: (vectors, np.zeros(2, np.float32))},
        snapshots={"a": EngagementSnapshot("a", followers=900.0, followees=80.0, n_posts=7.0)},
    )
    found = post_facts(one, known, Readings({}, None, {"a": 4.5}))
    assert (found.n_faces, found.largest_face) == (2, 0.5)
    assert found.vector.tolist() == [0.5, 0.5]
    assert (found.followees, found.n_posts_of_account, found.valence) == (80, 7, 4.5)
    assert (found.alt_text, found.n_tagged, found.has_location, found.is_carousel) == ("two people", 3, True, False)


def test_faces_that_were_not_looked_for_are_not_known():
    assert post_facts(post("a"), facts(post("a")), Readings({}, None, {})).n_faces is None


def row(day, counts=None):
    return PostFacts(
        post_id="new",
        published_at=NOW - timedelta(days=day),
        counts=counts or {},
        followers=None,
        caption=None,
        media=None,
        measures=None,
    )


def book(n, *, new=()):
    """Posts of earlier months that each grew tenfold from their first hour."""
    at = {f"old-{i}": NOW - timedelta(days=30 + i) for i in range(n)} | {"new": NOW - timedelta(hours=2)}
    seen = {
        key: [EngagementSnapshot(key, when + timedelta(hours=age), likes=likes) for age, likes in ((1, 19), (300, 199))]
        for key, when in at.items()
        if key != "new"
    }
    seen["new"] = [EngagementSnapshot("new", at["new"] + timedelta(hours=age), likes=likes) for age, likes in new]
    return EarlyBook(seen, at, "likes")


def test_a_given_early_count_is_used():
    answer = book(8).sharpen(PLAIN, row(0), EarlyCount(39, 1))
    assert answer.method == "early"
    assert answer.median == pytest.approx(399, rel=0.05)


def test_a_stored_early_count_is_used_and_is_not_what_the_post_got():
    answer = book(8, new=[(1, 39)]).sharpen(replace(PLAIN, actual=39.0), row(2 / 24, {"likes": 39.0}), None)
    assert (answer.method, answer.actual) == ("early", None)


def test_a_stored_count_without_known_growth_changes_nothing():
    plain = replace(PLAIN, actual=39.0)
    assert book(3, new=[(1, 39)]).sharpen(plain, row(2 / 24, {"likes": 39.0}), None) == plain


@pytest.mark.parametrize(("side", "thumbnails"), [(42, True), (640, False)])
def test_small_drafts_are_ranked_as_the_thumbnails_that_were_learned(side, thumbnails):
    forecaster, ranker = Forecaster(Settings()), open_model(RANK_MODEL)
    rng = np.random.default_rng(4)
    media = MediaFile("0" * 64, "image", "/in/a.jpg", side, side // 2, 10)
    posts = [replace(row(0), vector=rng.random(1280).astype(np.float32), media=media) for _ in range(2)]
    scores = rank_images(np.stack([one.vector for one in posts]), [None, None], ranker, thumbnails=thumbnails)
    order = forecaster.order(posts, [PLAIN, PLAIN])
    assert order.places == ((1, 2) if scores[0] > scores[1] else (2, 1))
    assert f"in {pair_probability(scores.max(), scores.min(), ranker):.0%} of cases" in order.note
