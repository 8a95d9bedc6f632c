"""A work item to decoded frames with the facts of its file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from postlens.config import Settings
from postlens.errors import DecodeError
from postlens.media.decode import Decoding, decode_file
from postlens.media.image import ImageLimits, thumbnail
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.stage import MediaWork
from postlens.types import FrameBatch, Image, MediaFeatures, MediaKind

SMALL_SIDE_PX = 320  # as thumbnails are; PDQ and the image measures look at less


def decode_work(item: WorkItem, *, settings: Settings, stored: MediaFeatures | None) -> MediaWork:
    """Decode the item's file; `stored` brings features of earlier runs along.

    Raises:
        MediaError: as `decode_file`; `DecodeError` also when the file changed since it was hashed.
    """
    media, frames = decode_file(item.path, how=decoding(item.kind, settings))
    if media.sha256 != item.sha256:
        raise DecodeError(f"{item.path}: the file changed while it was being analyzed; run again")
    return new_work(frames, replace(stored, media=media) if stored else MediaFeatures(media))


def new_work(frames: FrameBatch, features: MediaFeatures) -> MediaWork:
    """Decoded frames ready for the stages."""
    return MediaWork(frames, features, tuple(shrunk(image) for image in frames.images))


def shrunk(image: Image) -> Image:
    """The image averaged down by the largest whole factor that leaves its longest side at least `SMALL_SIDE_PX`."""
    from PIL import Image as PillowImage

    factor = max(image.shape[:2]) // SMALL_SIDE_PX
    return np.asarray(PillowImage.fromarray(image).reduce(factor)) if factor > 1 else image


def thumbnail_of(work: MediaWork) -> bytes:
    """A small JPEG of the middle frame (of an image: of itself)."""
    return thumbnail(work.small[len(work.small) // 2])


def decoding(kind: MediaKind, settings: Settings) -> Decoding:
    """How media of a kind is decoded with these settings, in analysis and evaluation alike."""
    side = settings.video_max_side_px if kind == "video" else settings.image_max_side_px
    return Decoding(
        max_side_px=side,
        rate_hz=settings.video_rate_hz,
        max_frames=settings.video_max_frames,
        min_frames=settings.video_min_frames,
        image_limits=ImageLimits(max_pixels=settings.max_pixels),
    )
