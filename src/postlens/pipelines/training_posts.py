"""Any source, a store, or the collection of Instagram posts to accounts of posts, as a training of engagement reads."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from postlens.config import Settings
from postlens.errors import MediaError
from postlens.media.image import decode_image
from postlens.pipelines.answers import Answerer
from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.pipelines.forecast_look import look
from postlens.store import Store
from postlens.store.posts import read_creators, read_posts
from postlens.tasks.engagement import PostFacts
from postlens.types import Failure, Image
from postlens.vision.encoder import Encoder

Accounts = Mapping[str, tuple[PostFacts, ...]]
MOST_NOTES = 20  # failures that the report names; all are counted
PICTURE_SIDE_PX = 128  # twice what the network of pixels takes: enough to scale down from
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


def read_collection_posts(data: Path, *, vectors: bool = False, progress: Progress | None = None) -> TrainingPosts:
    """The posts of posts.jsonl.gz with their thumbnails; with `vectors` also the embeddings of these (20 ms each).

    Raises `SourceNotFoundError`.
    """
    found = read_collection(data, progress=progress)
    thumbnails = _thumbnails(data / POSTS)

    def picture(post: PostFacts) -> Image | None:
        return _decoded(thumbnails.get(post.post_id))

    accounts = _embedded(found.accounts, picture) if vectors else found.accounts
    notes = (f"{found.n_failed} lines or pictures could not be read",) if found.n_failed else ()
    return TrainingPosts(accounts, picture, "a collection of Instagram posts with thumbnails", notes=notes)


def read_source_posts(
    data: str,
    *,
    store: str,
    settings: Settings,
    creator: str | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> TrainingPosts:
    """The posts of any source, through a store: media that the store has features of are not looked at again.

    Args:
        store: path or URL; made where it is not there.
        creator: whose posts these are, where the source does not say.
        mapping: a table's own column names.

    Raises `SettingsError`, `ModelError` or `StoreError` for settings, models or a store that cannot be used.
    """
    answerer, at = Answerer(settings), now or datetime.now(UTC)
    with Store.open(store) as opened, TemporaryDirectory(prefix="postlens-") as downloads:
        found = look(opened, [data], answerer, Path(downloads), progress, now=at, account=creator, mapping=mapping)
        accounts = _stored(opened, answerer, frozenset(found[0]))
    notes = tuple(f"not used: {one.subject}: {one.message}" for one in found[1][:MOST_NOTES])
    return TrainingPosts(accounts, _read_picture, "posts of a source with their media", found[1], notes)


def _stored(store: Store, answerer: Answerer, wanted: frozenset[str]) -> dict[str, tuple[PostFacts, ...]]:
    """What the store knows of these posts, by account; of posts that are each other's copies all are kept."""
    found = {}
    with store.read() as conn:
        owners = {post.creator_id for post in read_posts(conn, post_ids=wanted)}
        for creator in read_creators(conn):
            if creator.creator_id in owners:
                facts = answerer.read_facts(conn, creator, products=False)
                rows = answerer.post_rows(facts, *answerer.niches(facts))
                found[creator.creator_id] = tuple(row for row in rows if row.post_id in wanted)
    return found


def _read_picture(post: PostFacts) -> Image | None:
    """Of a photo; videos have none."""
    if post.media is None or post.media.kind != "image":
        return None
    try:
        return decode_image(post.media.path, max_side_px=PICTURE_SIDE_PX).image
    except MediaError:
        return None


def _embedded(accounts: Accounts, picture: Callable[[PostFacts], Image | None]) -> Accounts:
    """With the embedding of each picture, of the accounts that have posts to compare."""
    encoder, found = Encoder(), {}
    for name, posts in accounts.items():
        images = [picture(post) for post in posts] if len(posts) > 1 else []
        known = [(post, image) for post, image in zip(posts, images, strict=False) if image is not None]
        if known:
            vectors = encoder.embed([image for _, image in known])[0]
            found[name] = tuple(replace(post, vector=row) for (post, _), row in zip(known, vectors, strict=True))
    return found


def _thumbnails(path: Path) -> dict[str, str]:
    """Base64 of the JPEG by post_id: the number of the line among those that hold a post."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        parsed = (_parsed(line) for line in lines if line.strip())
        rows = [row for row in parsed if row is not None and row.get("creator") is not None]
    return {str(i): text for i, row in enumerate(rows) if isinstance(text := row.get("thumb_jpeg"), str)}


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
