"""A source, a labelled folder or a training cache to its images, one by one, with what is known of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from postlens.config import Settings
from postlens.errors import DownloadNotAllowedError, SettingsError
from postlens.media.image import ImageLimits, decode_image
from postlens.media.probe import display_name
from postlens.sources import open_source
from postlens.train.cache import ImageCache, is_cache
from postlens.train.labels import MANIFEST, read_labelled_images
from postlens.types import Failure, Image, SourcePost

if TYPE_CHECKING:
    from postlens.train.labels import LabelledImages

STAGE = "extract"  # of the failures
UNKNOWN_NUMBER = math.nan


@dataclass(frozen=True, slots=True)
class ImageItem:
    """One image of a post, not opened yet."""

    image_id: str
    post_id: str
    path: str
    creator: str
    label: str  # "" where not known
    image: Callable[[], Image]  # uint8 (H, W, 3) RGB; raises `MediaError`
    likes: float = UNKNOWN_NUMBER
    published_at_s: float = UNKNOWN_NUMBER
    caption_length: float = UNKNOWN_NUMBER


@dataclass(frozen=True, slots=True)
class Listed:
    """The images of a source; `items` can be gone through once."""

    items: Iterator[ImageItem | Failure]
    n_images: int | None = None  # None: not known before they were read


def list_images(source: str, *, size_px: int, labelled: bool, settings: Settings) -> Listed:
    """The images of, told by what lies there:

    - a training cache (`postlens preprocess`): its pictures, with labels and groups;
    - a folder with manifest.csv, or with `labelled` one whose sub-folders are labels: labels and groups;
    - anything that `postlens analyze` reads, the influencer layout among it: posts with creators, labels where the
      source has them, likes, times and captions; nothing of it is held in memory.

    Raises:
        SettingsError: a cache of pictures smaller than `size_px`.
        CacheError, SourceError, NotEnoughDataError: as `ImageCache.open` and `read_labelled_images`.
    """
    folder = Path(source)
    if is_cache(folder):
        return _cached(folder, size_px=size_px)
    if labelled or (folder / MANIFEST).is_file():
        images = read_labelled_images(folder)
        return Listed(_labelled(images, lambda row: _decode(images.paths[row], settings)), len(images))
    return Listed(_posts(source, settings))


def _decode(path: str, settings: Settings) -> Image:
    """As `postlens analyze` decodes it."""
    limits = ImageLimits(max_pixels=settings.max_pixels)
    return decode_image(path, max_side_px=settings.image_max_side_px, limits=limits).image


def _cached(folder: Path, *, size_px: int) -> Listed:
    cache = ImageCache.open(folder)
    if cache.side_px < size_px:
        raise SettingsError(
            f"{display_name(folder)}: expected pictures of {size_px} px or more, got a cache of {cache.side_px} px; "
            f"run `postlens preprocess --size {size_px}` into a new folder, or extract from the images themselves"
        )
    return Listed(_labelled(cache.labelled, cache.image), len(cache))


def _labelled(images: LabelledImages, image: Callable[[int], Image]) -> Iterator[ImageItem | Failure]:
    """Failures of the listing first, then each image as a post of its own."""
    yield from images.failures
    for row, path in enumerate(images.paths):
        name = display_name(path)
        label = images.classes[int(images.labels[row])]
        yield ImageItem(name, name, name, display_name(images.groups[row]), label, partial(image, row))


def _posts(source: str, settings: Settings) -> Iterator[ImageItem | Failure]:
    for found in open_source(source):
        if isinstance(found, Failure):
            yield found
        else:
            yield from _images_of(found, settings)


def _images_of(post: SourcePost, settings: Settings) -> Iterator[ImageItem | Failure]:
    at = post.published_at
    for number, ref in enumerate(post.media, start=1):
        if ref.path is None:
            error = DownloadNotAllowedError(f"{ref.url}: expected a file, got a URL; download it and name its folder")
            yield Failure.of(ref.name, STAGE, error)
            continue
        yield ImageItem(
            image_id=post.post_id if number == 1 else f"{post.post_id}/{number}",
            post_id=post.post_id,
            path=display_name(ref.path),
            creator=post.creator_id,
            label=post.label or "",
            image=partial(_decode, ref.path, settings),
            likes=post.metrics.get("likes", UNKNOWN_NUMBER),
            published_at_s=UNKNOWN_NUMBER if at is None else at.timestamp(),
            caption_length=UNKNOWN_NUMBER if post.caption is None else float(len(post.caption)),
        )
