"""Small stages and media for tests of the pipeline: real records through the real runner, without a model."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from postlens.config import Settings
from postlens.media.hashing import sha256_file
from postlens.pipelines.process import Processed, Processor
from postlens.pipelines.run import Runner
from postlens.pipelines.stage import MediaBatch, MediaWork, Stage
from postlens.store import Store

from ..media.samples import encoded, photo

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENCODER = "no-encoder"


@dataclass
class FakeStage:
    """Writes a measure of its own name; counts what it saw; fails for the media named in `bad`."""

    name: str
    needs: tuple[str, ...] = ()
    version: str = "1"
    fingerprint: str = "model-1"
    bad: frozenset[str] = frozenset()  # sha256
    stops: bool = False  # raises KeyboardInterrupt in the worker
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """The mean of the middle frame under the stage's name; all or nothing."""
        if self.bad.intersection(work.sha256 for work in batch):
            raise ValueError(f"{self.name} cannot read this")
        if self.stops:
            raise KeyboardInterrupt
        with self._lock:
            self.seen.update(work.sha256 for work in batch)
        return tuple(self._measured(work) for work in batch)

    def _measured(self, work: MediaWork) -> MediaWork:
        value = float(work.frames.images[0].mean()) + float(self.version)
        return work.with_features(measures={**(work.features.measures or {}), self.name: value})


def chain(*names: str) -> tuple[FakeStage, ...]:
    """Stages that each need the one before."""
    return tuple(FakeStage(name, needs=names[max(0, i - 1) : i]) for i, name in enumerate(names))


def settings(**changes: object) -> Settings:
    """Settings that no environment and no file of the developer's can change."""
    return Settings(**{"workers": 2, "commit_every": 2, **changes})


def pictures(folder: Path, n: int, *, first: int = 0) -> dict[str, str]:
    """sha256 to path of n small photos."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [picture(folder / f"{number}.png", seed=number) for number in range(first, first + n)]
    return {sha256_file(path): str(path) for path in paths}


def picture(path: Path, *, seed: int) -> Path:
    """One small photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(photo(24, 16, seed=seed), "PNG"))
    return path


def process(store: Store, stages: tuple[Stage, ...], paths: dict[str, str], **changes: object) -> Processed:
    """Bring the media up to date through the real runner."""
    with Runner(stages, settings(**changes)) as runner:
        return Processor(store, runner, encoder=ENCODER).run(paths, now=NOW)
