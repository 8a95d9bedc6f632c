"""Media to stored features: plan what is stale, run it, commit it batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

from postlens.config import Settings
from postlens.errors import PartialMediaError, PostlensError
from postlens.media.probe import display_name, kind_of
from postlens.media.runs import VIDEO_VERSION
from postlens.pipelines.plan import WorkItem, stale_stages
from postlens.pipelines.run import Outcome, Runner
from postlens.pipelines.runlog import event
from postlens.pipelines.stage import Stage
from postlens.store import Store
from postlens.store.features import read_features, write_features
from postlens.store.ledger import mark_done, stale
from postlens.store.media import read_kinds, read_partial
from postlens.tasks.products.model import looks_fingerprint
from postlens.types import Failure, MediaFeatures, MediaKind, Provenance
from postlens.version import __version__

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Processed:
    """What became of the media of a run."""

    n_done: int = 0
    n_skipped: int = 0
    failures: list[Failure] = field(default_factory=list)  # and media of which only a part could be decoded
    seconds: float = 0.0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)


class Processor:
    """Brings the features of media in a store up to date."""

    def __init__(self, store: Store, runner: Runner, *, encoder: str) -> None:
        """`encoder`: fingerprint of the one whose vectors are kept. The runner is not closed here."""
        self._store = store
        self._runner = runner
        self._stages = runner.stages
        self._settings = runner.settings
        self._encoder = encoder
        self._looks_by = looks_fingerprint()

    def plan(self, paths: Mapping[str, str]) -> tuple[WorkItem, ...]:
        """Work for media (sha256 to path) whose stages are not all done."""
        missing: dict[str, set[str]] = {}
        with self._store.read() as conn:
            kinds = read_kinds(conn, paths)
            for kind in ("image", "video"):
                known = [sha256 for sha256 in paths if kinds.get(sha256) == kind]
                missing |= stale(conn, known, [_key(stage, kind, self._settings) for stage in self._stages])
        missing |= {sha256: {stage.name for stage in self._stages} for sha256 in paths if sha256 not in kinds}
        wanted = stale_stages(missing, self._stages)
        order = [sha256 for sha256 in paths if sha256 in wanted]
        return tuple(WorkItem(name, paths[name], kinds.get(name) or _kind(paths[name]), wanted[name]) for name in order)

    def run(self, paths: Mapping[str, str], *, now: datetime, progress: Progress | None = None) -> Processed:
        """Do what is stale; each commit reports (done, total).

        Media of which only a part could be decoded counts as done, and is told as a failure in every run.
        """
        items = self.plan(paths)
        result = Processed(n_skipped=len(paths) - len(items))
        if items:
            self._work(items, result, now=now, progress=progress)
        result.failures += self._partial(paths, failed={failure.subject for failure in result.failures})
        return result

    def _work(self, items: Sequence[WorkItem], result: Processed, *, now: datetime, progress: Progress | None) -> None:
        event("process", n_items=len(items), n_skipped=result.n_skipped, workers=self._settings.workers)
        started = time.perf_counter()
        n_seen = 0
        for outcomes in self._groups(self._runner.outcomes(items, load=self._stored)):
            self._commit(outcomes, now=now)
            n_seen += len(outcomes)
            result.n_done += sum(not outcome.failures for outcome in outcomes)
            result.failures += [failure for outcome in outcomes for failure in outcome.failures]
            if progress:
                progress(n_seen, len(items))
        result.seconds = time.perf_counter() - started
        result.stage_seconds = dict(self._runner.clock.seconds)

    def _partial(self, paths: Mapping[str, str], *, failed: Set[str]) -> list[Failure]:
        """Media that is stored as a part of what it should be; another failure of the file outranks that."""
        with self._store.read() as conn:
            reasons = read_partial(conn)
        found = [(path, reasons[sha256]) for sha256, path in paths.items() if sha256 in reasons and path not in failed]
        return [Failure.of(path, "decode", _partial_error(path, reason)) for path, reason in found]

    def _groups(self, outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
        """Outcomes by transaction."""
        group: list[Outcome] = []
        for outcome in outcomes:
            group.append(outcome)
            if len(group) >= self._settings.commit_every:
                yield group
                group = []
        if group:
            yield group

    def _stored(self, items: Sequence[WorkItem]) -> dict[str, MediaFeatures]:
        """Features of items whose first stages are fresh."""
        every = len(self._stages)
        partly = [item.sha256 for item in items if len(item.stages) < every]
        if not partly:
            return {}
        with self._store.read() as conn:
            return read_features(conn, partly, fingerprint=self._encoder)

    def _commit(self, outcomes: Sequence[Outcome], *, now: datetime) -> None:
        by_name = {stage.name: stage for stage in self._stages}
        rows = [
            Provenance(*_key(by_name[name], one.item.kind, self._settings), one.item.sha256, now, __version__)
            for one in outcomes
            for name in one.done
        ]
        with self._store.write() as conn:
            found = [outcome.features for outcome in outcomes if outcome.features is not None]
            write_features(conn, *found, looks_by=self._looks_by)
            mark_done(conn, rows)
        failed = [failure for outcome in outcomes for failure in outcome.failures]
        event("commit", n_media=len(outcomes), n_failed=len(failed))
        for failure in failed:
            event("failure", file=failure.subject, stage=failure.stage, error=failure.error)


def _partial_error(path: str, reason: str) -> PartialMediaError:
    return PartialMediaError(
        f"{display_name(path)}: {reason}; the answers are about the part that could be read, copy or download it again"
    )


def _key(stage: Stage, kind: MediaKind, settings: Settings) -> tuple[str, str, str]:
    """Name, version and fingerprint of a stage; how the media is decoded counts like a model."""
    if kind == "image":
        decoding = f"{settings.image_max_side_px}px"
    else:
        frames = f"{settings.video_min_frames}-{settings.video_max_frames}"
        decoding = f"{settings.video_max_side_px}px-{settings.video_rate_hz}hz-{frames}-v{VIDEO_VERSION}"
    return stage.name, stage.version, f"{stage.fingerprint}@{decoding}"


def _kind(path: str) -> MediaKind:
    """Kind by content; what is neither fails when it is decoded, with the reason."""
    try:
        return kind_of(path)
    except PostlensError:
        return "image"
