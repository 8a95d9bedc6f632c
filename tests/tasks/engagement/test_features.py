"""Features are plain numbers, NaN where something is not known."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from postlens.tasks.engagement import ENGAGEMENT_MODEL
from postlens.tasks.engagement.features import FEATURES, LINE_INTERCEPT, LINE_SLOPE, feature_row
from postlens.tasks.engagement.history import read_histories
from postlens.types import MediaFile
from postlens.vision.zoo import load_spec
from tests.tasks.engagement.accounts import START, make_post


def features_of(*posts):
    """Features of the last post by name."""
    history = list(read_histories(posts, metric="likes"))[-1]
    return dict(zip(FEATURES, feature_row(posts[-1], history).tolist(), strict=True))


def test_the_card_lists_features():
    assert set(load_spec(ENGAGEMENT_MODEL).labels) <= set(FEATURES)


def test_nothing_known_is_nan_but_for_the_number_of_earlier_posts():
    found = features_of(make_post(0))
    assert found.pop("n_earlier") == 0
    assert all(math.isnan(value) for value in found.values())


def test_the_anchor_of_a_new_account_is_the_line_of_followers():
    line = LINE_INTERCEPT + LINE_SLOPE * math.log1p(20_000)
    assert features_of(make_post(0, followers=20_000))["anchor"] == pytest.approx(line)


def test_the_anchor_moves_from_the_followers_to_the_history():
    line = features_of(make_post(0, followers=20_000))["anchor"]
    anchors = [
        features_of(*(make_post(d, 9_000.0) for d in range(n)), make_post(50, followers=20_000))["anchor"]
        for n in (1, 3, 30)
    ]
    assert line < anchors[0] < anchors[1] < anchors[2] < math.log1p(9_000)


def test_the_anchor_without_followers_is_what_equal_posts_got():
    posts = [make_post(day, 30.0) for day in range(3)]
    assert features_of(*posts, make_post(9))["anchor"] == pytest.approx(math.log1p(30))


def test_the_anchor_without_followers_lies_among_the_posts():
    posts = [make_post(day, likes) for day, likes in enumerate((10.0, 30.0, 50.0))]
    assert math.log1p(10) < features_of(*posts, make_post(9))["anchor"] < math.log1p(50)


def test_near_posts_weigh_more_than_far_ones():
    far, near = make_post(0, 100.0), make_post(2000, 900.0)
    assert features_of(far, near, make_post(2010))["anchor"] > math.log1p(300)
    assert features_of(make_post(0, 900.0), make_post(2000, 100.0), make_post(2010))["anchor"] < math.log1p(300)


def test_one_viral_post_does_not_carry_the_anchor():
    usual = [make_post(day, 100.0 + day) for day in range(8)]
    viral = features_of(*usual, make_post(8, 1e6), make_post(9, followers=5000))["anchor"]
    assert viral < math.log1p(300)


def test_posts_without_dates_count_alike():
    posts = [make_post(None, likes, post_id=str(likes)) for likes in (10.0, 20.0)]
    found = features_of(*posts, make_post(None, post_id="new"))
    assert found["anchor"] == pytest.approx((math.log1p(10) + math.log1p(20)) / 2)


def test_history_features_are_relative():
    small, large = (features_of(*(make_post(d, f * (d + 1) - 1) for d in range(4)), make_post(9)) for f in (100.0, 1e5))
    for name in ("spread", "recent", "last", "n_earlier", "days_since_last"):
        assert small[name] == pytest.approx(large[name])


@pytest.mark.parametrize(
    ("text", "people", "words"),
    [
        ("Image may contain: 2 people, people standing and outdoor", 2, {"people", "standing", "outdoor"}),
        ("Image may contain: 1 person, closeup", 1, {"person", "closeup"}),
        ("Image may contain: one or more people", 1, {"people"}),
        ("Image may contain: food", 0, {"food"}),
        ("No photo description available.", 0, set()),
    ],
)
def test_alternative_text_is_read(text, people, words):
    found = features_of(make_post(0, alt_text=text))
    assert found["n_people"] == people
    assert {name[4:] for name, value in found.items() if name.startswith("alt_") and value} == words
    assert found["n_alt_words"] >= len(words)


def test_a_caption_is_read_for_mentions_emoji_and_questions():
    found = features_of(make_post(0, caption="Who is coming? @anna @ben ☀ Да!"))
    names = ("n_mentions", "n_emoji", "n_questions", "n_exclamations")
    assert [found[name] for name in names] == [2, 1, 1, 1]
    assert 0 < found["foreign_letters"] < 0.5


def test_a_post_is_compared_with_the_earlier_ones():
    posts = [make_post(day, 10.0, n_hashtags=n) for day, n in enumerate((2, 4))]
    found = features_of(*posts, make_post(5, n_hashtags=10))
    assert found["more_n_hashtags"] == 7
    assert math.isnan(found["more_n_tagged"])


def test_posts_whose_likes_are_hidden_are_not_compared_with():
    posts = [make_post(0, 10.0, n_hashtags=2), make_post(1, None, n_hashtags=20)]
    assert features_of(*posts, make_post(5, n_hashtags=10))["more_n_hashtags"] == 8


def test_comments_of_earlier_posts_are_set_against_their_likes():
    posts = [make_post(0, counts={"likes": 99.0, "comments": 9.0}), make_post(1, 50.0)]
    assert features_of(*posts, make_post(2))["comments_per_like"] == pytest.approx(math.log(0.1))


@pytest.mark.parametrize(("label", "value"), [("food", 1.0), ("pet", 0.0), ("a niche of one's own", 0.0)])
def test_a_niche_is_one_of_many(label, value):
    assert features_of(make_post(0, niche_of_account=label))["account_niche_food"] == value


def test_faces_and_valence_are_taken_as_they_are():
    found = features_of(make_post(0, n_faces=2, largest_face=0.25, valence=5.5, is_carousel=True))
    assert [found[name] for name in ("n_faces", "largest_face", "valence", "is_carousel")] == [2, 0.25, 5.5, 1]


def test_a_row_has_the_names_that_are_asked_for():
    post = make_post(0, followers=1000, n_hashtags=3)
    (history,) = read_histories([post], metric="likes")
    row = feature_row(post, history, names=("n_hashtags", "a name of another version", "log_followers"))
    assert row[[0, 2]].tolist() == pytest.approx([3, math.log1p(1000)])
    assert math.isnan(row[1])


def test_a_caption_is_measured():
    found = features_of(make_post(0, caption="Bonjour #été #paris_2024 !"))
    assert found["n_hashtags"] == 2
    assert found["log_caption_length"] == pytest.approx(math.log1p(26))


def test_caption_figures_stand_in_for_a_missing_caption():
    found = features_of(make_post(0, caption_length=40, n_hashtags=3))
    assert (found["n_hashtags"], found["log_caption_length"]) == (3, pytest.approx(math.log1p(40)))


def test_age_is_known_once_the_counts_have_a_date():
    assert features_of(make_post(0, observed_at=START + timedelta(days=7)))["age_days"] == 7
    assert math.isnan(features_of(make_post(0, observed_at=START - timedelta(days=1)))["age_days"])


def test_the_picture_brings_shape_and_measures():
    media = MediaFile(sha256="", kind="image", path="", width_px=1080, height_px=1350, n_bytes=0)
    found = features_of(make_post(0, media=media, measures={"brightness": 0.5, "sharpness": 9.0}))
    assert (found["aspect"], found["brightness"]) == (pytest.approx(0.8), 0.5)
    assert math.isnan(found["contrast"])


def test_features_are_float32():
    (history,) = read_histories([make_post(0)], metric="likes")
    assert feature_row(make_post(0), history).dtype == np.float32
