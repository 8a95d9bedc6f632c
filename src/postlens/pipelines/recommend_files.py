"""Recommendations to `recommendations.json`, `recommendations.csv` and pictures of the images that decided."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from postlens.config import Settings
from postlens.errors import MediaError, StoreWriteError
from postlens.media.image import encode_jpeg
from postlens.media.probe import display_name
from postlens.pipelines.exports import csv_bytes, replace_bytes
from postlens.pipelines.folder import PICTURES, RECOMMENDATIONS, RECOMMENDATIONS_TABLE, remove_recommendations
from postlens.pipelines.pictures import Shot, crop_picture, result_picture, take_shot
from postlens.pipelines.recommend import Offered, Recommended, make_folder
from postlens.tasks.products.recommend import NOTHING
from postlens.types import Faces, Failure, Product

HEADER = (
    *("kind", "id", "creator", "files", "product_id", "title", "price", "currency", "url", "item", "label"),
    *("score", "threshold", "share", "n_shown", "n_images", "deciding_image", "policy", "without_face", "reason"),
)
NO_PRODUCT = "no product"
STAGE = "picture"
QUALITY = 90  # of the JPEGs. Higher: larger files; lower: blocks around the letters


def write_recommendations(found: Recommended, out: Path, *, settings: Settings, now: datetime) -> tuple[Failure, ...]:
    """Write both files and the pictures, each whole or not at all; why pictures could not be made.

    Pictures are made for every creator, for the image where a single one was asked about, and for each image that has
    no creator; those of earlier runs go. Raises `UsageError` or `StoreWriteError` where the folder cannot be written.
    """
    make_folder(out)
    try:
        remove_recommendations(out)
        (out / PICTURES).mkdir(exist_ok=True)
        replace_bytes(out / RECOMMENDATIONS, (json.dumps(as_dict(found, settings, now), indent=1) + "\n").encode())
        replace_bytes(out / RECOMMENDATIONS_TABLE, csv_bytes([HEADER, *_rows(found)]))
        return tuple(_write_pictures(found, out / PICTURES, settings=settings))
    except OSError as error:
        raise StoreWriteError(f"cannot write to {out}: {error.strerror}; free space and run again") from error


def as_dict(found: Recommended, settings: Settings, now: datetime) -> dict[str, Any]:
    """JSON-ready values: settings, models, and the whole answer for each creator and post."""
    return {
        "created_at": now.isoformat(),
        "policy": settings.product_policy,
        "order": settings.product_order,
        "audience": list(settings.audience),
        "models": found.models,
        "creators": {one.answer.subject_id: _answer(one) for one in found.creators},
        "posts": {one.answer.subject_id: _answer(one) for one in found.posts},
        "notes": [asdict(note) for note in found.notes],
        "failures": [asdict(failure) for failure in found.failures],
    }


def _answer(one: Offered) -> dict[str, Any]:
    files = {media.sha256: display_name(one.place(media)) for media in one.media}
    named = {key: value for key, value in asdict(one.answer).items() if key != "subject_id"}
    return {"creator": one.creator.creator_id, **named, "files": files}


def _rows(found: Recommended) -> Iterator[tuple[Any, ...]]:
    for one in found.offered:
        answer, product = one.answer, one.answer.product or Product("", "", ())
        own = answer.decided
        yield (
            *(one.kind, answer.subject_id, one.creator.creator_id, _files(one), product.product_id, product.title),
            *(_cell(product.price), product.currency, product.url, answer.label, answer.attribute),
            *(_number(answer.score), _number(answer.threshold), _number(answer.share), own.n_shown if own else 0),
            *(answer.n_images, file_name(one, answer.deciding_media), answer.policy),
            *("; ".join(filter(None, (file_name(one, sha256) for sha256 in answer.without_face))), answer.reason),
        )


def file_name(one: Offered, sha256: str | None) -> str | None:
    """Name of a file of the subject, its sha256 where it came from a URL; `None` without one."""
    media = one.file(sha256)
    if media is None:
        return None
    return display_name(Path(one.place(media)).name) or media.sha256


def _files(one: Offered) -> str:
    """Of a post the names of its files, of a creator how many there are."""
    if one.post is None:
        return count(len(one.media), "file")
    return "; ".join(str(file_name(one, media.sha256)) for media in one.media)


def count(n: int, word: str) -> str:
    """1 creator, 2 creators."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _cell(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


# --- pictures ---------------------------------------------------------------------------------------------------------


def _write_pictures(found: Recommended, folder: Path, *, settings: Settings) -> Iterator[Failure]:
    for one in found.drawn:
        media = one.file(one.shown)
        if media is None:
            continue
        faces, row = found.faces.get(media.sha256, Faces.none()), one.read.get(media.sha256)
        try:
            shot = take_shot(media, faces, row, settings=settings)
        except (MediaError, OSError) as error:
            yield Failure.of(media.path or media.sha256, STAGE, error)
            continue
        box_px: Sequence[float] | None = None if row is None else faces.xyxy_px[row].tolist()
        _write_pair(one, shot, box_px, folder)


def _write_pair(one: Offered, shot: Shot, box_px: Sequence[float] | None, folder: Path) -> None:
    title = one.answer.product.title if one.answer.product else NO_PRODUCT if one.answer.label else NOTHING
    result = result_picture(shot, title=title, text=one.answer.reason, box_px=box_px)
    for kind, picture in (("crop", crop_picture(shot, box_px=box_px)), ("result", result)):
        replace_bytes(folder / f"{picture_stem(one)}-{kind}.jpg", encode_jpeg(picture, QUALITY))


def picture_stem(one: Offered) -> str:
    """Start of the names of a subject's pictures: readable, and of no two subjects the same."""
    key = one.answer.subject_id
    words = one.creator.handle if one.post is None else Path(one.place(one.media[0])).stem
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-.")[:60]
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{one.kind}-{readable}-{digest}" if readable else f"{one.kind}-{digest}"
