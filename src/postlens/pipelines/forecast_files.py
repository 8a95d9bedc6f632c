"""Forecasts to `forecasts.csv` and to JSON-ready values, one for each post and each thing that could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from postlens.errors import StoreWriteError
from postlens.media.probe import display_name
from postlens.pipelines.exports.csvs import csv_bytes
from postlens.pipelines.exports.files import replace_bytes
from postlens.pipelines.folder import FORECASTS_TABLE
from postlens.pipelines.forecast import Forecasts
from postlens.pipelines.forecast_words import reason_text
from postlens.pipelines.recommend import make_folder
from postlens.tasks.engagement.answer import Forecast, SimilarPost
from postlens.types import Failure

FIGURES = ("metric", "median", "lower", "upper", "coverage", "baseline", "percentile", "actual", "n_history", "method")
HEADER = (
    *("post_id", "creator", "files", "rank", *FIGURES, "note", "fallback", "reasons", "similar"),
    *("stage", "error", "message"),
)
BETWEEN = "; "
COUNT_DIGITS, SHARE_DIGITS = 1, 4


def write_forecasts(found: Forecasts, out: Path) -> Path:
    """Write the table, whole or not at all. Raises `UsageError` or `StoreWriteError` for a folder that cannot be."""
    make_folder(out)
    path = out / FORECASTS_TABLE
    try:
        replace_bytes(path, csv_bytes([HEADER, *map(_row, found.posts), *map(_failed, found.failures)]))
    except OSError as error:
        raise StoreWriteError(f"cannot write to {out}: {error.strerror}; free space and run again") from error
    return path


def as_dicts(found: Forecasts) -> Iterator[dict[str, Any]]:
    """JSON-ready values: one for each post, then one for each failure, which alone has an `error`."""
    for one in found.posts:
        yield forecast_dict(one)
    for failure in found.failures:
        yield {**asdict(failure), "subject": display_name(failure.subject)}


def forecast_dict(one: Forecast) -> dict[str, Any]:
    """All of a forecast by name; times as text."""
    figures = {name: _plain(getattr(one.forecast, name)) for name in FIGURES}
    return {
        "post_id": one.post_id,
        "creator": one.creator_id,
        "files": [display_name(place) for place in one.files],
        "rank": one.rank,
        **figures,
        "note": one.forecast.note,
        "fallback": one.fallback,
        "own_model": one.own_model,
        "start": _plain(one.start),
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


def _row(one: Forecast) -> tuple[Any, ...]:
    return (
        *(one.post_id, one.creator_id, BETWEEN.join(map(display_name, one.files)), one.rank),
        *(_plain(getattr(one.forecast, name)) for name in FIGURES),
        *(one.forecast.note, one.fallback, BETWEEN.join(map(reason_text, one.reasons))),
        BETWEEN.join(f"{post.post_id} {post.count:g}" for post in one.similar),
        *(None, None, None),
    )


def _failed(failure: Failure) -> tuple[Any, ...]:
    empty = (None,) * (len(HEADER) - 6)
    return (None, None, display_name(failure.subject), *empty, failure.stage, failure.error, failure.message)


def _plain(value: Any) -> Any:
    return round(value, COUNT_DIGITS) if isinstance(value, float) and value > 1 else value
