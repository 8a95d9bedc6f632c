"""Changes are told where the data supports them, else why not."""

import numpy as np
import pytest

from postlens.tasks.engagement.features import FEATURES
from postlens.tasks.engagement.history import read_histories
from postlens.tasks.engagement.what_if import caption_changes, time_changes

from .accounts import AnchorModel, make_post


class HashtagModel(AnchorModel):
    """The anchor, and a tenth for each hashtag."""

    def run(self, inputs):
        tags = np.nan_to_num(inputs["features"][:, [FEATURES.index("n_hashtags")]])
        return dict.fromkeys(("lower", "median", "upper"), inputs["features"][:, :1] + 0.1 * tags)


def changes(caption, kind):
    post = make_post(9, followers=1000.0, caption=caption)
    history = next(iter(read_histories([post], metric="likes")))
    return [one for one in caption_changes(post, history, HashtagModel()) if one.kind == kind]


def test_hashtags_are_compared_with_the_post_as_it_is():
    found = changes("hello #one #two #three", "hashtags")
    assert [one.is_now for one in found] == [False, True, False, False]
    assert found[0].change == pytest.approx(np.expm1(-0.3), abs=1e-6)
    assert found[3].change == pytest.approx(np.expm1(2.7), rel=1e-5)


def test_without_a_caption_nothing_is_how_the_post_is():
    found = changes(None, "hashtags")
    assert not any(one.is_now for one in found)
    assert found[0].change == 0


def test_what_the_model_does_not_tell_apart_has_no_difference():
    assert {one.change for one in changes("hello", "caption")} == {0.0}


def weekly(n, *, best=0.0, seed=2):
    """A post a day; Saturdays, START being a Friday, get `best` more on the log scale."""
    rng = np.random.default_rng(seed)
    return [make_post(day, float(np.exp(5 + best * (day % 7 == 1) + 0.2 * rng.normal()))) for day in range(n)]


def test_a_good_weekday_is_told_with_its_interval():
    found = [one for one in time_changes(make_post(500), weekly(140, best=0.7), metric="likes") if one.change]
    assert found[0].option == "Saturday"  # others may be told as worse than the rest, which holds it
    assert found[0].interval[0] < found[0].change < found[0].interval[1]
    assert found[0].n_posts == 20


def test_chance_is_not_told():
    wrong = sum(
        any(one.change for one in time_changes(make_post(500), weekly(84, seed=seed), metric="likes"))
        for seed in range(60)
    )
    assert wrong <= 8  # a twentieth of 60, and luck


def test_growth_of_the_account_is_no_weekday():
    posts = [make_post(day, float(np.exp(3 + day / 40))) for day in range(140)]
    assert not any(one.change and abs(one.change) > 0.15 for one in time_changes(make_post(500), posts, metric="likes"))


def test_few_posts_support_no_figure():
    found = time_changes(make_post(20), weekly(12), metric="likes")
    assert [one.change for one in found] == [None, None]
    assert "fewer than 8 earlier posts" in found[0].note


def test_posts_without_dates_support_no_figure():
    found = time_changes(make_post(None), [make_post(None, 5.0, post_id=str(i)) for i in range(40)], metric="likes")
    assert all("fewer than 8" in one.note for one in found)
