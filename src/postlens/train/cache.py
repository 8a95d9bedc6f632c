"""A training cache: labelled pictures of one size, decoded once, read fast in any order.

`build_cache` makes it (`train.cache_build`), `ImageCache` reads it. Which form to choose is measured by
`benchmarks/training_input.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from postlens.errors import CacheError
from postlens.media.hashing import sha256_file
from postlens.media.probe import display_name
from postlens.train.cache_build import build_cache
from postlens.train.cache_manifest import MANIFEST, CacheForm, CacheManifest, read_manifest
from postlens.train.labels import LabelledImages
from postlens.train.shards import Shards
from postlens.types import Image

__all__ = ["CacheForm", "CacheManifest", "ImageCache", "build_cache", "is_cache"]


def is_cache(folder: Path) -> bool:
    """Whether the folder holds a finished training cache."""
    return (folder / MANIFEST).is_file()


class ImageCache:
    """The pictures of a finished cache, by row number; may be handed to worker processes."""

    def __init__(self, folder: Path, manifest: CacheManifest) -> None:
        self.manifest = manifest
        self._folder = folder
        self._files = [shard.file or "" for shard in manifest.shards]
        self._ends = np.cumsum([len(shard.rows) for shard in manifest.shards])
        self._shards = Shards(folder)

    @classmethod
    def open(cls, folder: Path) -> ImageCache:
        """Read the manifest and see that every shard is there. Raises `CacheError`."""
        manifest = read_manifest(folder)
        for shard in manifest.shards:
            path = folder / (shard.file or "")
            if shard.file is not None and not (path.is_file() and path.stat().st_size == shard.n_bytes):
                raise _spoilt(path, f"a shard of {shard.n_bytes:,} bytes")
        return cls(folder, manifest)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def size_px(self) -> int:
        """Side of the square that the cache was made for."""
        return self.manifest.form.size_px

    @property
    def side_px(self) -> int:
        """Side of the stored pictures: `size_px` and the margin."""
        return self.manifest.form.side_px

    @property
    def fingerprint(self) -> str:
        """Of the manifest: changes with the files, and with the form that the cache has."""
        return self.manifest.fingerprint

    @property
    def hashes(self) -> tuple[str, ...]:
        """sha256 of the file that each picture was made from."""
        return tuple(row.sha256 for row in self.manifest.rows)

    @property
    def labelled(self) -> LabelledImages:
        """Paths, labels and groups of the pictures, row for row, and all failures."""
        rows, classes = self.manifest.rows, self.manifest.classes
        number = {label: k for k, label in enumerate(classes)}
        return LabelledImages(
            paths=tuple(row.path for row in rows),
            labels=np.array([number[row.label] for row in rows], dtype=np.int64),
            groups=tuple(row.group for row in rows),
            classes=classes,
            failures=self.manifest.all_failures,
        )

    def image(self, row: int) -> Image:
        """A copy of one picture, uint8 (side_px, side_px, 3) RGB. Raises `IndexError` outside of 0 .. len - 1."""
        if not 0 <= row < len(self):
            raise IndexError(f"expected a row from 0 to {len(self) - 1}, got {row}")
        shard = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[shard - 1]) if shard else 0
        return self._shards.image(self._files[shard], row - start)

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Read every shard and compare its sha256 with the manifest. Raises `CacheError` for the first that differs."""
        for done, shard in enumerate(self.manifest.shards, start=1):
            if shard.file is not None and sha256_file(self._folder / shard.file) != shard.sha256:
                raise _spoilt(self._folder / shard.file, f"sha256 {shard.sha256}")
            if progress is not None:
                progress(done, len(self.manifest.shards))


def _spoilt(path: Path, expected: str) -> CacheError:
    return CacheError(
        f"{display_name(path)}: expected {expected}, but it is absent or damaged; delete it and run "
        "`postlens preprocess` again: only this shard is made anew"
    )
