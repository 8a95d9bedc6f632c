"""What features added is told in words, and adds up."""

import math

import numpy as np
import pytest

from postlens.tasks.engagement.explain import Explainer
from postlens.tasks.engagement.features import FEATURES, GROUPS
from postlens.tasks.engagement.reasons import EARLY, N_REASONS, REST, TOLD_AS, UNKNOWN, WORDS, find_reasons, start_text
from postlens.tasks.engagement.similar import similar_posts

from .accounts import AnchorModel, make_post


def stump(feature, low, high):
    """Half of the rows on each side of 0."""
    sides = {"left_child": {"leaf_value": low, "leaf_count": 5}, "right_child": {"leaf_value": high, "leaf_count": 5}}
    split = {"split_feature": FEATURES.index(feature), "threshold": 0.0, "default_left": True, "missing_type": "NaN"}
    return {**split, **sides, "internal_count": 10}


def account_for(known, *trees, median=None):
    row = np.full(len(FEATURES), np.nan, np.float32)
    row[0] = math.log1p(100)
    for name, value in known.items():
        row[FEATURES.index(name)] = value
    return find_reasons(row, Explainer.of(trees, n_features=len(FEATURES)), AnchorModel(), median=median)


def reasons(known, *trees):
    found = account_for(known, *trees)
    return found.start, found.reasons


def test_a_reason_is_a_share_of_the_count():
    start, found = reasons({"n_hashtags": 3}, stump("n_hashtags", -0.1, 0.3))
    assert start == pytest.approx(101 * math.exp(0.1) - 1)
    assert [(one.group, one.text) for one in found] == [("caption", "the caption and its hashtags")]
    assert found[0].change == pytest.approx(math.expm1(0.2))


def test_comparisons_with_earlier_posts_belong_to_what_is_compared():
    _, found = reasons({"n_hashtags": 3}, stump("n_hashtags", -0.1, 0.3), stump("more_n_hashtags", 0.2, -0.2))
    assert len(found) == 1
    assert found[0].change == pytest.approx(math.expm1(0.4))


def test_what_is_not_known_is_told_as_that():
    _, found = reasons({}, stump("valence", -0.2, 0.2))
    assert found[0].group == UNKNOWN
    assert "the mood of the scene" in found[0].text


def test_small_reasons_are_not_told():
    assert reasons({"n_hashtags": 3}, stump("n_hashtags", -0.001, 0.001))[1] == ()


def test_the_strongest_come_first():
    names = ("n_hashtags", "aspect", "brightness", "n_faces", "recent", "n_tagged")
    trees = [stump(name, -0.1 * k, 0.1 * k) for k, name in enumerate(names, start=1)]
    _, found = reasons(dict.fromkeys(names, 1.0), *trees)
    assert len(found) == N_REASONS + 1
    assert found[-1].group == REST
    assert [one.group for one in found[:2]] == ["tags", "history"]


def test_every_group_has_words():
    told = {TOLD_AS.get(group, group) for group in GROUPS if group != "differences"}
    assert told <= set(WORDS)


def vectored(day, likes, *vector):
    return make_post(day, likes, vector=np.array(vector, np.float32))


def test_similar_posts_are_those_with_the_nearest_pictures():
    posts = [vectored(0, 10, 1, 0), vectored(1, 20, 0, 1), vectored(2, 30, 1, 1), vectored(3, None, 1, 0.1)]
    found = similar_posts(vectored(9, None, 1, 0.1), posts, metric="likes", n=2)
    assert [(one.post_id, one.count) for one in found] == [("post-0", 10), ("post-2", 30)]
    assert found[0].similarity == pytest.approx(0.995, abs=0.001)


def test_without_a_picture_nothing_is_similar():
    assert similar_posts(make_post(9), [vectored(0, 10, 1, 0)], metric="likes") == ()


@pytest.mark.parametrize("size", [3, 100, 250_000])
@pytest.mark.parametrize("median", [None, 170.0])
def test_the_start_and_all_reasons_multiply_to_the_forecast(size, median):
    names = ("n_hashtags", "aspect", "brightness", "n_faces", "recent", "n_tagged")
    trees = [stump(name, -0.05 * k, 0.05 * k) for k, name in enumerate(names, start=1)]
    found = account_for(dict.fromkeys(names, 1.0) | {"anchor": math.log1p(size)}, *trees, median=median)
    own = (1 + size) * math.exp(0.05 * 21) - 1
    product = found.start * math.prod(1 + one.change for one in found.reasons)
    assert product == pytest.approx(own if median is None else median, rel=0.01)
    assert (found.reasons[-1].group == EARLY) == (median is not None)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"n_earlier": 0.0}, "what accounts of this size usually get"),
        ({"n_earlier": math.log1p(9), "above_anchor": 0.001}, "what is usual for the account"),
        (
            {"n_earlier": math.log1p(9), "above_anchor": 0.3, "above_line": 0.9, "days_since_last": 400},
            "drawn to what accounts of this size get, since its last post is long ago",
        ),
        (
            {"n_earlier": math.log1p(2), "above_anchor": -0.3, "above_line": -0.9},
            "drawn to what accounts of this size get, since few earlier posts are known",
        ),
        (
            {"n_earlier": math.log1p(9), "above_anchor": -0.3, "above_line": 0.9, "days_since_last": 4},
            "its latest posts count more than its old ones",
        ),
        ({"n_earlier": math.log1p(9), "above_anchor": -0.3}, "all its posts count, its median counts the middle one"),
    ],
)
def test_the_step_from_the_usual_to_the_start_is_told(known, words):
    assert start_text(known | {"log_followers": math.nan}, 0.0).startswith(words)
