"""Pictures of one size to files of many pictures: plain .npy or compressed .npz."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy

from postlens.types import Image

# zlib's levels differ little on photos (1: 5.6 ms and 74.5 % of the bytes for 224 px, 6: 8.3 ms and 73.8 %, one core).
COMPRESS_LEVEL: Final = 1
# Files held open at once; every worker process has its own. More: fewer to open again, nearer to the limit of 1024.
_MOST_OPEN: Final = 128


def write_npy(path: Path, images: Iterable[Image], *, n_most: int, side_px: int) -> int:
    """Write up to `n_most` pictures as one uint8 (N, side_px, side_px, 3) array, one at a time; returns N."""
    n = 0
    with path.open("wb") as file:
        _write_header(file, n_most, side_px)
        start = file.tell()
        for image in images:
            file.write(np.ascontiguousarray(image).data)
            n += 1
        file.seek(0)
        _write_header(file, n, side_px)
        assert file.tell() == start  # numpy leaves room for the number of rows to grow
        _sync(file)
    return n


def _write_header(file: IO[bytes], n: int, side_px: int) -> None:
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (n, side_px, side_px, 3)})


def write_npz(path: Path, images: Iterable[Image]) -> int:
    """Write pictures as arrays named `00000`, `00001`, ..., each compressed by itself so that it can be read alone."""
    n = 0
    with path.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESS_LEVEL) as archive:
            for image in images:
                with archive.open(f"{n:05d}.npy", "w") as member:
                    npy.write_array(member, np.ascontiguousarray(image))
                n += 1
        _sync(file)
    return n


def _sync(file: IO[bytes]) -> None:
    """On the disk, so that a file that has its final name is whole even after a power cut."""
    file.flush()
    os.fsync(file.fileno())


class Shards:
    """Reads pictures of shard files: .npy through memory maps, .npz one compressed picture at a time.

    Files are opened when first needed, in each process anew: a file handle must not be shared after a fork.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._pid = os.getpid()

    def image(self, file: str, row: int) -> Image:
        """A copy of one picture, uint8 (H, W, 3)."""
        shard = self._shard(file)
        return np.array(shard[f"{row:05d}"] if file.endswith(".npz") else shard[row])

    def _shard(self, file: str) -> Any:
        if self._pid != os.getpid():
            self._open, self._pid = OrderedDict(), os.getpid()
        if file not in self._open:
            path = self._folder / file
            self._open[file] = np.load(path, mmap_mode=None if file.endswith(".npz") else "r", allow_pickle=False)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        self._open.move_to_end(file)
        return self._open[file]

    def __getstate__(self) -> dict[str, Any]:
        return {"_folder": self._folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_folder"])  # type: ignore[misc]
