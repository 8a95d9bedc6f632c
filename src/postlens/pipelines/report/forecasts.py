"""Forecasts of a campaign to what its section shows: past forecasts by creator, and the newest posts explained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from postlens.pipelines.campaign import Campaign, CreatorAnswer
from postlens.pipelines.forecast_words import (
    against,
    change_text,
    compared,
    headline,
    method_words,
    reason_text,
    rounded,
    start_words,
)
from postlens.pipelines.report.cards import PostCard, newest_by_creator
from postlens.pipelines.report.people import Images, Picture, tiny_picture
from postlens.pipelines.report.plots import Past, bars_svg, scatter_svg
from postlens.tasks.engagement.answer import Change, ChangeKind, Forecast
from postlens.types import EngagementForecast, PostAnalysis

CREATORS_SHOWN = 60  # with plots and cards; of more, the tables hold all
MIN_PLOTTED = 8  # past forecasts from which they are drawn; fewer are told in a sentence
MIN_CALIBRATED = 20  # from which the parts of the interval are counted: one count is 5 % of 20
OFF = (0.1, 0.25, 0.5, 1.0)  # shares of the count that a forecast was off by, as the bars part them
ZONES = {"below the interval": 0.05, "in its lower half": 0.45, "in its upper half": 0.45, "above the interval": 0.05}
KINDS: dict[ChangeKind, str] = {
    "caption": "Caption length",
    "hashtags": "Hashtags",
    "weekday": "Day of the week",
    "hour": "Time of day",
}


@dataclass(frozen=True, slots=True)
class SimilarCard:
    """An earlier post that looks alike."""

    picture: Picture
    title: str
    got: str


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the what-if table."""

    what: str  # "" where it is the one of the row above
    option: str
    text: str
    direction: str  # "up", "down" or ""


@dataclass(frozen=True, slots=True)
class ForecastCard:
    """One post with everything that is said of its forecast."""

    title: str
    picture: Picture
    forecast: EngagementForecast
    headline: str
    compared: str
    off: str  # how far off the forecast was; "" while nothing is counted
    method: str  # what answered, and what it rests on
    start: str  # where reasons start from; "" without reasons
    reasons: tuple[tuple[str, str], ...]  # text and direction
    similar: tuple[SimilarCard, ...]
    options: tuple[Option, ...]
    fallback: str


@dataclass(frozen=True, slots=True)
class CreatorForecasts:
    """One creator's past forecasts and newest posts."""

    answer: CreatorAnswer
    n_past: int
    summary: str
    caution: str  # why the past forecasts are no test; "" where they are one
    own_model: str
    scatter: str | None  # SVG
    off: str | None  # SVG
    zones: str | None  # SVG
    table: tuple[tuple[str, str, str, str, str], ...]  # post, forecast, interval, got, off by: what the drawings show
    cards: tuple[ForecastCard, ...]
    n_silent: int  # posts without a forecast
    why_silent: str


def creator_forecasts(campaign: Campaign, cards: Mapping[str, PostCard], images: Images) -> list[CreatorForecasts]:
    """Creators with posts, those without any forecast too: they are told what is missing."""
    newest = newest_by_creator(campaign.posts)
    shown = [(answer, newest.get(answer.creator.creator_id, [])) for answer in campaign.creators[:CREATORS_SHOWN]]
    return [_creator(answer, posts, campaign, cards, images) for answer, posts in shown if posts]


def forecast_media(campaign: Campaign) -> list[str]:
    """sha256 of the media that the section shows."""
    by_id = {post.post.post_id: post.post for post in campaign.posts}
    wanted = [*campaign.forecasts, *(near.post_id for one in campaign.forecasts.values() for near in one.similar)]
    return [sha256 for post_id in wanted if post_id in by_id for sha256 in by_id[post_id].media[:1]]


def _creator(
    answer: CreatorAnswer,
    posts: Sequence[PostAnalysis],
    campaign: Campaign,
    cards: Mapping[str, PostCard],
    images: Images,
) -> CreatorForecasts:
    known = [(post, row) for post in posts if (row := _past(post.forecast)) is not None]
    past = [row for _, row in known]
    metric = next((post.forecast.metric for post in posts if post.forecast), "likes")
    silent = [post.forecast for post in posts if post.forecast and post.forecast.median is None]
    explained = [campaign.forecasts[post.post.post_id] for post in posts if post.post.post_id in campaign.forecasts]
    plotted = len(past) >= MIN_PLOTTED
    return CreatorForecasts(
        answer=answer,
        n_past=len(past),
        summary=_summary(past, metric),
        caution=_caution([post for post, _ in known]),
        own_model=next((one.own_model for one in explained if one.own_model), ""),
        scatter=scatter_svg(past, metric=metric) if plotted else None,
        off=_off_svg(past) if plotted else None,
        zones=_zones_svg(past) if len(past) >= MIN_CALIBRATED else None,
        table=tuple(_table_row(cards[post.post.post_id].title, row) for post, row in known) if plotted else (),
        cards=tuple(_card(one, cards, images) for one in explained if one.forecast.median is not None),
        n_silent=len(silent),
        why_silent=silent[0].note if silent else "",
    )


def _past(one: EngagementForecast | None) -> Past | None:
    """None while a post has no count, or no forecast."""
    if one is None or one.actual is None or one.median is None or one.lower is None or one.upper is None:
        return None
    return Past(one.actual, one.lower, one.median, one.upper)


def _summary(past: Sequence[Past], metric: str) -> str:
    if not past:
        return f"No post has both a forecast and its {metric} yet."
    n_inside, n = sum(one.inside for one in past), len(past)
    inside = f"{n_inside} of {n} counts were inside the forecast's interval"
    if n < MIN_PLOTTED:
        return f"{inside}; too few to tell how good forecasts are."
    half, low = sorted(_off(one) for one in past)[n // 2], _chance(n)
    return (
        f"{inside} (nine of ten should be: {low} or more of {n} with usual luck). Half of the forecasts were off by"
        f" less than {_percent(half)} of what the post got."
    )


def _caution(known: Sequence[PostAnalysis]) -> str:
    """What forecasts of posts without dates saw, and what that makes of their figures."""
    undated = sum(post.post.published_at is None for post in known)
    if not undated:
        return ""
    which = "These posts have" if undated == len(known) else f"{undated} of these {len(known)} posts have"
    return (
        f"{which} no dates, so each forecast saw all other posts, later ones too: the figures and plots flatter, and"
        " are no test of forecasts for new posts."
    )


def _chance(n: int, *, coverage: float = 0.9, sure: float = 0.975) -> int:
    """Fewest of n counts inside that a right interval has with probability `sure`: a binomial quantile."""
    below = 0.0
    for k in range(n + 1):
        below += math.comb(n, k) * coverage**k * (1 - coverage) ** (n - k)
        if below > 1 - sure:
            return k
    return n


def _off(one: Past) -> float:
    """Share of the count that the forecast was off by; of a count of 0 as of 1."""
    return abs(one.median - one.actual) / max(one.actual, 1.0)


def _off_svg(past: Sequence[Past]) -> str:
    errors = [_off(one) for one in past]
    between = (f"{low:.0%} to {high:.0%}" for low, high in pairwise(OFF))
    names = [f"under {OFF[0]:.0%}", *between, f"over {OFF[-1]:.0%}"]
    rows = [
        (name.replace("%", " %"), sum(low <= error < high for error in errors))
        for name, (low, high) in zip(names, pairwise((0.0, *OFF, math.inf)), strict=True)
    ]
    told = ", ".join(f"{name}: {number}" for name, number in rows)
    return bars_svg(rows, label=f"How far off single forecasts were: {told}")


def _zones_svg(past: Sequence[Past]) -> str:
    zones = [0 if p.actual < p.lower else 3 if p.actual > p.upper else 1 if p.actual < p.median else 2 for p in past]
    rows = [(name, zones.count(place)) for place, name in enumerate(ZONES)]
    expected = [share * len(past) for share in ZONES.values()]
    pairs = zip(rows, expected, strict=True)
    told = ", ".join(f"{name}: {number}, {want:.1f} expected" for (name, number), want in pairs)
    return bars_svg(rows, expected=expected, label=f"Where counts fell: {told}")


def _table_row(title: str, one: Past) -> tuple[str, str, str, str, str]:
    between = f"{rounded(one.lower)} to {rounded(one.upper)}"
    return title, rounded(one.median), between, f"{one.actual:,.0f}", _off_text(one)


def _off_text(one: Past) -> str:
    """ "37 % too low", "4.1 times what it got"."""
    share = _off(one)
    if share >= 1:
        return f"{one.median / max(one.actual, 1.0):.1f} times what it got"
    side = "low" if one.median < one.actual else "high"
    return f"{_percent(share)} too {side}" if round(share, 2) else "right"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


# --- one post -------------------------------------------------------------------------------------------------------


def _card(one: Forecast, cards: Mapping[str, PostCard], images: Images) -> ForecastCard:
    card, past = cards[one.post_id], _past(one.forecast)
    return ForecastCard(
        title=card.title,
        picture=tiny_picture(card, images),
        forecast=one.forecast,
        headline=headline(one.forecast),
        compared=compared(one.forecast),
        off=f"the forecast was {_off_text(past)}" if past else "",
        method=method_words(one.forecast),
        start=start_words(one),
        reasons=tuple((reason_text(reason), "up" if reason.change > 0 else "down") for reason in one.reasons),
        similar=tuple(
            SimilarCard(tiny_picture(cards[near.post_id], images), cards[near.post_id].title, f"{near.count:,.0f}")
            for near in one.similar
            if near.post_id in cards
        ),
        options=tuple(option for kind in KINDS for option in _options(kind, one.what_if)),
        fallback=one.fallback,
    )


def _options(kind: ChangeKind, changes: Sequence[Change]) -> list[Option]:
    """One row for each option; a single one where none differs."""
    own = [change for change in changes if change.kind == kind]
    shown = [change for change in own if change.change is None or change.change or change.is_now]
    if own and not any(change.change for change in own):
        return [Option(KINDS[kind], "", own[0].note or "no difference that can be told", "")]
    return [
        Option(
            f"{KINDS[kind]}{against(own)}" if not place else "", change.option, change_text(change), _direction(change)
        )
        for place, change in enumerate(shown)
    ]


def _direction(change: Change) -> str:
    if not change.change or (change.is_now and change.interval is None):
        return ""
    return "up" if change.change > 0 else "down"
