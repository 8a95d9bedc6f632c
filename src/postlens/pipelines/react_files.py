"""Reactions to `reactions.csv` and `reactions.jsonl`, a row for each post and for each thing that could not be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from postlens.errors import StoreWriteError
from postlens.media.probe import display_name
from postlens.pipelines.exports import csv_bytes, replace_bytes
from postlens.pipelines.folder import REACTIONS_LINES, REACTIONS_TABLE
from postlens.pipelines.react import Reacted, Reactions
from postlens.pipelines.recommend import make_folder
from postlens.types import EMOTIONS, Failure

HEADER = (
    *("post_id", "creator", "files", "emotions", "labels", "low_confidence", "reader", "decided_by", "n_faces"),
    *EMOTIONS,
    *("valence", "arousal", "allowed", "blocked", "stage", "error", "message"),
)
BETWEEN = "; "

Labels = Mapping[str, str]  # emotion to its name in the language asked for


def write_reactions(found: Reactions, out: Path, *, labels: Labels) -> tuple[Path, Path]:
    """Write both files, each whole or not at all. Raises `UsageError` or `StoreWriteError` for a folder that is not."""
    make_folder(out)
    table, lines = out / REACTIONS_TABLE, out / REACTIONS_LINES
    try:
        replace_bytes(table, csv_bytes([HEADER, *_rows(found, labels)]))
        replace_bytes(lines, map(_line, as_dicts(found, labels)))
    except OSError as error:
        raise StoreWriteError(f"cannot write to {out}: {error.strerror}; free space and run again") from error
    return table, lines


def _line(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, allow_nan=False, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def as_dicts(found: Reactions, labels: Labels) -> Iterator[dict[str, Any]]:
    """JSON-ready values: one for each post, then one for each failure, which alone has an `error`."""
    for one in found.posts:
        yield _answer(one, labels)
    for failure in found.failures:
        yield {**asdict(failure), "subject": display_name(failure.subject)}


def _answer(one: Reacted, labels: Labels) -> dict[str, Any]:
    forecast = one.forecast
    return {
        "post_id": one.post.post_id,
        "creator": one.creator.creator_id,
        "files": [display_name(place) for place in one.files],
        "emotions": list(forecast.emotions),
        "labels": [labels[name] for name in forecast.emotions],
        "low_confidence": forecast.low_confidence,
        "reader": forecast.reader,
        "decided_by": forecast.decided_by,
        "n_faces": forecast.n_faces,
        "probs": {name: round(prob, 4) for name, prob in forecast.probs.items()},
        "thresholds": {name: round(limit, 4) for name, limit in forecast.thresholds.items()},
        "valence": _rounded(forecast.valence),
        "arousal": _rounded(forecast.arousal),
        "allowed": list(forecast.allowed),
        "blocked": list(forecast.blocked),
    }


def _rows(found: Reactions, labels: Labels) -> Iterator[tuple[Any, ...]]:
    for one in found.posts:
        forecast = one.forecast
        yield (
            *(one.post.post_id, one.creator.creator_id, BETWEEN.join(map(display_name, one.files))),
            *(BETWEEN.join(forecast.emotions), BETWEEN.join(labels[name] for name in forecast.emotions)),
            *("yes" if forecast.low_confidence else "no", forecast.reader, forecast.decided_by, forecast.n_faces),
            *(f"{forecast.probs[name]:.4f}" for name in EMOTIONS),
            *(_rounded(forecast.valence), _rounded(forecast.arousal)),
            *(" ".join(forecast.allowed), " ".join(forecast.blocked), None, None, None),
        )
    yield from (_failed(failure) for failure in found.failures)


def _failed(failure: Failure) -> tuple[Any, ...]:
    empty = (None,) * (len(HEADER) - 6)
    return (None, None, display_name(failure.subject), *empty, failure.stage, failure.error, failure.message)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
