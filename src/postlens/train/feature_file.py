"""Vectors of images with what is known of each, to one `.npz` or Parquet file and back.

Both hold the columns of `ImageFeatures`. Vectors are written as they come, so that memory holds no more than a piece of
them; the file takes its name only when it is whole.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError, SourceNotFoundError, TableError, UsageError
from postlens.media.probe import StrPath, display_name
from postlens.types import Columns, FloatArray

SUFFIXES: Final = (".npz", ".parquet")
ROWS_PER_PART: Final = 8192  # of a Parquet file: 40 MiB of vectors of 1280 numbers; more hold more in memory
TEXTS: Final = ("ids", "posts", "paths", "creators", "labels")
NUMBERS: Final = ("likes", "published_at_s", "caption_length")

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageFeatures(Columns):
    """Images as columns of equal length N."""

    ids: tuple[str, ...]  # each once: the post's, and for further images of a post their number
    posts: tuple[str, ...]  # images of one post share it
    paths: tuple[str, ...]
    creators: tuple[str, ...]  # account, or source of labelled photos
    labels: tuple[str, ...]  # "" where not known
    likes: Float  # of the post, NaN where not known
    published_at_s: Float  # seconds since 1970 in UTC, NaN where not known
    caption_length: Float  # characters, NaN where not known
    vectors: FloatArray  # (N, D)
    fingerprint: str  # of the encoder; of the head where its projection made the vectors

    def __post_init__(self) -> None:
        n = len(self.ids)
        lengths = {name: len(getattr(self, name)) for name in (*TEXTS, *NUMBERS, "vectors")}
        if set(lengths.values()) != {n} or self.vectors.ndim != 2:
            raise ShapeError(f"expected {n} rows in all columns and vectors (N, D), got {lengths}")


class FeatureWriter(Protocol):
    """Takes rows, piece by piece."""

    def append(self, rows: ImageFeatures) -> None:
        """Write more rows, of the same width and encoder."""

    def finish(self, target: Path) -> None:
        """Put all rows into the file."""


def check_target(path: Path) -> None:
    """Raise `UsageError` unless the file's name says in which form to write it."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"expected --out with a name in {' or '.join(SUFFIXES)}, got {path.name}")


@contextmanager
def open_writer(path: Path, *, dim: int, fingerprint: str) -> Iterator[FeatureWriter]:
    """A writer of vectors (N, dim); the file is there when the block ends without an error, else what was there before.

    Raises:
        UsageError: another suffix than `.npz` and `.parquet`, or a folder that cannot be written.
    """
    check_target(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise UsageError(f"expected a folder that can be written at {path.parent}, got: {error.strerror}") from error
    kind = NpzWriter if path.suffix.lower() == ".npz" else ParquetWriter
    try:
        writer: FeatureWriter = kind(folder, dim=dim, fingerprint=fingerprint)
        yield writer
        whole = folder / "whole"
        writer.finish(whole)
        whole.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class NpzWriter:
    """Vectors go to a raw file, which is then copied into the archive; the other columns are held."""

    def __init__(self, folder: Path, *, dim: int, fingerprint: str) -> None:
        self._raw = folder / "vectors"
        self._raw.touch()
        self._dim, self._fingerprint = dim, fingerprint
        self._texts: dict[str, list[str]] = {name: [] for name in TEXTS}
        self._numbers: dict[str, list[Float]] = {name: [] for name in NUMBERS}

    def append(self, rows: ImageFeatures) -> None:
        """Add the vectors to the raw file."""
        with self._raw.open("ab") as file:
            file.write(np.ascontiguousarray(rows.vectors, "<f4").tobytes())
        for name in TEXTS:
            self._texts[name] += getattr(rows, name)
        for name in NUMBERS:
            self._numbers[name].append(getattr(rows, name))

    def finish(self, target: Path) -> None:
        """Pack all columns; the vectors uncompressed, since floats hardly shrink."""
        texts = {name: np.array(values, dtype=np.str_) for name, values in self._texts.items()}
        numbers = {name: np.concatenate([np.zeros(0), *parts]) for name, parts in self._numbers.items()}
        with zipfile.ZipFile(target, "w") as archive:
            columns: dict[str, NDArray[Any]] = {**texts, **numbers, "fingerprint": np.array(self._fingerprint)}
            for name, values in columns.items():
                with _entry(archive, name, zipfile.ZIP_DEFLATED) as file:
                    np.lib.format.write_array(file, values, allow_pickle=False)
            with _entry(archive, "vectors", zipfile.ZIP_STORED) as file, self._raw.open("rb") as raw:
                shape = (len(self._texts["ids"]), self._dim)
                head = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, head)
                shutil.copyfileobj(raw, file)


def _entry(archive: zipfile.ZipFile, name: str, compression: int) -> IO[bytes]:
    info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: equal rows give equal bytes
    info.compress_type = compression
    return archive.open(info, "w", force_zip64=True)


class ParquetWriter:
    """Rows go to parts, which are then streamed into one file."""

    def __init__(self, folder: Path, *, dim: int, fingerprint: str) -> None:
        self._folder, self._dim, self._fingerprint = folder, dim, fingerprint
        self._waiting: list[Any] = []
        self._n_parts = 0

    def append(self, rows: ImageFeatures) -> None:
        """Keep rows until there are enough for a part."""
        self._waiting.append(self._frame(rows))
        if sum(map(len, self._waiting)) >= ROWS_PER_PART:
            self._flush()

    def _frame(self, rows: ImageFeatures) -> Any:
        import polars as pl

        columns: dict[str, Any] = {name: pl.Series(list(getattr(rows, name)), dtype=pl.String) for name in TEXTS}
        columns |= {name: pl.Series(getattr(rows, name)).fill_nan(None) for name in NUMBERS}
        vectors = pl.Series(rows.vectors.reshape(len(rows), self._dim), dtype=pl.Array(pl.Float32, self._dim))
        return pl.DataFrame(columns | {"vectors": vectors}).with_columns(fingerprint=pl.lit(self._fingerprint))

    def _flush(self) -> None:
        import polars as pl

        if self._waiting:
            pl.concat(self._waiting).write_parquet(self._folder / f"{self._n_parts:06d}.parquet")
            self._n_parts += 1
            self._waiting = []

    def finish(self, target: Path) -> None:
        """Join the parts; a file without rows has all columns."""
        import polars as pl

        if not self._n_parts and not self._waiting:
            self._waiting = [self._frame(_none(self._dim, self._fingerprint))]
        self._flush()
        parts = [self._folder / f"{number:06d}.parquet" for number in range(self._n_parts)]
        pl.scan_parquet(parts).sink_parquet(target)


def _none(dim: int, fingerprint: str) -> ImageFeatures:
    empty = np.zeros(0)
    return ImageFeatures((), (), (), (), (), empty, empty, empty, np.zeros((0, dim), np.float32), fingerprint)


def read_features(path: StrPath) -> ImageFeatures:
    """All rows of a file that `postlens extract` wrote.

    Raises:
        SourceNotFoundError: no such file.
        TableError: it is damaged, or holds other columns.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"{display_name(path)}: expected a file of features; run `postlens extract` first")
    try:
        return ImageFeatures(**(_read_npz(path) if path.suffix.lower() == ".npz" else _read_parquet(path)))
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        names = ", ".join(f.name for f in fields(ImageFeatures))
        raise TableError(
            f"{display_name(path)}: expected features with the columns {names}, got other or damaged data ({error}); "
            "run `postlens extract` again"
        ) from error


def _read_npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        texts: dict[str, Any] = {name: tuple(file[name].tolist()) for name in TEXTS}
        numbers = {name: file[name] for name in (*NUMBERS, "vectors")}
        return texts | numbers | {"fingerprint": str(file["fingerprint"])}


def _read_parquet(path: Path) -> dict[str, Any]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
        texts: dict[str, Any] = {name: tuple(frame[name].to_list()) for name in TEXTS}
        numbers = {name: frame[name].cast(pl.Float64).to_numpy().copy() for name in NUMBERS}
        prints = frame["fingerprint"].unique().to_list()
        vectors = np.array(frame["vectors"].to_numpy(), np.float32).reshape(len(frame), -1)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if len(prints) > 1:
        raise ValueError(f"vectors of several encoders: {', '.join(sorted(prints))}")
    return texts | numbers | {"vectors": vectors, "fingerprint": prints[0] if prints else ""}
