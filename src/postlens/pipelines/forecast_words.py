"""Forecasts to sentences that a marketer understands: counts rounded to what is known of them, with their interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from postlens.tasks.engagement.answer import Change, Forecast, Reason
from postlens.types import EngagementForecast

METHODS = {
    "accounts": "from many accounts and this one's history",
    "account": "from a model of this account's own posts",
    "median": "from the median of this account's earlier posts",
    "early": "from the first hours, and how earlier posts grew on",
    "none": "not enough is known",
}
ALL_BUT_ONE = 0.9  # the interval that "nine of ten" stands for


def rounded(value: float | None, *, digits: int = 2) -> str:
    """A forecast count at two digits, which is more than is known of it: 1234 -> 1,200; 87.4 -> 87; 4.2 -> 4."""
    if value is None:
        return "-"
    step = 10 ** max(0, math.floor(math.log10(value)) - digits + 1) if value >= 1 else 1
    return f"{round(value / step) * step:,.0f}"


def headline(one: EngagementForecast) -> str:
    """ "about 540 likes; between 300 and 900 in nine of ten cases"."""
    if one.median is None:
        return f"no forecast: {one.note}"
    often = "nine of ten" if math.isclose(one.coverage, ALL_BUT_ONE) else f"{one.coverage:.0%} of"
    between = f"between {rounded(one.lower)} and {rounded(one.upper)} in {often} cases"
    return f"about {rounded(one.median)} {one.metric}; {between}"


def compared(one: EngagementForecast) -> str:
    """How the forecast stands beside what the account usually gets; "" where that is not known."""
    if one.median is None or one.baseline is None:
        return ""
    text = f"usual for the account: {rounded(one.baseline)}"
    if one.percentile is None:
        return text
    return f"{text}; better than {round(one.percentile)} in 100 of its earlier posts"


def signed(change: float) -> str:
    """0.123 -> +12 %, -0.04 -> -4 %, 3.4 -> 4.4 times as much; with a real minus sign."""
    if change >= 1:
        return f"{1 + change:.1f} times as much"
    return f"{change:+.0%}".replace("-", "\N{MINUS SIGN}").replace("%", " %")


SAME = 0.01  # of the count; a start that is nearer to what is usual is told as the same
STEP_DIGITS = 3  # of the start and the usual, so that a step of some percent shows


def start_words(one: Forecast) -> str:
    """Where reasons start from, and the step from what is usual for the account; "" without."""
    if one.start is None:
        return ""
    text, usual = f"starts from {rounded(one.start, digits=STEP_DIGITS)}", one.forecast.baseline
    change = one.start / usual - 1 if usual else 0.0
    if abs(change) < SAME:
        return f"{text}: {'what is usual for the account' if usual else one.start_text}"
    return f"{text}, {signed(change)} against the usual {rounded(usual, digits=STEP_DIGITS)}: {one.start_text}"


def reason_text(one: Reason) -> str:
    """ "the caption and its hashtags: +12 %"."""
    return f"{one.text}: {signed(one.change)}"


def change_text(one: Change) -> str:
    """What an option goes along with, and from how many posts that is known."""
    if one.change is None:
        return one.note
    if one.is_now and one.interval is None:
        return "as it is"
    if one.change == 0:
        return "no difference"
    text = signed(one.change)
    if one.interval is not None:
        low, high = (signed(value) for value in one.interval)
        text += f" ({low} to {high}, {one.n_posts} own posts)"
    return text


def against(options: Sequence[Change]) -> str:
    """What the options of one kind are compared with, where that is not how the post is; "" else."""
    of_model = [change for change in options if change.interval is None and change.change is not None]
    return " (against none)" if of_model and not any(change.is_now for change in of_model) else ""


def method_words(one: EngagementForecast) -> str:
    """What answered, and what it rests on; "" where there is no forecast, whose headline says why."""
    if one.median is None:
        return ""
    return METHODS[one.method] + (f" ({one.note})" if one.note else "")


def told(one: Forecast, *, own_model: bool = True, what_if: bool = True) -> tuple[str, ...]:
    """Everything beside the headline, a line each.

    own_model: whether to say how good the account's own model is, which is the same for all of its posts. what_if:
    whether to say what else could be done, which is too late for a post that is out.
    """
    found = one.forecast
    method = method_words(found)
    lines = [compared(found), f"method: {method}" if method else "", f"note: {one.fallback}" if one.fallback else ""]
    lines += [f"note: {one.own_model}" if one.own_model and own_model else "", start_words(one)]
    lines += [f"because of {reason_text(reason)}" for reason in one.reasons]
    if one.similar:
        got = ", ".join(f"{rounded(post.count)}" for post in one.similar)
        lines.append(f"similar earlier posts got {got} {found.metric}")
    if found.median is not None and what_if:
        lines += [f"{KINDS[kind]}: {text}" for kind, text in _by_kind(one)]
    return tuple(line for line in lines if line)


KINDS = {
    "caption": "caption length",
    "hashtags": "hashtags",
    "weekday": "day of the week",
    "hour": "time of day",
}


def _by_kind(one: Forecast) -> list[tuple[str, str]]:
    """Kind and all of its options in one line; those without a difference are left out."""
    found = []
    for kind in KINDS:
        options = [change for change in one.what_if if change.kind == kind]
        shown = [change for change in options if change.change and not (change.is_now and change.interval is None)]
        if shown:
            text = ", ".join(f"{change.option} {change_text(change)}" for change in shown)
            found.append((kind, f"{text}{against(options)}"))
        elif options:
            found.append((kind, options[0].note or "no difference that can be told"))
    return found
