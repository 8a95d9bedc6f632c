"""One forecast with all that is said of it to JSON-ready values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from postlens.media.probe import display_name
from postlens.tasks.engagement.answer import Forecast, SimilarPost

FIGURES = ("metric", "median", "lower", "upper", "coverage", "baseline", "percentile", "actual", "n_history", "method")
COUNT_DIGITS, SHARE_DIGITS = 1, 4


def forecast_dict(one: Forecast) -> dict[str, Any]:
    """All of a forecast by name; times as text."""
    figures = {name: plain_figure(getattr(one.forecast, name)) for name in FIGURES}
    return {
        "post_id": one.post_id,
        "creator": one.creator_id,
        "files": [display_name(place) for place in one.files],
        "rank": one.rank,
        **figures,
        "note": one.forecast.note,
        "fallback": one.fallback,
        "own_model": one.own_model,
        "start": plain_figure(one.start),
        "start_text": one.start_text,
        "reasons": [{**asdict(reason), "change": round(reason.change, SHARE_DIGITS)} for reason in one.reasons],
        "similar": [_similar(post) for post in one.similar],
        "what_if": [_change(change) for change in map(asdict, one.what_if)],
    }


def _similar(post: SimilarPost) -> dict[str, Any]:
    at = None if post.published_at is None else post.published_at.isoformat()
    return {**asdict(post), "similarity": round(post.similarity, SHARE_DIGITS), "published_at": at}


def _change(values: dict[str, Any]) -> dict[str, Any]:
    interval, change = values["interval"], values["change"]
    return values | {
        "change": None if change is None else round(change, SHARE_DIGITS),
        "interval": None if interval is None else [round(end, SHARE_DIGITS) for end in interval],
    }


def plain_figure(value: Any) -> Any:
    """A count with one digit after the point; other values as they are."""
    return round(value, COUNT_DIGITS) if isinstance(value, float) and value > 1 else value
