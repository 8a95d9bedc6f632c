"""Labelled image files to the squares that product nets are trained on, in one file that worker processes share."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from postlens.tasks.products.pixels import SQUARE_PX
from postlens.types import Image, IntArray


class SquareFile:
    """Squares (N, 224, 224, 3) uint8 in a .npy file, read from disk as they are asked for (0.15 MB each)."""

    def __init__(self, path: Path, rows: IntArray | None = None) -> None:
        """rows (N,): those that count, in their order; default: all.

        Raises `ValueError`, `OSError` for a file that is no array.
        """
        self._path, self._rows = path, rows
        self._squares = np.load(path, mmap_mode="r", allow_pickle=False)

    def __len__(self) -> int:
        return len(self._squares if self._rows is None else self._rows)

    def __reduce__(self) -> tuple[type[SquareFile], tuple[Path, IntArray | None]]:
        """A worker process opens the file itself."""
        return SquareFile, (self._path, self._rows)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any pixel."""
        digest = hashlib.sha256()
        for row in range(len(self)):
            digest.update(self.image(row).tobytes())
        return digest.hexdigest()[:16]

    def image(self, row: int) -> Image:
        """uint8 (224, 224, 3) RGB."""
        return np.asarray(self._squares[row if self._rows is None else self._rows[row]])


def new_squares(path: Path, n: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    """An array (n, 224, 224, 3) in a new .npy file, black until `products_vectors.Reader.read` fills it."""
    return np.lib.format.open_memmap(path, "w+", dtype=np.uint8, shape=(n, SQUARE_PX, SQUARE_PX, 3))
