"""Media or a store to two files: the pixels of each photo as text, and what forecasts read of each post as a table.

`X_feature_vector_data.txt` has a line for each photo: the whole picture pressed into 64 x 64 pixels, as 12,288 whole
numbers of 0..255 with one space between, row by row, in a row pixel by pixel, of each pixel red, green and blue; so
`np.loadtxt(path).reshape(-1, 64, 64, 3)` are the pictures. This is the form in which walk-throughs of "likes from
pixels" hand photos to a dense or convolutional net. `features.parquet` is the table that the forecasts are made from.

The media is looked at as by `forecast`, once, into the store; the pixels are read from the files again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import DecodeError, MediaError, MediaNotFoundError, StoreWriteError, UsageError
from postlens.media.image import decode_image, read_image_bytes
from postlens.media.probe import display_name
from postlens.pipelines.answers import Answerer
from postlens.pipelines.exports.files import replace_bytes
from postlens.pipelines.features_table import FeatureTable, Lines
from postlens.pipelines.folder import DOWNLOADS, FEATURES_TABLE, PIXELS_TEXT, STORE_FILE, remember_folder
from postlens.pipelines.forecast_look import Progress, look
from postlens.pipelines.recommend import make_folder
from postlens.store import Store
from postlens.store.media import read_media
from postlens.store.meta import write_folder
from postlens.store.posts import read_creators, read_post_media, read_posts, read_seen
from postlens.types import Failure, Image, MediaFile

SIDE_PX: Final = 64  # of the pictures that the reference network takes
# Long side that JPEGs are decoded to at least. Higher: slower; lower: values further from those of a full decode (at
# 512, over 15 photos of 1,000 px and more: 0.19 of 255 on average, 11 at most).
_DECODED_PX: Final = 512
_POSTS_AT_ONCE: Final = 512  # whose media is looked up in the store together
_NUMBERS: Final = tuple(str(value) for value in range(256))


@dataclass(frozen=True, slots=True)
class FeaturesRequest:
    """What to read, and where the files go."""

    sources: tuple[str, ...]  # as `analyze` reads them, or one store
    out: Path
    account: str | None = None  # of media: all posts are by this creator; of a store: this creator only
    store: str | None = None  # default: STORE_FILE in `out`
    vectors: bool = False  # with the embeddings, a column `vector`


@dataclass(frozen=True, slots=True)
class FeaturesWritten:
    """What was written."""

    n_posts: int
    n_lines: int
    table: Path
    pixels: Path
    failures: tuple[Failure, ...] = ()


@dataclass(slots=True)
class _Pixels:
    """Which line of the text each photo has, filled while it is written."""

    lines: dict[str, Lines] = field(default_factory=dict)  # by post_id
    n_lines: int = 0
    failures: list[Failure] = field(default_factory=list)


def write_features(
    request: FeaturesRequest, *, settings: Settings, progress: Progress | None = None, now: datetime | None = None
) -> FeaturesWritten:
    """Look at what is new in the sources, write both files; of media that cannot be read there is no line.

    Posts keep the order of the sources (of a store: of first sight), creators that of their first post.

    Raises:
        UsageError: no source, a store beside other sources, or a folder that cannot be written.
        UnknownNameError: a store without the account.
        StoreWriteError: a file cannot be written; what stood there stays.
        StoreError: the store cannot be used.
    """
    from postlens.pipelines.predict import is_store

    if not request.sources:
        raise UsageError("expected a source: an image, a folder, a table or a store")
    stores = [source for source in request.sources if is_store(source)]
    if stores and (len(request.sources) > 1 or request.store):
        raise UsageError("expected one store, without --store, or media only")
    at, answerer = now or datetime.now(UTC), Answerer(settings)
    make_folder(request.out)
    with Store.open(stores[0] if stores else request.store or str(request.out / STORE_FILE)) as store:
        failures: tuple[Failure, ...] = ()
        if stores:
            with store.write() as conn:
                write_folder(conn, str(request.out.resolve()))
            with store.read() as conn:
                post_ids = stored_posts(conn, request.account)
        else:
            remember_folder(store, request.out)
            post_ids, failures = look(
                store,
                request.sources,
                answerer,
                request.out / DOWNLOADS,
                progress,
                now=at,
                account=request.account,
            )
        with store.read() as conn:
            written = _write(conn, answerer, list(dict.fromkeys(post_ids)), request)
    return FeaturesWritten(*written[:4], failures=(*failures, *written[4]))


def stored_posts(conn: Connection, account: str | None) -> list[str]:
    """Ids of all posts of a store, or of one creator, by creator in the order of first sight."""
    from postlens.pipelines.predict import named_creators

    seen = read_seen(conn)
    return [
        post.post_id
        for creator in named_creators(read_creators(conn), account)
        for post in sorted(
            read_posts(conn, creator_id=creator.creator_id), key=lambda post: (seen.get(post.post_id, 0), post.post_id)
        )
    ]


def _write(
    conn: Connection, answerer: Answerer, post_ids: Sequence[str], request: FeaturesRequest
) -> tuple[int, int, Path, Path, tuple[Failure, ...]]:
    pixels, table = _Pixels(), FeatureTable(answerer, vectors=request.vectors)
    text, parquet = request.out / PIXELS_TEXT, request.out / FEATURES_TABLE
    try:
        replace_bytes(text, _text(conn, post_ids, pixels))
        replace_bytes(parquet, table.parquet(conn, post_ids, pixels.lines))
    except OSError as error:
        raise StoreWriteError(f"cannot write to {request.out}: {error.strerror}; free space and run again") from error
    return table.n_rows, pixels.n_lines, parquet, text, tuple(pixels.failures)


# --- pixels ---------------------------------------------------------------------------------------------------------


def pixel_vector(image: Image) -> NDArray[np.uint8]:
    """(12288,) of an image uint8 (H, W, 3): the whole picture, its sides scaled apart (bilinear), in C order."""
    from PIL import Image as Pillow

    small = Pillow.fromarray(image).resize((SIDE_PX, SIDE_PX), Pillow.Resampling.BILINEAR)
    return np.asarray(small, np.uint8).reshape(-1)


def _text(conn: Connection, post_ids: Sequence[str], found: _Pixels) -> Iterator[bytes]:
    """The lines, one after another; photos that cannot be read are failures, videos have none."""
    for start in range(0, len(post_ids), _POSTS_AT_ONCE):
        part = post_ids[start : start + _POSTS_AT_ONCE]
        items = read_post_media(conn, part)
        media = read_media(conn, {item.sha256 for item in items if item.sha256 is not None})
        own: dict[str, list[MediaFile]] = {post_id: [] for post_id in part}
        for item in items:
            if item.sha256 in media:
                own[item.post_id].append(media[item.sha256])
        for post_id in part:
            before = found.n_lines
            for photo in (one for one in own[post_id] if one.kind == "image"):
                yield from _line(photo, found)
            found.lines[post_id] = Lines(before + 1, found.n_lines - before)


def _line(photo: MediaFile, found: _Pixels) -> Iterator[bytes]:
    try:
        vector = pixel_vector(_decoded(photo))
    except MediaError as error:
        found.failures.append(Failure.of(display_name(photo.path or photo.sha256), "pixels", error))
        return
    found.n_lines += 1
    yield (" ".join([_NUMBERS[value] for value in vector.tolist()]) + "\n").encode("ascii")


def _decoded(photo: MediaFile) -> Image:
    """The picture in its file, upright. Raises `MediaError` where the file is gone, changed or damaged."""
    name = display_name(photo.path or photo.sha256)
    if not photo.path:
        raise MediaNotFoundError(f"{name}: expected the file of the photo, got none; give the media as the source")
    data = read_image_bytes(photo.path)
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise DecodeError(f"{name}: the file has changed since it was looked at; give the media as the source")
    return decode_image(data, max_side_px=_DECODED_PX, name=name).image
