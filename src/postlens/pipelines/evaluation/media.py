"""A file of a labelled folder to its pixels, decoded with the settings of `postlens analyze`."""

from __future__ import annotations

from pathlib import Path

from postlens.config import Settings
from postlens.media.decode import decode_file
from postlens.media.image import DecodedImage, decode_image
from postlens.media.probe import kind_of
from postlens.pipelines.decode import decoding, new_work
from postlens.pipelines.stage import MediaWork
from postlens.vision.cuts import worth_keeping


def read_photo(path: Path, *, settings: Settings) -> DecodedImage:
    """The photo as `analyze` sees it; a video is refused. Raises `MediaError` for a file that cannot be decoded."""
    how = decoding("image", settings)
    return decode_image(path, max_side_px=how.max_side_px, limits=how.image_limits)


def read_media(path: Path, *, settings: Settings) -> MediaWork:
    """The image or video as `analyze` sees it. Raises `MediaError` for a file that cannot be decoded."""
    return new_work(decode_file(path, how=decoding(kind_of(path), settings), keep=worth_keeping))
