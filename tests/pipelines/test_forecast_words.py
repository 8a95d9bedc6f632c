"""Forecasts are told in plain words, at the precision that is known."""

from dataclasses import replace

import pytest

from postlens.pipelines.forecast_words import change_text, compared, headline, rounded, signed, start_words, told
from postlens.tasks.engagement.answer import Change, Forecast, Reason, SimilarPost

from .campaigns import forecast

ONE = forecast("p", median=543.2, lower=301.0, upper=897.0, method="accounts", note="model on 9 earlier posts")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (0.4, "0"),
        (4.2, "4"),
        (87.4, "87"),
        (543.2, "540"),
        (1234, "1,200"),
        (9_960_000, "10,000,000"),
    ],
)
def test_counts_have_two_digits(value, text):
    assert rounded(value) == text


def test_the_headline_has_the_interval():
    assert headline(ONE) == "about 540 likes; between 300 and 900 in nine of ten cases"


def test_no_forecast_says_why():
    assert headline(replace(ONE, median=None, note="too few posts")) == "no forecast: too few posts"


def test_a_forecast_is_compared_with_the_account():
    assert compared(replace(ONE, baseline=480.0)) == "usual for the account: 480"
    ranked = replace(ONE, baseline=480.0, percentile=71.4)
    assert compared(ranked) == "usual for the account: 480; better than 71 in 100 of its earlier posts"


@pytest.mark.parametrize(("change", "text"), [(0.123, "+12 %"), (-0.04, "−4 %"), (3.4, "4.4 times as much")])
def test_changes_are_percent(change, text):
    assert signed(change) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Change("hour", "any", None, note="too few"), "too few"),
        (Change("hashtags", "3 hashtags", 0.0, is_now=True), "as it is"),
        (Change("hashtags", "3 hashtags", 0.0), "no difference"),
        (Change("weekday", "Friday", 0.2, (0.1, 0.3), 12), "+20 % (+10 % to +30 %, 12 own posts)"),
    ],
)
def test_changes_are_told_with_what_they_rest_on(change, text):
    assert change_text(change) == text


def test_everything_else_is_a_line_each():
    one = Forecast(
        forecast=ONE,
        creator_id="instagram:c0",
        reasons=(Reason("caption", "the caption and its hashtags", 0.12),),
        start=98.0,
        start_text="drawn to what accounts of this size get",
        similar=(SimilarPost("a", 0.9, 400.0, None), SimilarPost("b", 0.8, 1234.0, None)),
        what_if=(
            Change("hashtags", "30 hashtags", 0.1),
            Change("weekday", "any", None, note="no difference beyond chance"),
        ),
        fallback="asked for account, answered by accounts",
    )
    assert told(one) == (
        "usual for the account: 110",
        "method: from many accounts and this one's history (model on 9 earlier posts)",
        "note: asked for account, answered by accounts",
        "starts from 98, \N{MINUS SIGN}11 % against the usual 110: drawn to what accounts of this size get",
        "because of the caption and its hashtags: +12 %",
        "similar earlier posts got 400, 1,200 likes",
        "hashtags: 30 hashtags +10 % (against none)",
        "day of the week: no difference beyond chance",
    )


@pytest.mark.parametrize(
    ("start", "usual", "words"),
    [
        (None, 110.0, ""),
        (110.4, 110.0, "starts from 110: what is usual for the account"),
        (300.0, None, "starts from 300: why"),
        (9.0, 0.0, "starts from 9: why"),
        (220.0, 110.0, "starts from 220, 2.0 times as much against the usual 110: why"),
    ],
)
def test_the_start_is_told_beside_the_usual(start, usual, words):
    one = Forecast(forecast=replace(ONE, baseline=usual), creator_id="c", start=start, start_text="why")
    assert start_words(one) == words


def test_what_is_said_once_can_be_left_out():
    one = Forecast(
        ONE, "c", own_model="a model of its 40 own posts", what_if=(Change("hour", "any", None, note="few"),)
    )
    assert told(one)[-2:] == ("note: a model of its 40 own posts", "time of day: few")
    assert told(one, own_model=False, what_if=False) == told(one)[:-2]
