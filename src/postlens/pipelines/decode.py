"""A work item to decoded frames with the facts of its file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from postlens.config import Settings
from postlens.errors import DecodeError
from postlens.media.decode import DecodedFile, Decoding, decode_file
from postlens.media.image import ImageLimits, thumbnail
from postlens.media.video import frames_at
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.stage import NO_FRAMES, MediaWork
from postlens.types import Faces, FrameBatch, Image, MediaFeatures, MediaKind
from postlens.vision.cuts import worth_keeping

SLACK_S = 2e-3  # stored times are rounded to float32
SMALL_SIDE_PX = 320  # as thumbnails are; PDQ and the image measures look at less


def decode_work(item: WorkItem, *, settings: Settings, stored: MediaFeatures | None) -> MediaWork:
    """Decode the item's file; `stored` brings features of earlier runs along.

    Raises:
        MediaError: as `decode_file`; `DecodeError` also when the file changed since it was hashed.
    """
    decoded = decode_file(item.path, how=decoding(item.kind, settings), keep=worth_keeping)
    if decoded.media.sha256 != item.sha256:
        raise DecodeError(f"{item.path}: the file changed while it was being analyzed; run again")
    return new_work(decoded, stored)


def new_work(decoded: DecodedFile, stored: MediaFeatures | None = None) -> MediaWork:
    """Decoded frames ready for the stages, with what is stored of the file."""
    features = replace(stored, media=decoded.media) if stored else MediaFeatures(decoded.media)
    small = tuple(shrunk(image) for image in decoded.frames.images)
    more = _more_frames(decoded, features.faces)
    return MediaWork(decoded.frames, features, small, more, decoded.between)


def _more_frames(decoded: DecodedFile, faces: Faces | None) -> FrameBatch:
    """The frames beside the sampled ones in which stored faces were found; what cannot be decoded again is left out."""
    if faces is None or decoded.between is None:
        return NO_FRAMES
    rows = np.flatnonzero(faces.frame >= len(decoded.frames))
    number = dict(zip(faces.pts_s[rows].tolist(), faces.frame[rows].tolist(), strict=True))
    times_s = sorted(number)
    samples = frames_at(decoded.between, [time_s - SLACK_S for time_s in times_s])
    near = [min(times_s, key=lambda time_s: abs(time_s - sample.pts_s)) for sample in samples]
    return FrameBatch(
        images=tuple(sample.image for sample in samples),
        pts_s=np.array(near, np.float32),
        index=np.array([number[time_s] for time_s in near], np.int64),
        scale=decoded.frames.scale,
    )


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
