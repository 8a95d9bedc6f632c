"""Labelled images to a training cache: decoded, cropped and resized once, kept as shards; stopped and resumed anywhere.

A shard is made whole under a temporary name, renamed, and entered in the journal; the manifest is written last. So a
kill at any time loses at most the shards being made, and a run after it, or after a change of the files, makes only
the shards that are missing or whose files changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from postlens.config import Settings
from postlens.errors import CacheError, EmptySourceError, MediaError, UsageError
from postlens.media.hashing import sha256_bytes, sha256_file
from postlens.media.image import ImageLimits, decode_image, read_image_bytes
from postlens.media.probe import display_name
from postlens.train.cache_manifest import (
    JOURNAL,
    MANIFEST,
    CachedRow,
    CacheForm,
    CacheManifest,
    Shard,
    journal_line,
    read_journal,
    read_manifest,
    write_manifest,
)
from postlens.train.labels import LabelledImages
from postlens.train.shards import write_npy, write_npz
from postlens.types import Failure, Image
from postlens.vision.encoder import centre_square

STAGE: Final = "preprocess"  # of the failures
# 77 MB of 224-pixel pictures. A shard is made by one thread: more rows leave threads idle at the end and lose more to a
# kill; fewer make more files.
ROWS_PER_SHARD: Final = 512
LOCK: Final = ".lock"

Progress = Callable[[int, int], None]


def build_cache(
    images: LabelledImages,
    out: Path,
    *,
    size_px: int = 224,
    margin_px: int = 0,
    compressed: bool = False,
    rows_per_shard: int = ROWS_PER_SHARD,
    workers: int,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> CacheManifest:
    """Make or bring up to date the cache in the folder `out`.

    Each picture is decoded as `postlens analyze` does, then its centre square is resized as the encoder does: with a
    margin of 0 the stored picture is what the model is given when serving, before the normalisation.

    Args:
        size_px: side of the square that the model takes.
        margin_px: by which stored pictures are larger, so that random crops are not enlarged as much. Evaluation then
            shrinks a second time: the shipped encoder's features kept a cosine of .998 to those of serving.
        compressed: .npz instead of .npy: about 3/4 of the bytes on photos, slower to make and to read.
        workers: threads; each decodes into a shard of its own.
        settings: their `image_max_side_px` and `max_pixels` are those of `postlens analyze`. Default: the defaults.
        progress: told (images done, images in all), one call at a time.

    Raises:
        UsageError: a size that cannot be.
        CacheError: the folder holds a cache of another form or of other images, another run writes to it, or nothing
            can be written.
        EmptySourceError: not one image could be read.
    """
    settings = settings or Settings()
    side_px = size_px + margin_px
    if size_px < 1 or margin_px < 0 or rows_per_shard < 1 or workers < 1:
        got = f"{size_px}, {margin_px}, {rows_per_shard}, {workers}"
        raise UsageError(f"expected a size, rows and workers of 1 or more and a margin of 0 or more, got {got}")
    decode_side_px = max(settings.image_max_side_px, 2 * side_px)  # twice the input, as MAX_SIDE_PX is
    form = CacheForm(size_px, margin_px, compressed, rows_per_shard, decode_side_px)
    limits = ImageLimits(max_pixels=settings.max_pixels)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            return _Build(out, form, limits, progress or (lambda done, total: None)).run(images, workers=workers)
    except OSError as error:
        raise CacheError(
            f"{display_name(out)}: cannot write the cache ({error.strerror or error}); free space or permissions, then "
            "run the same again: it goes on from here"
        ) from error


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Held by one process at a time; freed by the system when it ends, however that comes."""
    with (out / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CacheError(f"{display_name(out)}: another run writes to this cache; wait for it to end") from error
        yield


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The files of one shard."""

    number: int
    key: str
    images: LabelledImages


class _StoppedError(Exception):
    """Ends a thread whose run has failed or was interrupted; nobody hears of it."""


@dataclass(slots=True)
class _Build:
    """One run into one folder."""

    out: Path
    form: CacheForm
    limits: ImageLimits
    progress: Progress
    n_done: int = 0
    n_total: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, images: LabelledImages, *, workers: int) -> CacheManifest:
        """Make what is missing, then the manifest."""
        found = {shard.key: shard for shard in self._known(images) if self._is_there(shard)}
        chunks = list(_chunks(images, self.form))
        kept = {chunk.key for chunk in chunks} & found.keys()
        self._start_journal([found[key] for key in sorted(kept)])
        self.n_total = len(images)
        self._count(sum(len(chunk.images) for chunk in chunks if chunk.key in kept))
        self._make([chunk for chunk in chunks if chunk.key not in found], found, workers=workers)
        shards = tuple(_labelled(found[chunk.key], chunk.images) for chunk in chunks)
        manifest = CacheManifest(self.form, images.classes, shards, images.failures, len(chunks) - len(kept))
        if not manifest.rows:
            raise EmptySourceError(
                f"expected images that can be decoded, got none of {len(images)}; the first: "
                f"{manifest.all_failures[0].message if manifest.all_failures else 'no image is listed'}"
            )
        write_manifest(manifest, self.out)
        self._tidy(manifest)
        return manifest

    def _known(self, images: LabelledImages) -> list[Shard]:
        """Shards of earlier runs. Raises `CacheError` when they are of another form or share no image with this one."""
        form, shards = read_journal(self.out)
        if (self.out / MANIFEST).is_file():
            finished = read_manifest(self.out)
            form, shards = form or finished.form, [*finished.shards, *shards]
        if form is not None and form != self.form:
            raise CacheError(
                f"{display_name(self.out)}: expected {_differing(self.form, form)}, got {_differing(form, self.form)}; "
                "name a new folder, or ask for the same again"
            )
        paths = {row.path for shard in shards for row in shard.rows}
        if paths and paths.isdisjoint(images.paths):
            raise CacheError(
                f"{display_name(self.out)}: expected a cache of these images, got one of others (such as "
                f"{display_name(next(iter(paths)))}); name a new folder, or delete this one"
            )
        return shards

    def _is_there(self, shard: Shard) -> bool:
        path = self.out / (shard.file or "")
        return shard.file is None or (path.is_file() and path.stat().st_size == shard.n_bytes)

    def _start_journal(self, shards: Sequence[Shard]) -> None:
        partial = self.out / f"{JOURNAL}.tmp"
        partial.write_text("".join([journal_line(self.form), *map(journal_line, shards)]), encoding="utf-8")
        partial.replace(self.out / JOURNAL)

    def _make(self, chunks: Sequence[_Chunk], found: dict[str, Shard], *, workers: int) -> None:
        """Make shards in threads, entering each in the journal and in `found`."""
        with ThreadPoolExecutor(workers) as pool, (self.out / JOURNAL).open("a", encoding="utf-8") as journal:
            tasks: list[Future[Shard]] = [pool.submit(self._make_shard, chunk) for chunk in chunks]
            try:
                for task in as_completed(tasks):
                    shard = task.result()
                    journal.write(journal_line(shard))
                    journal.flush()
                    found[shard.key] = shard
            finally:  # after an error or Ctrl-C the other threads end at their next image
                self.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _make_shard(self, chunk: _Chunk) -> Shard:
        """Decode the files of a chunk into a file, then give it its name."""
        file = f"{chunk.number:05d}-{chunk.key[:12]}.{'npz' if self.form.compressed else 'npy'}"
        partial, rows, failures = self.out / f"{file}.tmp", [], []

        def pictures() -> Iterator[Image]:
            for place in range(len(chunk.images)):
                if self.stopped.is_set():
                    raise _StoppedError
                result = self._picture(chunk.images.paths[place])
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    rows.append(CachedRow(chunk.images.paths[place], "", "", result[1], place))
                    yield result[0]
                self._count(1)

        if self.form.compressed:
            n = write_npz(partial, pictures())
        else:
            n = write_npy(partial, pictures(), n_most=len(chunk.images), side_px=self.form.side_px)
        if n == 0:
            partial.unlink()
            return Shard(chunk.key, None, "", 0, (), tuple(failures))
        sha256, n_bytes = sha256_file(partial), partial.stat().st_size
        partial.replace(self.out / file)
        return Shard(chunk.key, file, sha256, n_bytes, tuple(rows), tuple(failures))

    def _picture(self, path: str) -> tuple[Image, str] | Failure:
        """The stored picture and the sha256 of its file."""
        side_px = self.form.side_px
        try:
            data = read_image_bytes(path, limits=self.limits)
            decoded = decode_image(
                data, max_side_px=self.form.decode_side_px, limits=self.limits, name=display_name(path)
            )
        except MediaError as error:
            return Failure.of(display_name(path), STAGE, error)
        return centre_square(decoded.image, width_px=side_px, height_px=side_px), sha256_bytes(data)

    def _count(self, n: int) -> None:
        with self.lock:
            self.n_done += n
            self.progress(self.n_done, self.n_total)

    def _tidy(self, manifest: CacheManifest) -> None:
        """Remove the journal and shards that no longer belong to the cache."""
        (self.out / JOURNAL).unlink(missing_ok=True)
        files = {shard.file for shard in manifest.shards}
        for path in self.out.glob("[0-9][0-9][0-9][0-9][0-9]-*.np[yz]*"):
            if path.name not in files:
                path.unlink()


def _differing(form: CacheForm, other: CacheForm) -> str:
    """What a form says otherwise than another."""
    values, others = asdict(form), asdict(other)
    return ", ".join(f"{name} {value}" for name, value in values.items() if others[name] != value)


def _chunks(images: LabelledImages, form: CacheForm) -> Iterator[_Chunk]:
    """The images in pieces of a shard."""
    for number, start in enumerate(range(0, len(images), form.rows_per_shard)):
        part = images[slice(start, start + form.rows_per_shard)]
        text = json.dumps([_stamp(path) for path in part.paths])
        yield _Chunk(number, hashlib.sha256(text.encode()).hexdigest()[:32], part)


def _stamp(path: str) -> tuple[str, int, int]:
    """What changes when a file does, without reading it; zeros where it is not there."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return path, 0, 0
    return path, status.st_size, status.st_mtime_ns


def _labelled(shard: Shard, images: LabelledImages) -> Shard:
    """The shard with the labels and groups that its images have now; its pictures do not depend on them."""
    rows = [
        row._replace(label=images.classes[images.labels[row.place]], group=images.groups[row.place])
        for row in shard.rows
    ]
    return replace(shard, rows=tuple(rows))
