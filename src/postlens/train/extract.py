"""Images of a source, a labelled folder or a training cache to a file of their vectors, by ONNX models alone.

No torch: what a training exported is run as the product runs it. Images are read, encoded and written piece by piece.
"""

from __future__ import annotations

import csv
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from postlens.config import Settings
from postlens.errors import MediaError, SettingsError
from postlens.tasks.niche.model import NicheModel, read_run, shipped_model
from postlens.train.extract_items import ImageItem, list_images
from postlens.train.feature_file import ImageFeatures, check_target, open_writer
from postlens.types import Failure, FloatArray
from postlens.vision.encoder import prepare

STAGE = "extract"  # of the failures
CHUNK = 16  # images of one task of a worker: more hold more decoded images in memory, fewer hand over more often
CHUNKS_AHEAD = 2  # per worker: enough that none waits for the writer
FAILURE_HEADER = ("file", "stage", "error", "message")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Extracted:
    """How an extraction went."""

    out: Path
    n: int  # vectors written
    dim: int
    fingerprint: str  # of what made the vectors
    failures: tuple[Failure, ...]  # images and rows without a vector
    failures_file: Path | None  # lists them; None: there are none
    seconds: float


def extract(
    source: str,
    out: Path,
    *,
    run: Path | None = None,
    projected: bool = False,
    labelled: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Extracted:
    """Write the vector of every image to `out` (`.npz` or `.parquet`, columns as `feature_file.ImageFeatures`).

    Args:
        source: as `extract_items.list_images` reads it; `labelled`: sub-folders are labels, not creators.
        run: folder of a training whose encoder is used; default: the shipped encoder.
        projected: vectors after the run's learned projection (`feature_dim` wide) instead of the backbone's own.
        progress: called with the images done, and how many there are where that is known beforehand.

    Raises:
        UsageError: a name of `out` with another suffix, or in a folder that cannot be written.
        SettingsError: the run cannot be used, has no projection, or the cache holds pictures smaller than it takes.
        ModelError: files of the run are damaged or of several runs.
        SourceError: nothing can be read from the source.
    """
    check_target(out)
    settings, started = settings or Settings.load(), time.perf_counter()
    model = shipped_model() if run is None else read_run(run)
    dim, fingerprint = _target(model, projected=projected)
    listed = list_images(source, size_px=model.encoder.input_size[1], labelled=labelled, settings=settings)
    encode = _Encode(model, projected=projected)
    failures: list[Failure] = []
    n_done = n_seen = 0
    with open_writer(out, dim=dim, fingerprint=fingerprint) as writer:
        for items, vectors, failed in _encoded(listed.items, encode, workers=settings.workers):
            writer.append(_columns(items, vectors, fingerprint))
            failures += failed
            n_done += len(items)
            n_seen += len(items) + len(failed)
            if progress is not None:
                progress(n_seen, listed.n_images)
    failures_file = write_failures(failures, out)
    seconds = time.perf_counter() - started
    return Extracted(out, n_done, dim, fingerprint, tuple(failures), failures_file, seconds)


def _target(model: NicheModel, *, projected: bool) -> tuple[int, str]:
    """Width of the vectors, and the fingerprint of the model that makes them."""
    if not projected:
        return int(model.encoder.dim or 0), model.encoder.fingerprint
    if "projected" not in model.head.outputs:
        raise SettingsError(
            f"expected a run with a learned projection, got the head {model.head.name} at {model.head_card.parent} "
            "without one; train with feature_dim in the recipe, or leave --projected out"
        )
    return int(model.head.dim or 0), model.head.fingerprint


class _Encode:
    """A chunk of items to those that could be read, their vectors, and failures; safe from any thread."""

    def __init__(self, model: NicheModel, *, projected: bool) -> None:
        self._model = model
        self._projected = projected

    def __call__(self, chunk: Sequence[ImageItem | Failure]) -> tuple[list[ImageItem], FloatArray, list[Failure]]:
        encoder = self._model.open_encoder()
        batch, items, failures = [], [], []
        for item in chunk:
            if isinstance(item, Failure):
                failures.append(item)
                continue
            try:
                batch.append(prepare(item.image(), encoder.spec))
            except MediaError as error:
                failures.append(Failure.of(item.path, STAGE, error))
            else:
                items.append(item)
        vectors, _ = encoder.embed_prepared(np.stack(batch) if batch else None)
        if self._projected and items:
            vectors = self._model.open_head().run({"features": vectors})["projected"]
        return items, vectors, failures


def _encoded(
    items: Iterable[ImageItem | Failure], encode: _Encode, *, workers: int
) -> Iterator[tuple[list[ImageItem], FloatArray, list[Failure]]]:
    """Chunks in the order of the items; at most a few are in memory."""
    waiting: deque[Future[tuple[list[ImageItem], FloatArray, list[Failure]]]] = deque()
    left = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="postlens-extract")
    try:
        while chunk := list(islice(left, CHUNK)):
            waiting.append(pool.submit(encode, chunk))
            if len(waiting) >= CHUNKS_AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _columns(items: Sequence[ImageItem], vectors: FloatArray, fingerprint: str) -> ImageFeatures:
    return ImageFeatures(
        ids=tuple(item.image_id for item in items),
        posts=tuple(item.post_id for item in items),
        paths=tuple(item.path for item in items),
        creators=tuple(item.creator for item in items),
        labels=tuple(item.label for item in items),
        likes=np.array([item.likes for item in items], np.float64),
        published_at_s=np.array([item.published_at_s for item in items], np.float64),
        caption_length=np.array([item.caption_length for item in items], np.float64),
        vectors=vectors,
        fingerprint=fingerprint,
    )


def failures_path(out: Path) -> Path:
    """`features.npz` to `features_failures.csv`."""
    return out.with_name(f"{out.stem}_failures.csv")


def write_failures(failures: Sequence[Failure], out: Path) -> Path | None:
    """A row for each beside the file of features; without any, a list of an earlier run is removed."""
    path = failures_path(out)
    if not failures:
        path.unlink(missing_ok=True)
        return None
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FAILURE_HEADER)
        writer.writerows((one.subject, one.stage, one.error, one.message) for one in failures)
    return path
