"""Image bytes to an upright RGB array; RGB arrays to JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from postlens.errors import EmptyMediaError, TooLargeError, UnsupportedMediaError
from postlens.media.jpeg import (
    JpegHeader,
    decode_jpeg,
    encode_jpeg,
    orientation,
    read_header,
    reduction,
    upright,
)
from postlens.media.probe import HEAD_BYTES, IMAGE_FORMATS, StrPath, display_name, media_format, open_file, read_from
from postlens.media.stills import check_pixels, decode_still
from postlens.types import FrameBatch, Image

__all__ = [
    "IMAGE_LIMITS",
    "MAX_SIDE_PX",
    "DecodedImage",
    "ImageLimits",
    "StoredImage",
    "as_frames",
    "decode_image",
    "decode_stored",
    "encode_jpeg",
    "fit",
    "read_image_bytes",
    "thumbnail",
]

# Twice the encoder's input and enough for faces from 1/20 of the picture; higher finds smaller faces, decodes slower.
MAX_SIDE_PX: Final = 640
THUMBNAIL_SIDE_PX: Final = 320
THUMBNAIL_QUALITY: Final = 80  # about 15 kB at 320 px; higher grows the store, lower shows blocks on faces
_COLOURS_SPARED: Final = frozenset({"YCbCr", "Gray", "RGB"})  # that TurboJPEG turns into RGB by itself


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is refused before decoding. Higher admits larger images and takes more memory, up to 4 bytes a pixel."""

    max_pixels: int = 89_478_485  # Pillow's own limit: 1 GiB / 4 / 3
    max_bytes: int = 268_435_456  # 256 MiB: what that many pixels take uncompressed


IMAGE_LIMITS: Final = ImageLimits()


class DecodedImage(NamedTuple):
    """An image ready for the models, and what it was before."""

    image: Image  # uint8 (H, W, 3) RGB, upright
    size_px: tuple[int, int]  # width and height as displayed, before any reduction
    scale: float  # decoded long side / displayed long side, in (0, 1]


def decode_image(
    source: StrPath | bytes,
    *,
    max_side_px: int | None = MAX_SIDE_PX,
    fit_side: bool = False,
    limits: ImageLimits = IMAGE_LIMITS,
    name: str | None = None,
) -> DecodedImage:
    """Decode an image file or its bytes; the format is told by the content, not by the name.

    JPEGs are decoded by libjpeg's scaled DCT at the smallest of 1/8, 1/4, 1/2, 1 whose long side is still at least
    `max_side_px`; other formats are averaged down by a whole factor under the same rule. So the long side lies in
    [max_side_px, 2 * max_side_px) where the image is larger than that, and the models' own resizing stays the only
    resampling. `fit_side=True` also resizes down to exactly `max_side_px` (bicubic, antialiased). `max_side_px=None`
    decodes in full.

    The EXIF orientation is applied; transparency becomes white; of animations and MPO the first picture is taken;
    RGB colour profiles are ignored.

    Args:
        name: what to call bytes in messages.

    Raises:
        MediaNotFoundError, UnreadableMediaError: the file cannot be opened.
        EmptyMediaError: zero bytes.
        UnsupportedMediaError: no image (a video says so).
        TooLargeError: over `limits`, found before decoding.
        DecodeError: cut off or damaged.
    """
    if isinstance(source, bytes):
        data, name = source, name or "image"
    else:
        data, name = read_image_bytes(source, limits=limits), name or display_name(source)
    form = _image_format(data, name=name)
    decoded = _decode(data, form, max_side_px=max_side_px, limits=limits, name=name)
    return fit(decoded, max_side_px) if fit_side and max_side_px is not None else decoded


def read_image_bytes(path: StrPath, *, limits: ImageLimits = IMAGE_LIMITS) -> bytes:
    """All bytes of a file, for hashing and decoding with one read.

    Raises:
        MediaNotFoundError, UnreadableMediaError: the file cannot be opened.
        TooLargeError: more than `limits.max_bytes`.
    """
    with open_file(path) as file:
        data = read_from(file, limits.max_bytes + 1, path=path)
    if len(data) > limits.max_bytes:
        raise TooLargeError(
            f"{display_name(path)}: expected at most {limits.max_bytes:,} bytes, got more; scale the image down"
        )
    return data


def _image_format(data: bytes, *, name: str) -> str:
    if not data:
        raise EmptyMediaError(f"{name}: the file has zero bytes; copy or download it again")
    form = media_format(data[:HEAD_BYTES], name=name)
    if form not in IMAGE_FORMATS:
        raise UnsupportedMediaError(f"{name}: expected an image, got a video ({form}); decode it as a video")
    return form


def _decode(data: bytes, form: str, *, max_side_px: int | None, limits: ImageLimits, name: str) -> DecodedImage:
    header = read_header(data) if form == "jpeg" else None
    if header is None or header.colorspace not in _COLOURS_SPARED:
        image, *size_px = decode_still(data, form, max_side_px=max_side_px, max_pixels=limits.max_pixels, name=name)
        return DecodedImage(image, (size_px[0], size_px[1]), max(image.shape[:2]) / max(size_px))
    width_px, height_px = header.width_px, header.height_px
    check_pixels(width_px, height_px, max_pixels=limits.max_pixels, name=name)
    stored = _decode_stored(data, header, max_side_px=max_side_px, name=name)
    image = upright(stored.image, stored.orientation)
    size = (height_px, width_px) if stored.orientation >= 5 else (width_px, height_px)
    return DecodedImage(image, size, max(image.shape[:2]) / max(size))


class StoredImage(NamedTuple):
    """The pixels of a JPEG as they lie in the file, before they are turned upright."""

    image: Image  # uint8 (H, W, 3) RGB, at reduced scale
    orientation: int  # EXIF, 1..8
    divided_by: int  # 1, 2, 4 or 8


def _decode_stored(data: bytes, header: JpegHeader, *, max_side_px: int | None, name: str) -> StoredImage:
    divide_by = reduction(max(header.width_px, header.height_px), max_side_px)
    return StoredImage(decode_jpeg(data, header, divide_by=divide_by, name=name), orientation(data), divide_by)


def decode_stored(data: bytes, *, max_side_px: int | None = MAX_SIDE_PX, name: str) -> StoredImage | None:
    """The first half of `decode_image`, to show it: a JPEG before it is turned upright.

    None for images whose decoder turns them itself: other formats, and JPEGs that go the way of these. Raises as
    `decode_image`, which checks the limits: call it first.
    """
    header = read_header(data) if _image_format(data, name=name) == "jpeg" else None
    if header is None or header.colorspace not in _COLOURS_SPARED:
        return None
    return _decode_stored(data, header, max_side_px=max_side_px, name=name)


def fit(decoded: DecodedImage, max_side_px: int) -> DecodedImage:
    """Resized down (bicubic, antialiased) until the long side is `max_side_px`; smaller images stay as they are."""
    from PIL import Image as PillowImage

    height, width = decoded.image.shape[:2]
    ratio = max_side_px / max(height, width)
    if ratio >= 1:
        return decoded
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    resized = np.array(PillowImage.fromarray(decoded.image).resize(size, PillowImage.Resampling.BICUBIC))
    return DecodedImage(resized, decoded.size_px, max(size) / max(decoded.size_px))


def as_frames(decoded: DecodedImage) -> FrameBatch:
    """The image as a batch of one frame at 0 s."""
    return FrameBatch((decoded.image,), np.zeros(1, np.float32), np.zeros(1, np.int64), scale=decoded.scale)


def thumbnail(image: Image, side_px: int = THUMBNAIL_SIDE_PX) -> bytes:
    """JPEG bytes of the uint8 (H, W, 3) RGB image, its long side at most `side_px`."""
    small = fit(DecodedImage(image, (image.shape[1], image.shape[0]), 1.0), side_px)
    return encode_jpeg(small.image, THUMBNAIL_QUALITY)
