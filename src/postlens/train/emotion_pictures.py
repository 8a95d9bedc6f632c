"""Images of an emotion data set to squares that a net is trained on; what cannot be decoded is left out and told."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from postlens.errors import NotEnoughDataError
from postlens.train.emotion_sets import EmotionImages
from postlens.train.labels import LabelledImages
from postlens.train.pictures import ImageFiles, Squares
from postlens.types import Image
from postlens.vision.encoder import centre_square


class GreyPictures:
    """Grey pictures of a table as RGB squares."""

    def __init__(self, pixels: NDArray[np.uint8], *, size_px: int) -> None:
        """pixels (N, 48, 48)."""
        self._pixels, self._size_px = pixels, size_px

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any pixel and with the size."""
        return hashlib.sha256(self._pixels.tobytes() + str(self._size_px).encode()).hexdigest()[:16]

    @property
    def hashes(self) -> tuple[str, ...]:
        """sha256 of each picture."""
        return tuple(hashlib.sha256(one.tobytes()).hexdigest() for one in self._pixels)

    def image(self, row: int) -> Image:
        """uint8 (size_px, size_px, 3) RGB."""
        rgb = np.repeat(self._pixels[row][..., None], 3, axis=2)
        return centre_square(rgb, width_px=self._size_px, height_px=self._size_px)


def open_emotion_pictures(
    images: EmotionImages, *, size_px: int, workers: int = 1
) -> tuple[EmotionImages, Squares, tuple[str, ...]]:
    """Those of the images that can be decoded, their squares, and the sha256 of each.

    Every file is decoded once for that, by `workers` threads. The squares are those that serving looks at: the centre.

    Raises `NotEnoughDataError` where no file can be decoded.
    """
    if images.pixels is not None:
        grey = GreyPictures(images.pixels, size_px=size_px)
        return images, grey, grey.hashes
    every = LabelledImages(images.paths, np.zeros(len(images), np.int64), images.groups, ("image",))
    files = ImageFiles(every, size_px=size_px).usable(workers=workers)
    failures = (*images.failures, *files.labelled.failures)
    if not len(files.labelled):
        raise NotEnoughDataError(
            f"expected images that can be decoded, got none of {len(images)}, the first: {failures[0].message}"
        )
    usable = set(files.labelled.paths)
    kept = [row for row, path in enumerate(images.paths) if path in usable]
    return replace(images[kept], failures=failures), files, files.hashes
