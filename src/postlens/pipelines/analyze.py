"""Sources to a store, tables and a report: the main job."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from postlens.config import Settings
from postlens.errors import StoreError, UsageError
from postlens.media.probe import display_name
from postlens.pipelines.answers import load_tables
from postlens.pipelines.compile import NOTES
from postlens.pipelines.exports import add_failure
from postlens.pipelines.folder import DOWNLOADS, LOG, STORE_FILE, remove_state
from postlens.pipelines.ingest import Ingest, Ingested
from postlens.pipelines.outputs import REPORT, scrub, update_outputs
from postlens.pipelines.process import Processor, Progress
from postlens.pipelines.run import Runner
from postlens.pipelines.runlog import event, run_log
from postlens.pipelines.stage import Stage
from postlens.pipelines.stages import all_stages
from postlens.sources import open_source
from postlens.sources.protocol import absolute
from postlens.store import Store, ledger
from postlens.store.engine import shown_location
from postlens.store.meta import write_folder, write_meta
from postlens.tasks.engagement.model import load_engagement_model, load_ranker
from postlens.tasks.niche.model import load_niche_model
from postlens.tasks.products.model import load_product_models
from postlens.tasks.reactions.model import load_reaction_model
from postlens.types import Failure, SourcePost
from postlens.version import __version__
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

ROW_SIGN = ", "  # between a table and a row of it in the subject of a failure


@dataclass(frozen=True, slots=True)
class Request:
    """What to analyze and where the answers go."""

    sources: tuple[str, ...]
    out: Path
    store: str | None = None  # default: STORE_FILE in `out`
    creator: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)  # noun to column name
    kind: str | None = None  # of source
    verbose: bool = False
    notes: tuple[str, ...] = ()  # what the report says first

    @property
    def store_location(self) -> str:
        """Path or URL of the store."""
        return self.store or str(self.out / STORE_FILE)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run went."""

    n_posts: int
    n_done: int  # media files looked at in this run
    n_skipped: int  # media files whose features were up to date
    failures: tuple[Failure, ...]  # of this run
    seconds: float
    process_seconds: float  # of it, looking at media
    stage_seconds: Mapping[str, float]  # thread time by part, summed over workers
    report: Path

    @property
    def n_failed(self) -> int:
        """Files, rows and sources that failed."""
        return len({failure.subject for failure in self.failures})

    @property
    def succeeded(self) -> bool:
        """Whether anything did."""
        return self.n_done + self.n_skipped > 0

    @property
    def rate(self) -> float:
        """Media files a second while looking at media."""
        return self.n_done / self.process_seconds if self.process_seconds else 0.0


def analyze(
    request: Request, *, settings: Settings, progress: Progress | None = None, now: datetime | None = None
) -> Summary:
    """Read the sources, bring the store up to date, write tables and report; nothing is done twice.

    Raises:
        UsageError: no source, an unknown kind of source or store, an output folder that cannot be written, a catalog,
            an emoji table, or a model of a training that cannot be used.
        ModelError: a model of a training is damaged, or its parts do not belong together.
        StoreError: the store cannot be opened or written; what was committed before stays, and the error also stands
            in `failures.csv` where that can still be written.
    """
    found, store = _open_sources(request, settings), shown_location(request.store_location)
    load_tables(settings)
    if settings.engagement_model is not None:
        load_engagement_model(settings.engagement_model)
    load_ranker(settings.engagement_ranker)
    product_models = load_product_models(settings.product_models)
    stages = all_stages(
        load_niche_model(settings.niche_model).encoder_card,
        product_models=product_models,
        reaction_model=load_reaction_model(settings.reaction_model),
    )
    _make_folder(request.out)
    with run_log(request.out, verbose=request.verbose):
        event("start", version=__version__, sources=request.sources, store=store)
        try:
            return _analyze(request, found, settings, progress, now=now or datetime.now(UTC), stages=stages)
        except StoreError as error:
            event("store_error", error=type(error).__name__, message=str(error))
            _try_to_tell(Failure.of(store, "store", error), request.out)
            raise


def _analyze(
    request: Request,
    found: Iterable[SourcePost | Failure],
    settings: Settings,
    progress: Progress | None,
    *,
    now: datetime,
    stages: Sequence[Stage],
) -> Summary:
    started = time.perf_counter()
    with Store.open(request.store_location) as store, Runner(stages, settings) as runner:
        _prepare(store, request.out)
        ingested = Ingest(store, settings=settings, downloads=request.out / DOWNLOADS, now=now).run(found)
        processor = Processor(store, runner, encoder=load_spec(ENCODER).fingerprint)
        processed = processor.run(ingested.paths, now=now, progress=progress)
        failures = (*ingested.failures, *ingested.at_every_place(processed.failures))
        _replace_failures(store, request, ingested, failures)
        update_outputs(store, request.out, settings=settings, now=now)
    summary = Summary(
        n_posts=len(ingested.post_ids),
        n_done=processed.n_done,
        n_skipped=processed.n_skipped,
        failures=failures,
        seconds=time.perf_counter() - started,
        process_seconds=processed.seconds,
        stage_seconds=processed.stage_seconds,
        report=request.out / REPORT,
    )
    event(
        "end",
        done=summary.n_done,
        skipped=summary.n_skipped,
        failed=summary.n_failed,
        seconds=round(summary.seconds, 3),
        process_seconds=round(summary.process_seconds, 3),
        stage_seconds={part: round(s, 3) for part, s in summary.stage_seconds.items()},
    )
    return summary


def _prepare(store: Store, out: Path) -> None:
    """Remember the folder before anything of the store's creators gets there, and what `forget` had to leave."""
    with store.write() as conn:
        write_folder(conn, str(out.resolve()))
    scrub(store)


def _open_sources(request: Request, settings: Settings) -> Iterable[SourcePost | Failure]:
    """Readers of all sources in order; wrong kinds and mappings are told before anything is written."""
    if not request.sources:
        raise UsageError("expected at least one source: an image, a video, a folder or a table")
    opened = [
        open_source(
            spec,
            creator=request.creator,
            mapping=dict(request.mapping),
            kind=request.kind,
            metric_columns=settings.metric_columns,
        )
        for spec in request.sources
    ]
    return chain.from_iterable(opened)


def _replace_failures(store: Store, request: Request, ingested: Ingested, failures: Sequence[Failure]) -> None:
    """Make the run's failures those of everything it looked at; failures of other sources stay."""
    seen = ingested.subjects.union(f.subject for f in failures)
    roots = {absolute(source) for source in request.sources}
    inside = tuple(f"{root}{sign}" for root in {*roots, *map(display_name, roots)} for sign in (os.sep, ROW_SIGN))
    with store.write() as conn:
        named = seen | roots | set(request.sources)  # a source that was not there is told as it was typed
        old = [f for f in ledger.read_failures(conn) if f.subject in named or f.subject.startswith(inside)]
        if set(old) != set(failures):
            ledger.clear_failures(conn, [f.subject for f in old])
            ledger.write_failures(conn, failures)
        if request.notes:
            write_meta(conn, NOTES, json.dumps(request.notes))


def _try_to_tell(failure: Failure, out: Path) -> None:
    """Add a failure of the store to `failures.csv`, if the folder can still be written; the next run writes it anew."""
    with contextlib.suppress(OSError):
        remove_state(out)
        add_failure(failure, out)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LOG).touch()
    except OSError as error:
        raise UsageError(f"expected an output folder that can be written at {out}, got: {error.strerror}") from error
