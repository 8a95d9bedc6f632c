"""Every image format but plain JPEG to upright RGB, through Pillow."""

from __future__ import annotations

import importlib
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps

from postlens.errors import DecodeError, MediaError, TooLargeError
from postlens.types import Image

# Opened by class, not by `PIL.Image.open`: that tries every format it knows, warns (process-wide) about large images,
# and finds HEIC only after a global registration.
_READERS: Final = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heif": ("pillow_heif", "HeifImageFile"),
}
# What Pillow's readers were seen to raise on damaged data.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
_SIXTEEN_BIT: Final = 65535 / 255


class _Quiet:
    """Silences Pillow's remarks on odd metadata while any thread decodes: the pixels are not concerned.

    `warnings.catch_warnings` alone is not safe in threads, so the first to enter sets the filter and the last to leave
    restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._saved.__exit__(None, None, None)


_quiet = _Quiet()


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Pillow's many exceptions as our errors."""
    try:
        with _quiet:
            yield
    except MediaError:
        raise
    except PillowImage.DecompressionBombError as error:
        raise TooLargeError(f"{name}: {error}") from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise DecodeError(
            f"{name}: expected a whole image, got damaged or unusual data ({type(error).__name__}: {reason}); "
            "copy or download the file again, or convert it to JPEG or PNG"
        ) from error


def decode_still(
    data: bytes, form: str, *, max_side_px: int | None, max_pixels: int, name: str
) -> tuple[Image, int, int]:
    """The first frame, upright, alpha on white: uint8 (H, W, 3), and the displayed width and height before reduction.

    With `max_side_px` the image is averaged down by the largest whole factor that leaves its long side at or above it.
    16-bit grey is scaled to 8 bits; float grey is read as 0..1, or as 0..255 where it goes above 1. CMYK goes through
    its colour profile where it carries one.

    Raises:
        TooLargeError: more than `max_pixels`; found before any pixel is decoded.
        DecodeError: the data is damaged.
    """
    with _damage_told(name):
        module, reader = _READERS[form]
        image: PillowImage.Image = getattr(importlib.import_module(module), reader)(BytesIO(data))
        check_pixels(image.width, image.height, max_pixels=max_pixels, name=name)
        rgb = _to_rgb(ImageOps.exif_transpose(image))
        factor = max(1, max(rgb.size) // max_side_px) if max_side_px else 1
        return np.array(rgb.reduce(factor) if factor > 1 else rgb), rgb.width, rgb.height


def check_pixels(width_px: int, height_px: int, *, max_pixels: int, name: str) -> None:
    """Raise `TooLargeError` above the limit, with the numbers."""
    if width_px * height_px > max_pixels:
        raise TooLargeError(
            f"{name}: expected at most {max_pixels:,} pixels, got {width_px} x {height_px} = {width_px * height_px:,}; "
            "scale the image down first"
        )


def _to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image, np.float32) / _SIXTEEN_BIT, 0, 255)
        image = PillowImage.fromarray(np.rint(grey).astype(np.uint8))
    elif image.mode == "F":
        grey = np.nan_to_num(np.asarray(image, np.float32))
        image = PillowImage.fromarray(np.rint(np.clip(grey * (255 if grey.max() <= 1 else 1), 0, 255)).astype(np.uint8))
    elif image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = PillowImage.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _cmyk_to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """Through the embedded profile to sRGB; without one (or with a broken one) by (1 - ink)(1 - black)."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")
