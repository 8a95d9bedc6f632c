"""EmoSet's split files and annotations to images with an emotion each.

The layout of EmoSet-118K (Yang et al. 2023, arXiv:2307.07961): train.json, val.json and test.json, lists of [emotion,
image, annotation] with paths below the folder; image/<emotion>/<id>.jpg; annotation/<emotion>/<id>.json, objects with
`image_id` and `emotion` beside the attributes, which are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from postlens.errors import TableError
from postlens.media.probe import display_name
from postlens.train.emotion_listing import STAGE, is_file
from postlens.types import Failure

SPLITS = ("train", "val", "test")
ANNOTATIONS, IMAGES = "annotation", "image"  # folders


class AnnotatedImage(NamedTuple):
    """One image as EmoSet lists it."""

    image: str  # path below the folder
    emotion: str
    part: str  # "" without split files


def is_annotated(data: Path) -> bool:
    """Whether a folder has this layout."""
    return (data / ANNOTATIONS).is_dir() or any((data / f"{name}.json").is_file() for name in SPLITS)


def read_annotated(data: Path) -> Iterator[AnnotatedImage | Failure]:
    """The images of the split files or, without any, of all annotations; an annotation's emotion outranks its list's.

    Raises `TableError` for a split file that is no such list. An annotation that cannot be read is a failure.
    """
    splits = [name for name in SPLITS if (data / f"{name}.json").is_file()]
    if not splits:
        yield from _all_annotations(data)
    for name in splits:
        for entry in _entries(data / f"{name}.json"):
            yield _listed(data, entry, part=name)


def _entries(path: Path) -> list[list[Any]]:
    entries = _json(path)
    if not isinstance(entries, list) or not all(
        isinstance(one, list) and len(one) >= 2 and isinstance(one[1], str) for one in entries
    ):
        raise TableError(f"{display_name(path)}: expected a list of [emotion, image, annotation], got something else")
    return entries


def _listed(data: Path, entry: list[Any], *, part: str) -> AnnotatedImage | Failure:
    label, image = str(entry[0]), entry[1]
    if len(entry) > 2 and is_file(data / str(entry[2])):
        found = _emotion(data / str(entry[2]))
        return found if isinstance(found, Failure) else AnnotatedImage(image, found, part)
    return AnnotatedImage(image, label, part)


def _all_annotations(data: Path) -> Iterator[AnnotatedImage | Failure]:
    for path in sorted((data / ANNOTATIONS).rglob("*.json")):
        found = _emotion(path)
        image = Path(IMAGES) / path.relative_to(data / ANNOTATIONS).with_suffix(".jpg")
        yield found if isinstance(found, Failure) else AnnotatedImage(str(image), found, "")


def _emotion(path: Path) -> str | Failure:
    try:
        values = _json(path)
        if not isinstance(values, dict) or not isinstance(values.get("emotion"), str):
            raise TableError(f"{display_name(path)}: expected an object with emotion, got something else; correct it")
    except TableError as error:
        return Failure.of(display_name(path), STAGE, error)
    return str(values["emotion"])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise TableError(f"{display_name(path)}: expected a JSON file, got one that is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise TableError(f"{display_name(path)}: expected a JSON file, got: {error}; copy it again") from error
