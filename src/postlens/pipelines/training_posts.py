"""Any source, a store, or the collection of Instagram posts to accounts of posts, as a training of engagement reads."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.tasks.engagement import PostFacts
from postlens.types import Failure, Image

Accounts = Mapping[str, tuple[PostFacts, ...]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TrainingPosts:
    """Posts by account; pictures are read when they are asked for."""

    accounts: Accounts
    picture: Callable[[PostFacts], Image | None]  # uint8 (H, W, 3) RGB; None where the post has none that can be read
    name: str  # what the posts are, for cards
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = field(default=())  # what the report says first

    def __len__(self) -> int:
        return sum(map(len, self.accounts.values()))


def is_collection(data: Path) -> bool:
    """Whether the folder is a collection of Instagram posts."""
    return (data / POSTS).is_file()


def read_collection_posts(data: Path, *, progress: Progress | None = None) -> TrainingPosts:
    """The posts of posts.jsonl.gz with their thumbnails. Raises `SourceNotFoundError`."""
    found = read_collection(data, progress=progress)
    thumbnails = _thumbnails(data / POSTS)

    def picture(post: PostFacts) -> Image | None:
        return _decoded(thumbnails.get(post.post_id))

    notes = (f"{found.n_failed} lines or pictures could not be read",) if found.n_failed else ()
    return TrainingPosts(found.accounts, picture, "a collection of Instagram posts with thumbnails", notes=notes)


def _thumbnails(path: Path) -> dict[str, str]:
    """Base64 of the JPEG by post_id: the number of the line among those that hold a post."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        parsed = (_parsed(line) for line in lines if line.strip())
        rows = [row for row in parsed if row is not None and row.get("creator") is not None]
    return {str(i): row["thumb_jpeg"] for i, row in enumerate(rows) if isinstance(row.get("thumb_jpeg"), str)}


def _parsed(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(text: str | None) -> Image | None:
    from PIL import Image as Pillow

    if text is None:
        return None
    try:
        with Pillow.open(io.BytesIO(base64.b64decode(text, validate=True))) as picture:
            return np.asarray(picture.convert("RGB"))
    except (ValueError, binascii.Error, OSError, SyntaxError):  # Pillow raises SyntaxError on broken PNGs
        return None
