"""Instagram posts with thumbnails and counts to the scores of the engagement model (27,000 posts: about a minute)."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from postlens.errors import EmptySourceError, SourceNotFoundError
from postlens.tasks.engagement import ENGAGEMENT_MODEL, PostFacts
from postlens.tasks.engagement.evaluate import collect_outcomes, score_outcomes
from postlens.types import MediaFile
from postlens.vision.cards import file_sha256
from postlens.vision.measures import measure_image
from postlens.vision.zoo import open_model

POSTS = "posts.jsonl.gz"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Collection:
    """The posts of a collection by account, and how many lines or pictures of it could not be read."""

    accounts: Mapping[str, tuple[PostFacts, ...]]
    n_failed: int

    def __len__(self) -> int:
        return sum(len(posts) for posts in self.accounts.values())


def evaluate(folder: Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """n, mae_log, spearman, coverage_90, pair_accuracy with 95 % intervals, whole and by_account_size.

    Sizes are fixed bands of followers; see `tasks.engagement.evaluate.score_outcomes` for what each score means and
    how posts are forecast. `account_median` holds the baseline; `failed` counts lines and pictures that could not be
    read, `no_forecast` the posts without final likes or with too little known.

    Raises `SourceNotFoundError` when the collection cannot be opened, `EmptySourceError` when nothing can be scored.
    """
    model = open_model(ENGAGEMENT_MODEL)
    collection = read_collection(folder, progress=progress)
    outcomes = collect_outcomes(collection.accounts.values(), model=model)
    if not len(outcomes):
        raise EmptySourceError(
            f"{folder / POSTS}: expected posts with likes and followers, got none that can be scored; the newest post "
            "stands for the time of reading, and likes of the week before it are not final"
        )
    return {
        **score_outcomes(outcomes, rng=np.random.default_rng(0)),
        "failed": collection.n_failed,
        "no_forecast": len(collection) - len(outcomes),
        "in_sample": file_sha256(folder / POSTS) in model.spec.train_manifests,
    }


def read_collection(folder: Path, *, progress: Progress | None = None) -> Collection:
    """`posts.jsonl.gz` of the folder, pictures measured.

    The collection does not say when it was read: its newest post stands for that time. A line that is no JSON object
    with a creator is left out; a picture that cannot be read leaves its post without measures; both are counted.

    Raises `SourceNotFoundError` when the file is not there or is no gzip file.
    """
    path = folder / POSTS
    rows, n_failed = _read_rows(path)
    newest = max((row["taken_at"] for row in rows if _is_number(row.get("taken_at"))), default=None)
    found: dict[str, list[PostFacts]] = defaultdict(list)
    for i, row in enumerate(rows):
        measures = _measures(row.get("thumb_jpeg"))
        n_failed += measures is None
        found[str(row["creator"])].append(_facts(row, post_id=str(i), observed_at=_time(newest), measures=measures))
        if progress is not None:
            progress(i + 1, len(rows))
    return Collection({name: tuple(posts) for name, posts in found.items()}, n_failed)


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            parsed = [_row(line) for line in lines if line.strip()]
    except (OSError, EOFError, zlib.error) as error:
        raise SourceNotFoundError(
            f"expected Instagram posts in {path}, got {type(error).__name__}: {error}; "
            f"name the folder that holds a whole {POSTS}"
        ) from error
    rows = [row for row in parsed if row is not None]
    return rows, len(parsed) - len(rows)


def _row(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("creator") is not None else None


def _facts(
    row: Mapping[str, Any], *, post_id: str, observed_at: datetime | None, measures: dict[str, float] | None
) -> PostFacts:
    return PostFacts(
        post_id=post_id,
        published_at=_time(row.get("taken_at")),
        counts={name: float(row[name]) for name in ("likes", "comments") if _is_number(row.get(name))},
        followers=_float(row.get("followers")),
        caption=None,
        media=_media(row),
        measures=measures,
        observed_at=observed_at,
        followees=_float(row.get("followees")),
        n_posts_of_account=_float(row.get("posts")),
        caption_length=_int(row.get("caption_len")),
        n_hashtags=_int(row.get("n_hashtags")),
        n_tagged=_int(row.get("n_tagged")),
        has_location=row["has_location"] if isinstance(row.get("has_location"), bool) else None,
        alt_text=row["alt"] if isinstance(row.get("alt"), str) else None,
    )


def _media(row: Mapping[str, Any]) -> MediaFile | None:
    """The picture's published size; its bytes are not in the collection."""
    width, height = _int(row.get("width")), _int(row.get("height"))
    if not width or not height:
        return None
    return MediaFile(sha256="", kind="image", path="", width_px=width, height_px=height, n_bytes=0)


def _measures(thumbnail: Any) -> dict[str, float] | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(thumbnail, validate=True))) as picture:
            return measure_image(np.asarray(picture.convert("RGB")))
    except (TypeError, ValueError, binascii.Error, OSError, SyntaxError):  # Pillow raises SyntaxError on broken PNGs
        return None


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(value, UTC) if _is_number(value) else None
    except (OverflowError, OSError, ValueError):  # beyond year 9999
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _float(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _int(value: Any) -> int | None:
    return int(value) if _is_number(value) and value >= 0 else None
