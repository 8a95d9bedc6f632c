"""Labelled image files to the squares that product nets are trained on, in one file that worker processes share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from postlens.errors import NotEnoughDataError
from postlens.media.probe import display_name
from postlens.tasks.products.model import Reads
from postlens.tasks.products.pixels import SQUARE_PX, head_squares, image_square
from postlens.train.products_vectors import Progress, Reader
from postlens.types import Image


class SquareFile:
    """Squares (N, 224, 224, 3) uint8 in a .npy file, read from disk as they are asked for (0.15 MB each)."""

    def __init__(self, path: Path) -> None:
        """Raises `ValueError`, `OSError` for a file that is no array."""
        self._path = path
        self._squares = np.load(path, mmap_mode="r", allow_pickle=False)

    def __len__(self) -> int:
        return len(self._squares)

    def __reduce__(self) -> tuple[type[SquareFile], tuple[Path]]:
        """A worker process opens the file itself."""
        return SquareFile, (self._path,)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any pixel."""
        digest = hashlib.sha256()
        for square in self._squares:
            digest.update(square.tobytes())
        return digest.hexdigest()[:16]

    def image(self, row: int) -> Image:
        """uint8 (224, 224, 3) RGB."""
        return np.asarray(self._squares[row])


def cut_squares(
    paths: Sequence[str], reads: Reads, out: Path, *, reader: Reader, progress: Progress | None = None
) -> SquareFile:
    """The head around the main face of each image, or the centre square of the whole, as an analysis cuts them.

    Writes the file `out`; the images are those that the reader read before. Raises `MediaError` for one that is no
    longer there, `NotEnoughDataError` for one without a face.
    """
    squares = np.lib.format.open_memmap(out, "w+", dtype=np.uint8, shape=(len(paths), SQUARE_PX, SQUARE_PX, 3))
    for row, path in enumerate(paths):
        squares[row] = _square(path, reads, reader)
        if progress:
            progress(row + 1, len(paths))
    squares.flush()
    return SquareFile(out)


def _square(path: str, reads: Reads, reader: Reader) -> Image:
    decoded = reader.open(path)
    if reads == "image":
        return image_square(decoded.image)
    found = reader.face(decoded)
    if found is None:
        raise NotEnoughDataError(f"{display_name(path)}: expected a face, got none; was the file changed meanwhile?")
    image, face = found
    return head_squares(image, face, scale=decoded.scale)[0]
