"""JPEG bytes to RGB at reduced scale, upright; and RGB to JPEG bytes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import simplejpeg

from postlens.errors import DecodeError
from postlens.types import Image

# Only halvings: libjpeg-turbo has SIMD code for 1/2, 1/4 and 1/8. The other eighths run without it and took longer than
# a full decode (1080x1350: 7/8 16 ms, 5/8 10 ms, full 7 ms, 1/2 5 ms on one core).
HALVINGS: Final = (8, 4, 2)
# libjpeg's warnings about stray bytes that every viewer skips; the picture is whole.
_HARMLESS: Final = ("extraneous bytes before marker", "Unknown Adobe color transform", "Invalid SOS parameters")
_ORIENTATION_TAG: Final = 0x0112
_TURNS: Final = {3: 2, 5: 1, 6: 3, 7: 3, 8: 1}  # EXIF orientation -> quarter turns counterclockwise, after mirroring
_MIRRORED: Final = frozenset({2, 4, 5, 7})


class JpegHeader(NamedTuple):
    """What the header says: stored size (before the EXIF orientation) and colour space as libjpeg names it."""

    width_px: int
    height_px: int
    colorspace: str


def read_header(data: bytes) -> JpegHeader | None:
    """The header, or None where TurboJPEG cannot read this kind of JPEG (rare subsamplings, 12 bit, damage)."""
    try:
        height_px, width_px, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a colour space that libjpeg does not know
        return None
    return JpegHeader(width_px, height_px, colorspace)


def reduction(long_side_px: int, max_side_px: int | None) -> int:
    """By how much the decoder may divide the size (8, 4, 2 or 1) with the long side still >= `max_side_px`."""
    if max_side_px is None:
        return 1
    return next((n for n in HALVINGS if -(-long_side_px // n) >= max_side_px), 1)


def decode_jpeg(data: bytes, header: JpegHeader, *, divide_by: int, name: str) -> Image:
    """RGB, uint8 (ceil(H / divide_by), ceil(W / divide_by), 3), as stored: the EXIF orientation is not applied.

    Raises:
        DecodeError: the data is cut off or damaged (libjpeg would fill the rest with grey).
    """
    size = {"min_height": -(-header.height_px // divide_by), "min_width": -(-header.width_px // divide_by)}
    try:
        return _decode_lenient(data, **size)
    except ValueError as error:
        raise DecodeError(
            f"{name}: expected a whole JPEG, got damaged data ({error}); copy or download the file again"
        ) from error


def _decode_lenient(data: bytes, **size: int) -> Image:
    """RGB, past harmless warnings. Behind one of them may still be damage, which raises ValueError like any other."""
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB", **size))
    except ValueError as error:
        if not any(text in str(error) for text in _HARMLESS):
            raise
        return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB", strict=False, **size))


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """JPEG bytes (4:2:0) of an uint8 (H, W, 3) RGB image; quality 1..100."""
    data = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return bytes(data)


def orientation(data: bytes) -> int:
    """EXIF orientation 1..8 of a JPEG, read from its segments without decoding; 1 where absent or damaged."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xDA or length < 2:  # start of scan: no more headers
            return 1
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _tiff_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    """Tag 0x0112 in the first directory of an EXIF block (TIFF 6.0, section 2)."""
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return 1
    at = _uint(tiff, 4, 4, order)
    for entry in range(at + 2, at + 2 + 12 * _uint(tiff, at, 2, order), 12):
        if _uint(tiff, entry, 2, order) == _ORIENTATION_TAG:
            value = _uint(tiff, entry + 8, 2, order)
            return value if 1 <= value <= 8 else 1
    return 1


def _uint(data: bytes, at: int, n_bytes: int, order: str) -> int:
    """Unsigned integer at an offset; 0 past the end."""
    return int.from_bytes(data[at : at + n_bytes], "little" if order == "little" else "big")


def upright(image: Image, orientation: int) -> Image:
    """The image as it is to be shown: mirrored and turned as EXIF orientation 1..8 says (EXIF 2.32, 4.6.4 A)."""
    if orientation == 4:
        image = image[::-1]
    elif orientation in _MIRRORED:
        image = image[:, ::-1]
    image = np.rot90(image, _TURNS.get(orientation, 0))
    return np.ascontiguousarray(image)
