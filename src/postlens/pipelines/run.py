"""Work items to facts in the store, on the threads of one machine.

Each worker thread decodes a batch and runs the stages with its own models; the calling thread alone writes, one
transaction for every `commit_every` files, features and ledger together. So a killed run leaves whole transactions
only, and the next run goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from postlens.config import Settings
from postlens.errors import ShapeError
from postlens.pipelines.decode import decode_work, thumbnail_of
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.stage import MediaBatch, MediaWork, Stage
from postlens.types import Failure, MediaFeatures

IMAGES_PER_BATCH = 8  # per task of a worker: more holds more frames in memory, fewer hands over more often
BATCHES_AHEAD = 2  # per worker: enough that no worker waits for the writer, few enough to bound memory

log = logging.getLogger("postlens.run")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one work item: its features and the stages that brought them, or failures."""

    item: WorkItem
    features: MediaFeatures | None
    done: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(slots=True)
class Clock:
    """Seconds of thread time by part of the work, summed over the workers."""

    seconds: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, part: str, seconds: float) -> None:
        """Count seconds to a part; safe from any thread."""
        with self._lock:
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds


class Runner:
    """Runs stages over work items with a pool of threads that keep their models between calls."""

    def __init__(self, stages: Sequence[Stage], settings: Settings, *, pool: Executor | None = None) -> None:
        """`pool`: threads that others use too, and that are not ended here; default: own ones."""
        self.stages = tuple(stages)
        self.settings = settings
        self.clock = Clock()
        self._stop = threading.Event()
        self._owns_pool = pool is None
        self._pool = pool or ThreadPoolExecutor(settings.workers, thread_name_prefix="postlens")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop batches that have not begun; those that have stop at their next stage."""
        self._stop.set()
        if self._owns_pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def look(self, items: Sequence[WorkItem]) -> list[Outcome]:
        """Outcomes of a few items in their order, in the calling thread with that thread's models."""
        return self._run_batch(items, {})

    def outcomes(
        self, items: Sequence[WorkItem], *, load: Callable[[Sequence[WorkItem]], dict[str, MediaFeatures]]
    ) -> Iterator[Outcome]:
        """Outcomes as they come, in no particular order; at most a few batches are in flight.

        Args:
            items: what to do.
            load: stored features by sha256, for items whose first stages are fresh; called in the calling thread.
        """
        waiting = iter(_batches(items))
        running: set[Future[list[Outcome]]] = set()
        ahead = BATCHES_AHEAD * self.settings.workers
        try:
            while True:
                while len(running) < ahead and (batch := next(waiting, None)) is not None:
                    running.add(self._pool.submit(self._run_batch, batch, load(batch)))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield from future.result()
        finally:
            for future in running:
                future.cancel()

    def _run_batch(self, items: Sequence[WorkItem], stored: dict[str, MediaFeatures]) -> list[Outcome]:
        """Decode the batch and run its stages; the outermost edge of the work on media."""
        failures: dict[str, Failure] = {}
        work: list[MediaWork] = []
        started = time.perf_counter()
        for item in items:
            try:
                work.append(decode_work(item, settings=self.settings, stored=stored.get(item.sha256)))
            except Exception as error:  # noqa: BLE001  any failure of one file is a row, and the run goes on
                failures[item.sha256] = Failure.of(item.path, "decode", error)
        self.clock.add("decode", time.perf_counter() - started)
        wanted = {item.sha256: item.stages for item in items}
        finished, done, late = self._run_stages(tuple(work), wanted)
        by_sha256 = {one.sha256: one for one in finished}
        found = [(item, failures.get(item.sha256), by_sha256.get(item.sha256)) for item in items]
        return [
            _outcome(item, one, done.get(item.sha256, ()), [failure] if failure else late.get(item.sha256, ()))
            for item, failure, one in found
        ]

    def _run_stages(
        self, work: MediaBatch, wanted: dict[str, frozenset[str]]
    ) -> tuple[MediaBatch, dict[str, list[str]], dict[str, list[Failure]]]:
        """Run each stage on the media that want it; a file that fails a stage skips the stages that need it."""
        done: dict[str, list[str]] = {}
        failed: dict[str, list[Failure]] = {}
        broken: dict[str, set[str]] = {}
        current = {one.sha256: one for one in work}
        for stage in self.stages:
            if self._stop.is_set():
                break
            ready = [
                one
                for sha256, one in current.items()
                if stage.name in wanted[sha256] and not broken.get(sha256, set()).intersection(stage.needs)
            ]
            started = time.perf_counter()
            for one, result in zip(ready, self._try_stage(stage, tuple(ready)), strict=True):
                if isinstance(result, Failure):
                    failed.setdefault(one.sha256, []).append(result)
                    broken.setdefault(one.sha256, set()).add(stage.name)
                else:
                    current[one.sha256] = result
                    done.setdefault(one.sha256, []).append(stage.name)
            self.clock.add(stage.name, time.perf_counter() - started)
            _spread(stage, current, wanted, broken)
        return tuple(current.values()), done, failed

    def _try_stage(self, stage: Stage, batch: MediaBatch) -> list[MediaWork | Failure]:
        """The whole batch at once; when that fails, one by one to find which file it was."""
        if not batch:
            return []
        try:
            stage.setup()
            return _one_each(stage, batch)
        except Exception as error:  # noqa: BLE001  see _run_batch
            if len(batch) == 1:
                return [Failure.of(batch[0].features.media.path, stage.name, error)]
            return [self._try_stage(stage, (one,))[0] for one in batch]


def _one_each(stage: Stage, batch: MediaBatch) -> list[MediaWork | Failure]:
    """What the stage made of the batch; raises `ShapeError` unless that is the same media in the same order."""
    found = stage(batch)
    if [one.sha256 for one in found] != [one.sha256 for one in batch]:
        raise ShapeError(f"stage {stage.name} must return the {len(batch)} media it was given, got {len(found)}")
    return list(found)


def _spread(
    stage: Stage, current: dict[str, MediaWork], wanted: dict[str, frozenset[str]], broken: dict[str, set[str]]
) -> None:
    """A stage that could not run because its need broke is broken too."""
    for sha256 in current:
        if stage.name in wanted[sha256] and broken.get(sha256, set()).intersection(stage.needs):
            broken[sha256].add(stage.name)


def _outcome(item: WorkItem, work: MediaWork | None, done: Sequence[str], failures: Sequence[Failure]) -> Outcome:
    """Features with the thumbnail made from the decoded frames, and what failed; without any, where that fails."""
    if work is None:
        return Outcome(item, None, tuple(done), tuple(failures))
    try:
        return Outcome(item, replace(work.features, thumbnail=thumbnail_of(work)), tuple(done), tuple(failures))
    except Exception as error:  # noqa: BLE001  see _run_batch
        return Outcome(item, None, (), (*failures, Failure.of(item.path, "thumbnail", error)))


def _batches(items: Sequence[WorkItem]) -> Iterator[list[WorkItem]]:
    """Images in batches of a few, each video alone: its frames are a batch already."""
    images: list[WorkItem] = []
    for item in items:
        if item.kind == "video":
            yield [item]
            continue
        images.append(item)
        if len(images) == IMAGES_PER_BATCH:
            yield images
            images = []
    if images:
        yield images
