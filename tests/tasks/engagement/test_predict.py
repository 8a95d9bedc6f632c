"""Forecasts use what was known before a post, and say so when that is too little."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.engagement import ENGAGEMENT_MODEL, PostFacts, predict_account
from postlens.tasks.engagement.predict import MIN_HISTORY, run_model, spread_interval
from postlens.types import EngagementForecast
from postlens.vision.zoo import open_model
from tests.tasks.engagement.accounts import START, AnchorModel, make_post

MODEL = AnchorModel()
THRESHOLDS = MODEL.spec.thresholds


def forecast_last(posts: list[PostFacts], metric: str = "likes") -> EngagementForecast:
    return predict_account(posts, metric=metric, model=MODEL)[-1]


def steady(n: int, likes: float = 100.0) -> list[PostFacts]:
    return [make_post(day, likes) for day in range(n)]


count = st.one_of(st.none(), st.just(0.0), st.floats(0, 1e9))
accounts = st.lists(
    st.builds(make_post, st.one_of(st.none(), st.integers(0, 40)), count, followers=st.one_of(st.none(), count)),
    max_size=12,
).map(lambda posts: [replace(post, post_id=f"p{i}") for i, post in enumerate(posts)])


@given(accounts, st.randoms())
def test_the_order_of_the_posts_does_not_matter(posts, random):
    shuffled = list(posts)
    random.shuffle(shuffled)
    told = {one.post_id: one for one in predict_account(posts, metric="likes", model=MODEL)}
    assert {one.post_id: one for one in predict_account(shuffled, metric="likes", model=MODEL)} == told


@given(accounts, st.floats(0, 1e9), st.data())
def test_a_posts_own_likes_change_nothing_but_actual(posts, likes, data):
    if not posts:
        return
    place = data.draw(st.integers(0, len(posts) - 1))
    changed = [replace(p, counts={"likes": likes}) if i == place else p for i, p in enumerate(posts)]
    before = predict_account(posts, metric="likes", model=MODEL)[place]
    assert replace(predict_account(changed, metric="likes", model=MODEL)[place], actual=before.actual) == before


@given(accounts, st.floats(0, 1e9))
def test_a_later_post_changes_no_forecast_of_a_dated_one(posts, likes):
    later = make_post(50, likes, post_id="later")
    before = predict_account(posts, metric="likes", model=MODEL)
    after = predict_account([*posts, later], metric="likes", model=MODEL)
    dated = [i for i, post in enumerate(posts) if post.published_at is not None]
    assert [after[i] for i in dated] == [before[i] for i in dated]


@given(accounts)
def test_an_interval_holds_its_median_and_is_never_negative(posts):
    for one in predict_account(posts, metric="likes", model=MODEL):
        if one.median is not None:
            assert 0 <= one.lower <= one.median <= one.upper < math.inf


@pytest.mark.parametrize("n", range(MIN_HISTORY))
def test_few_earlier_posts_and_no_followers_are_not_enough(n):
    one = forecast_last([*steady(n), make_post(30)])
    assert (one.median, one.lower, one.upper) == (None, None, None)
    assert one.note == f"not enough data: {n} earlier posts with likes, at least 5 are needed"


def test_five_earlier_posts_are_enough():
    one = forecast_last([*steady(5), make_post(30, 120.0)])
    assert one.median == pytest.approx(100, rel=1e-3)
    assert (one.baseline, one.n_history, one.actual, one.coverage) == (100.0, 5, 120.0, 0.9)


def test_followers_are_enough_for_likes():
    one = forecast_last([make_post(0, followers=10_000)])
    assert one.median is not None
    assert one.baseline is None
    assert one.note == "model on followers: no earlier posts with likes"


def test_followers_are_not_enough_for_another_metric():
    one = forecast_last([make_post(0, followers=10_000)], metric="saves")
    assert one.median is None
    assert one.note == "not enough data: 0 earlier posts with saves, at least 5 are needed"


def test_another_metric_is_forecast_by_the_accounts_median():
    posts = [make_post(day, counts={"saves": float(10 + day)}) for day in range(6)]
    one = forecast_last(posts, metric="saves")
    assert one.median == pytest.approx(12.0)
    assert one.lower < 12 < one.upper
    assert one.actual == 15.0


def test_hidden_likes_are_not_zero_likes():
    one = forecast_last([*steady(5), make_post(10), make_post(11), make_post(30)])
    assert (one.n_history, one.baseline, one.actual) == (5, 100.0, None)


def test_zero_likes_count():
    one = forecast_last([*steady(5, likes=0.0), make_post(30, 0.0)])
    assert (one.n_history, one.baseline, one.median, one.lower, one.actual) == (5, 0.0, 0.0, 0.0, 0.0)


def test_equal_counts_still_have_an_interval():
    lower, median, upper = spread_interval(np.full(8, 100.0), thresholds=THRESHOLDS)
    assert median == pytest.approx(100)
    assert lower < median < upper


def test_a_wide_history_widens_the_interval():
    calm = spread_interval(np.full(8, 100.0), thresholds=THRESHOLDS)
    wild = spread_interval(np.array([50.0, 70, 100, 100, 300, 400]), thresholds=THRESHOLDS)
    assert wild[2] / wild[0] > calm[2] / calm[0]


def test_counts_of_a_posts_first_week_are_not_its_last_word():
    old = [make_post(day, 400.0, observed_at=START + timedelta(days=40)) for day in range(8)]
    young = [make_post(39 + i / 10, 20.0, observed_at=START + timedelta(days=40)) for i in range(3)]
    before, after = forecast_last([*old, make_post(41)]), forecast_last([*old, *young, make_post(41)])
    assert (after.median, after.baseline, after.n_history) == (before.median, 400.0, 8)
    assert after.note == "model on 8 earlier posts with likes; 3 more left out, counted before they were a week old"


@pytest.mark.parametrize(("hours", "actual"), [(167.9, None), (168, 50.0), (-1, 50.0)])
def test_a_count_is_final_after_a_week(hours, actual):
    post = make_post(8, 50.0, observed_at=START + timedelta(days=8, hours=hours))
    assert forecast_last([*steady(6), post]).actual == actual


@pytest.mark.parametrize("bad", [-5.0, math.nan, math.inf])
def test_what_is_no_count_is_unknown(bad):
    one = forecast_last([*steady(5), make_post(10, bad), make_post(30, bad)])
    assert (one.n_history, one.actual) == (5, None)


def test_huge_counts_give_a_finite_forecast():
    one = forecast_last([*steady(6, likes=1e300), make_post(30)])
    assert 0 < one.lower <= one.upper < math.inf


def test_posts_of_the_same_second_do_not_know_each_other():
    posts = [make_post(0, 100.0, post_id=f"p{i}") for i in range(8)]
    assert {one.n_history for one in predict_account(posts, metric="likes", model=MODEL)} == {0}


def test_a_post_without_a_date_takes_all_other_posts_and_says_so():
    one = forecast_last([*steady(6), make_post(None, 900.0)])
    assert (one.n_history, one.baseline) == (6, 100.0)
    assert "no date" in one.note


def test_a_dated_post_leaves_out_posts_without_a_date():
    undated = [make_post(None, 100.0, post_id=f"u{i}") for i in range(6)]
    assert forecast_last([*undated, make_post(3)]).n_history == 0


def test_a_repeated_record_is_not_its_own_history():
    again = make_post(9, 777.0, post_id="p")
    posts = [*steady(5), make_post(8, 777.0, post_id="p"), again]
    assert forecast_last(posts).baseline == 100.0


def test_a_date_in_the_future_is_forecast_from_all_posts_before():
    posts = [*steady(5), make_post(None, post_id="f", published_at=datetime(2999, 1, 1, tzinfo=UTC), observed_at=START)]
    assert forecast_last(posts).n_history == 5


def test_a_naive_date_is_read_as_utc():
    naive = make_post(None, post_id="n", published_at=(START + timedelta(days=4.5)).replace(tzinfo=None))
    assert forecast_last([*steady(8), naive]).n_history == 5


def test_followers_of_an_earlier_post_stand_in_for_missing_ones():
    posts = [make_post(0, followers=10_000), make_post(1)]
    first, second = predict_account(posts, metric="likes", model=MODEL)
    assert second.median == first.median


def test_no_posts_give_no_forecasts():
    assert predict_account([], metric="likes", model=MODEL) == ()


def test_crossed_outputs_are_put_in_order():
    class Crossed(AnchorModel):
        def run(self, inputs):
            anchor = inputs["features"][:, :1]
            return {"lower": anchor + 1, "median": anchor, "upper": anchor - 1}

    assert run_model(np.full((1, 3), 4.0, np.float32), Crossed()).tolist() == [[4.0, 4.0, 4.0]]


@pytest.fixture(scope="module")
def shipped():
    return open_model(ENGAGEMENT_MODEL)


def test_the_shipped_model_grows_with_followers(shipped):
    sizes = [100, 1_000, 10_000, 100_000, 1_000_000, 100_000_000]
    found = [predict_account([make_post(0, followers=n)], metric="likes", model=shipped)[0] for n in sizes]
    medians = [one.median for one in found]
    assert medians == sorted(medians)


def test_the_shipped_model_follows_the_account(shipped):
    posts = [make_post(day, 5_000.0 + day, followers=10_000) for day in range(12)]
    one = predict_account([*posts, make_post(20, followers=10_000)], metric="likes", model=shipped)[-1]
    assert 3_500 < one.median < 7_000
    assert one.lower < 5_000 < one.upper


def test_the_shipped_model_works_on_history_alone(shipped):
    posts = [make_post(day, 27.0) for day in range(8)]
    one = predict_account([*posts, make_post(20)], metric="likes", model=shipped)[-1]
    assert 15 < one.median < 45


@pytest.mark.parametrize("days", [None, 7, 30, 400, 1330, 5000])
def test_a_steady_account_is_forecast_at_its_level_whatever_its_age(shipped, days):
    def counted(day, likes=None):
        at = None if days is None else START + timedelta(days=80 + days)
        return make_post(day, likes, followers=5_000, observed_at=at)

    rng = np.random.default_rng(0)
    posts = [counted(2 * day, float(round(math.exp(rng.normal(5, 0.3))))) for day in range(30)]
    median = predict_account([*posts, counted(80)], metric="likes", model=shipped)[-1].median
    assert median == pytest.approx(np.median([post.counts["likes"] for post in posts]), rel=0.2)
    ageless = [replace(post, observed_at=None) for post in [*posts, counted(80)]]
    assert median == predict_account(ageless, metric="likes", model=shipped)[-1].median


@pytest.mark.parametrize("spread", [0.2, 0.57, 0.9])
def test_nine_of_ten_posts_of_steady_accounts_or_more_lie_in_the_interval(shipped, spread):
    rng, inside = np.random.default_rng(0), []
    for _ in range(25):
        likes = np.round(np.exp(rng.normal(6.2, spread, 24)))
        posts = [make_post(day, count, followers=20_000) for day, count in enumerate(likes.tolist())]
        found = predict_account(posts, metric="likes", model=shipped)[10:]
        inside += [one.lower <= one.actual <= one.upper for one in found]
    assert np.mean(inside) > 0.87


@given(accounts)
def test_the_shipped_model_answers_every_account(posts):
    for one in predict_account(posts, metric="likes", model=open_model(ENGAGEMENT_MODEL)):
        if one.median is not None:
            assert 0 <= one.lower <= one.median <= one.upper < math.inf
