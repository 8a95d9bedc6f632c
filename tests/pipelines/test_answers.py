"""Stored facts to answers, with parts missing as failed stages leave them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from postlens.errors import SettingsError
from postlens.pipelines.answers import Answerer, load_tables
from postlens.pipelines.facts import CreatorFacts
from postlens.store.posts import PostMedia
from postlens.types import (
    NICHES,
    Creator,
    Embeddings,
    EngagementSnapshot,
    Failure,
    MediaFile,
    MediaRef,
    Post,
)

from ..test_types import faces
from .fakes import NOW, settings

ANN = Creator("x:ann", "x", "ann")
FIRST, SECOND = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    return Answerer(settings())


def media(sha256: str) -> MediaFile:
    return MediaFile(sha256, "image", f"/in/{sha256[0]}.jpg", 640, 480, 1000)


def vectors(sha256: str, fingerprint: str) -> tuple[Embeddings, np.ndarray]:
    values = np.random.default_rng(ord(sha256[0])).random((1, 1280)).astype(np.float32)
    return Embeddings((f"{sha256}:0",), values, fingerprint), np.zeros(1, np.float32)


def facts(answerer: Answerer, **changes: object) -> CreatorFacts:
    """One post with two photos, both with faces."""
    items = tuple(PostMedia("p", i, s, MediaRef(path=f"/in/{s[0]}.jpg")) for i, s in enumerate((FIRST, SECOND)))
    values: dict[str, object] = {
        "creator": ANN,
        "posts": (Post("p", ANN.creator_id, "x", (FIRST, SECOND), NOW, "caption"),),
        "post_media": {"p": items},
        "media": {FIRST: media(FIRST), SECOND: media(SECOND)},
        "embeddings": {s: vectors(s, answerer.encoder_fingerprint) for s in (FIRST, SECOND)},
        "faces": {FIRST: scored(2), SECOND: scored(1)},
        "measures": {},
        "snapshots": {"p": EngagementSnapshot("p", likes=7.0, views=70.0, followers=100.0)},
    }
    return CreatorFacts(**{**values, **changes})


def scored(n: int):
    found = faces(n)
    return replace(found, expression=np.full((n, 8), 0.125, np.float32), quality=np.ones(n, np.float32))


def answer(answerer: Answerer, **changes: object):
    creator, posts = answerer.answer(facts(answerer, **changes), appearances={}, failures={})
    return creator, posts[0]


def test_a_post_with_all_facts_has_all_answers(answerer):
    creator, post = answer(answerer)
    assert post.niche.label in NICHES
    assert abs(sum(post.niche.probs.values()) - 1) < 1e-6
    assert (post.reaction.subject_id, post.forecast.actual, len(post.faces)) == ("p", 7.0, 2)
    assert (creator.n_posts, creator.n_images, creator.followers) == (1, 2, 100.0)
    assert creator.medians == {"views": 70.0, "likes": 7.0}


def test_a_post_without_media_keeps_its_numbers(answerer):
    bare = (Post("p", ANN.creator_id, "x", (), NOW),)
    creator, post = answer(answerer, posts=bare, media={}, embeddings={}, faces={})
    assert (post.niche, post.reaction, post.recommendation, post.media) == (None, None, None, ())
    assert post.forecast.actual == 7.0
    assert (creator.niche, creator.recommendation, creator.n_images) == (None, None, 0)


def test_a_creator_without_posts_has_no_answers(answerer):
    creator, posts = answerer.answer(facts(answerer, posts=(), snapshots={}), appearances={}, failures={})
    assert (creator.n_posts, creator.niche, creator.medians, creator.followers, posts) == (0, None, {}, None, ())


@pytest.mark.parametrize("column", ["expression", "attributes", "template"])
@pytest.mark.parametrize("media", [(FIRST,), (SECOND,), (FIRST, SECOND)], ids=["first", "second", "both"])
def test_a_stage_that_failed_for_a_file_leaves_the_other_answers(answerer, column, media):
    whole = facts(answerer).faces
    some = {s: replace(own, **{column: None}) if s in media else own for s, own in whole.items()}
    _, post = answer(answerer, faces=some)
    assert post.niche is not None
    assert post.reaction is not None
    assert post.forecast is not None


def test_expressions_of_one_file_count_where_another_has_none(answerer):
    whole = facts(answerer).faces
    _, both = answer(answerer, faces={FIRST: whole[FIRST], SECOND: replace(whole[SECOND], expression=None)})
    assert both.reaction.reader == "scene+faces"


def test_a_file_that_was_not_encoded_is_left_out_of_the_niche(answerer):
    one = {FIRST: vectors(FIRST, answerer.encoder_fingerprint)}
    _, post = answer(answerer, embeddings=one)
    _, other = answer(answerer, embeddings={**one, SECOND: vectors(SECOND, answerer.encoder_fingerprint)})
    assert post.niche.probs != other.niche.probs


def readable(n: int):
    return replace(scored(n), template=np.full((n, 128), 0.1, np.float32), frame=np.zeros(n, np.int64))


def test_faces_count_for_the_niche_only_of_files_that_were_searched(answerer):
    found = {FIRST: readable(2), SECOND: readable(1)}
    answers = [answer(answerer, faces=found, searched=s)[1].niche.probs for s in (set(), {FIRST}, {FIRST, SECOND})]
    assert len({tuple(probs.values()) for probs in answers}) == 3


def test_frames_beside_the_sampled_ones_do_not_count_for_the_niche(answerer):
    whole = {FIRST: readable(1)}
    both = {FIRST: replace(readable(2), frame=np.array([0, 1]))}
    first, second = (answer(answerer, faces=own, searched={FIRST})[1].niche.probs for own in (whole, both))
    assert first == second


def test_a_searched_file_without_faces_says_something_too(answerer):
    unknown, searched = (answer(answerer, faces={}, searched=s)[1].niche.probs for s in (set(), {FIRST}))
    assert unknown != searched


@pytest.mark.parametrize("column", ["expression", "template"])
def test_faces_that_a_stage_failed_for_leave_the_niche_of_the_vectors(answerer, column):
    broken = {FIRST: replace(readable(2), **{column: None})}
    _, post = answer(answerer, faces=broken, searched={FIRST})
    _, without = answer(answerer, faces=broken)
    assert post.niche == without.niche


def test_shown_faces_carry_no_identity_vectors(answerer):
    _, post = answer(answerer, faces={FIRST: readable(2)}, searched={FIRST})
    assert [(len(own), own.template) for own in post.faces] == [(2, None), (0, None)]


def test_failures_reach_the_post_that_names_the_file(answerer):
    failure = Failure("/in/b.jpg", "detect", "ValueError", "m")
    _, posts = answerer.answer(facts(answerer), appearances={}, failures={failure.subject: failure, "/x": failure})
    assert posts[0].failures == (failure,)


def test_a_threshold_of_the_users_makes_an_unsure_niche_other():
    _, post = answer(Answerer(settings(niche_threshold=1.0)))
    assert post.niche.label == "other"


def test_the_latest_followers_are_those_observed_last_not_those_of_the_latest_post(answerer):
    posts = tuple(Post(f"p{year}", ANN.creator_id, "x", (), NOW.replace(year=year)) for year in (2024, 2025))
    seen = {"p2024": (NOW.replace(year=2026), 300.0), "p2025": (NOW.replace(year=2025), 200.0)}
    known = {p: EngagementSnapshot(p, observed_at=at, followers=followers) for p, (at, followers) in seen.items()}
    creator, _ = answerer.answer(facts(answerer, posts=posts, snapshots=known), appearances={}, failures={})
    assert creator.followers == 300.0


def test_of_followers_observed_at_one_time_those_of_the_latest_post_count(answerer):
    posts = tuple(Post(f"p{year}", ANN.creator_id, "x", (), NOW.replace(year=year)) for year in (2024, 2026, 2025))
    posts += (Post("undated", ANN.creator_id, "x", ()),)
    known = {post.post_id: EngagementSnapshot(post.post_id, followers=float(i)) for i, post in enumerate(posts)}
    creator, _ = answerer.answer(facts(answerer, posts=posts, snapshots=known), appearances={}, failures={})
    assert creator.followers == 1.0


@pytest.mark.parametrize("name", ["catalog", "emoji_table"])
def test_a_table_that_cannot_be_read_is_a_wrong_setting(tmp_path, name):
    for content in (None, b"\xff\xfe", b"no table ["):
        path = tmp_path / "mine.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=r"mine\.toml"):
            load_tables(settings(**{name: path}))


@pytest.mark.parametrize(("ahead", "n_history"), [(timedelta(days=9), 0), (timedelta(hours=14), 1)])
def test_a_counted_post_dated_in_the_future_has_no_date_for_forecasts(answerer, ahead, n_history):
    posts = (
        Post("planned", ANN.creator_id, "x", (), NOW + timedelta(days=20)),
        Post("wrong", ANN.creator_id, "x", (), NOW + ahead),
    )
    known = facts(answerer, posts=posts, snapshots={"wrong": EngagementSnapshot("wrong", likes=5.0, followers=10.0)})
    creator, answers = answerer.answer(known, appearances={}, failures={}, now=NOW)
    assert answers[0].forecast.n_history == n_history
    assert answerer.explain(known, creator.niche, answers, now=NOW)["planned"].forecast.n_history == n_history
    assert answers[1].post.published_at == NOW + ahead  # what the source said stays told
