"""A media file to its `MediaFile` record and its frames, image or video by content."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from postlens.errors import TooLargeError
from postlens.media.between import Between, Keep
from postlens.media.hashing import sha256_bytes, sha256_file
from postlens.media.image import IMAGE_LIMITS, MAX_SIDE_PX, ImageLimits, as_frames, decode_image, read_image_bytes
from postlens.media.probe import StrPath, display_name, kind_of
from postlens.media.video import MAX_FRAMES, MIN_FRAMES, RATE_HZ, VIDEO_LIMITS, VideoLimits, decode_video
from postlens.types import FrameBatch, MediaFile


@dataclass(frozen=True, slots=True)
class Decoding:
    """How media is decoded: the size and rate of the frames, and what is refused."""

    max_side_px: int | None = MAX_SIDE_PX  # see `decode_image`
    rate_hz: float = RATE_HZ  # of video frames
    max_frames: int = MAX_FRAMES  # of one video
    min_frames: int = MIN_FRAMES  # of a short one
    image_limits: ImageLimits = IMAGE_LIMITS
    video_limits: VideoLimits = VIDEO_LIMITS
    max_video_bytes: int = 8 << 30  # 8 GiB: four hours at 4.7 Mbit/s; higher admits longer reading and hashing


DECODING: Final = Decoding()


class DecodedFile(NamedTuple):
    """A file's record and frames."""

    media: MediaFile
    frames: FrameBatch
    between: Between | None = None  # of a video: the way to the frames between the sampled ones


def decode_file(path: StrPath, *, how: Decoding = DECODING, keep: Keep | None = None) -> DecodedFile:
    """Identify and decode one file; an image is read from the disk once.

    `keep` says between which sampled frames of a video others shall be kept in passing, see `decode_video`.

    Raises:
        MediaNotFoundError, UnreadableMediaError, EmptyMediaError, UnsupportedMediaError, NoVideoStreamError,
        TooLargeError, DecodeError
    """
    return _image_file(path, how) if kind_of(path) == "image" else _video_file(path, how, keep)


def _image_file(path: StrPath, how: Decoding) -> DecodedFile:
    data = read_image_bytes(path, limits=how.image_limits)
    decoded = decode_image(data, max_side_px=how.max_side_px, limits=how.image_limits, name=display_name(path))
    width_px, height_px = decoded.size_px
    media = MediaFile(sha256_bytes(data), "image", os.fspath(path), width_px, height_px, len(data))
    return DecodedFile(media, as_frames(decoded))


def _video_file(path: StrPath, how: Decoding, keep: Keep | None) -> DecodedFile:
    n_bytes = Path(path).stat().st_size
    if n_bytes > how.max_video_bytes:
        raise TooLargeError(
            f"{display_name(path)}: expected at most {how.max_video_bytes:,} bytes, got {n_bytes:,}; cut it first"
        )
    decoded = decode_video(
        path,
        rate_hz=how.rate_hz,
        max_frames=how.max_frames,
        min_frames=how.min_frames,
        max_side_px=how.max_side_px,
        limits=how.video_limits,
        keep=keep,
    )
    media = MediaFile(
        sha256=sha256_file(path),
        kind="video",
        path=os.fspath(path),
        width_px=decoded.width_px,
        height_px=decoded.height_px,
        n_bytes=n_bytes,
        duration_s=decoded.duration_s,
        frame_rate_hz=decoded.frame_rate_hz,
        partial=decoded.partial,
    )
    return DecodedFile(media, decoded.frames, decoded.between)
