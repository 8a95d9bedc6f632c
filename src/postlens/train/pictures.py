"""Where training images come from: a training cache, or image files decoded each time they are looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from postlens.config import Settings
from postlens.errors import MediaError, SettingsError
from postlens.media.hashing import sha256_file
from postlens.media.image import ImageLimits, decode_image, read_image_bytes
from postlens.media.probe import display_name
from postlens.train.cache import ImageCache, is_cache
from postlens.train.labels import LabelledImages, read_labelled_images
from postlens.types import Failure, Image
from postlens.vision.encoder import centre_square

STAGE = "train"  # of the failures
Progress = Callable[[int, int], None]


class Squares(Protocol):
    """Pictures of one size by row number; may be handed to worker processes."""

    @property
    def fingerprint(self) -> str:
        """Changes with the files and with how they are kept."""

    def image(self, row: int) -> Image:
        """uint8 (side, side, 3) RGB."""


class Pictures(Squares, Protocol):
    """Squares with one label each."""

    @property
    def labelled(self) -> LabelledImages:
        """Labels and groups, row for row."""

    @property
    def hashes(self) -> tuple[str, ...]:
        """sha256 of each picture's file."""


def open_pictures(data: Path, *, size_px: int, workers: int = 1, progress: Progress | None = None) -> Pictures:
    """The pictures of a training cache, or of anything that `read_labelled_images` reads.

    Image files that cannot be decoded are left out and listed in the labels' failures; every file is tried once for
    that, by `workers` threads.

    Raises:
        SettingsError: the cache was made for smaller pictures than the net takes.
        CacheError, SourceError, NotEnoughDataError: as `ImageCache.open` and `read_labelled_images`.
    """
    if not is_cache(data):
        return ImageFiles(read_labelled_images(data), size_px=size_px).usable(workers=workers, progress=progress)
    cache = ImageCache.open(data)
    if cache.side_px < size_px:
        raise SettingsError(
            f"{display_name(data)}: expected pictures of {size_px} px or more, got a cache of {cache.side_px} px; "
            f"run `postlens preprocess --size {size_px}` into a new folder"
        )
    return cache


def square_of(pictures: Squares, row: int, *, size_px: int) -> Image:
    """A picture as the net is given it when serving, before the normalisation: uint8 (size_px, size_px, 3)."""
    image = pictures.image(row)
    return image if image.shape[0] == size_px else centre_square(image, width_px=size_px, height_px=size_px)


class ImageFiles:
    """Image files, decoded as `postlens preprocess` does each time that one is asked for."""

    def __init__(self, labelled: LabelledImages, *, size_px: int, settings: Settings | None = None) -> None:
        self._labelled = labelled
        self._size_px = size_px
        self._limits = ImageLimits(max_pixels=(settings or Settings()).max_pixels)
        self._decode_side_px = max((settings or Settings()).image_max_side_px, 2 * size_px)

    @property
    def labelled(self) -> LabelledImages:
        """Paths, labels and groups."""
        return self._labelled

    @property
    def hashes(self) -> tuple[str, ...]:
        """sha256 of each file."""
        return tuple(sha256_file(Path(path)) for path in self._labelled.paths)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with the size in bytes of any file, and with how files are decoded."""
        sizes = [Path(path).stat().st_size for path in self._labelled.paths]
        text = json.dumps([self._size_px, self._decode_side_px, sizes])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def image(self, row: int) -> Image:
        """The centre square, uint8 (size_px, size_px, 3) RGB. Raises `MediaError`."""
        path = self._labelled.paths[row]
        data = read_image_bytes(path, limits=self._limits)
        decoded = decode_image(data, max_side_px=self._decode_side_px, limits=self._limits, name=display_name(path))
        return centre_square(decoded.image, width_px=self._size_px, height_px=self._size_px)

    def usable(self, *, workers: int, progress: Progress | None = None) -> ImageFiles:
        """Those that can be decoded: each is, once; the others become failures. A broken one then stops no epoch."""
        with ThreadPoolExecutor(max(1, workers)) as pool:
            errors = []
            for done, error in enumerate(pool.map(self._failure, range(len(self._labelled))), start=1):
                errors.append(error)
                if progress is not None:
                    progress(done, len(self._labelled))
        rows = np.array([row for row, error in enumerate(errors) if error is None], dtype=np.int64)
        failures = self._labelled.failures + tuple(error for error in errors if error is not None)
        usable = copy(self)
        usable._labelled = replace(self._labelled[rows], failures=failures)
        return usable

    def _failure(self, row: int) -> Failure | None:
        try:
            self.image(row)
        except MediaError as error:
            return Failure.of(display_name(self._labelled.paths[row]), STAGE, error)
        return None
