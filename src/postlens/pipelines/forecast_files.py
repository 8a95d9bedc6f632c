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
from postlens.pipelines.exports.forecast_values import FIGURES, forecast_dict, plain_figure
from postlens.pipelines.folder import FORECASTS_TABLE
from postlens.pipelines.forecast import Forecasts
from postlens.pipelines.forecast_words import reason_text
from postlens.pipelines.recommend import make_folder
from postlens.tasks.engagement.answer import Forecast
from postlens.types import Failure

HEADER = (
    *("post_id", "creator", "files", "rank", *FIGURES, "note", "fallback", "reasons", "similar"),
    *("stage", "error", "message"),
)
BETWEEN = "; "


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


def _row(one: Forecast) -> tuple[Any, ...]:
    return (
        *(one.post_id, one.creator_id, BETWEEN.join(map(display_name, one.files)), one.rank),
        *(plain_figure(getattr(one.forecast, name)) for name in FIGURES),
        *(one.forecast.note, one.fallback, BETWEEN.join(map(reason_text, one.reasons))),
        BETWEEN.join(f"{post.post_id} {post.count:g}" for post in one.similar),
        *(None, None, None),
    )


def _failed(failure: Failure) -> tuple[Any, ...]:
    empty = (None,) * (len(HEADER) - 6)
    return (None, None, display_name(failure.subject), *empty, failure.stage, failure.error, failure.message)
