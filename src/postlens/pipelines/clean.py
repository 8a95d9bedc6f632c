"""Tables of posts to a clean table, its duplicates and its failures.

Media are looked at by the stages that copies need and no others, in the store and with the ledger that `analyze` uses:
what one of the two has done the other does not do again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from postlens.config import Settings
from postlens.errors import FetchError, RowError, SourceNotFoundError, TableError, UsageError
from postlens.media.probe import display_name
from postlens.media.urls import normalise_url
from postlens.pipelines.clean_figures import Known, new_figures
from postlens.pipelines.clean_files import CleanTables, write_clean
from postlens.pipelines.clean_links import Entry, Place, link_rows, match_posts, normal_urls
from postlens.pipelines.copies import find_copies, in_order_of_publication
from postlens.pipelines.folder import DOWNLOADS, LOG, STORE_FILE
from postlens.pipelines.ingest import Ingest, Ingested
from postlens.pipelines.process import Processed, Processor, Progress
from postlens.pipelines.run import Runner
from postlens.pipelines.runlog import event, run_log
from postlens.pipelines.stages import all_stages
from postlens.sources.columns import check_mapping
from postlens.sources.protocol import SourceOptions, absolute, clean_handle, failure
from postlens.sources.sheets import SUFFIXES
from postlens.sources.table import TableRow, accepts, no_rows, open_table
from postlens.store import Store
from postlens.store.meta import write_folder
from postlens.store.posts import PostMedia, read_origins, read_post_media, read_posts, read_seen
from postlens.store.snapshots import read_history
from postlens.types import Failure, MediaRef, SourcePost
from postlens.version import __version__
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

STAGES: Final = ("encode", "hash")  # what copies are told by

FORMATS: Final = ("xlsx", "csv")


@dataclass(frozen=True, slots=True)
class CleanRequest:
    """What to clean and where the result goes."""

    tables: tuple[str, ...]
    out: Path
    store: str | None = None  # default: STORE_FILE in `out`
    creator: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)  # noun to column name
    format: str = "xlsx"  # one of FORMATS
    verbose: bool = False

    @property
    def store_location(self) -> str:
        """Path or URL of the store."""
        return self.store or str(self.out / STORE_FILE)


@dataclass(frozen=True, slots=True)
class CleanSummary:
    """How a run went."""

    n_rows: int  # that are not empty
    n_posts: int  # first occurrences
    duplicates: Mapping[str, int]  # number of later ones by reason
    earlier: Mapping[str, int]  # of them, by the table of an earlier run that has the first
    n_updated: int  # posts of which a later occurrence has new figures, which the clean table has not
    failures: tuple[Failure, ...]
    n_done: int  # media files looked at in this run
    n_skipped: int  # media files whose features were up to date
    seconds: float
    files: tuple[Path, ...]

    @property
    def n_duplicates(self) -> int:
        """Rows that are later occurrences."""
        return sum(self.duplicates.values())

    @property
    def n_failed(self) -> int:
        """Files, rows and tables that failed."""
        return len({one.subject for one in self.failures})

    @property
    def succeeded(self) -> bool:
        """Whether any row names a post."""
        return self.n_posts + self.n_duplicates > 0


def clean(
    request: CleanRequest, *, settings: Settings, progress: Progress | None = None, now: datetime | None = None
) -> CleanSummary:
    """Normalise addresses, look for copies, and write first occurrences, duplicates and failures.

    The first occurrence is the earliest published; of posts without a time the one that was met first, in this run or
    an earlier one on the same store. A row that copies a post of an earlier table is listed with that table and row.
    Running it again on the same tables changes nothing.

    Raises:
        UsageError: no table, something that is none, an unknown column in the mapping, or a folder that cannot be
            written.
        StoreError: the store cannot be opened or written.
    """
    _check(request)
    started = time.perf_counter()
    _make_folder(request.out)
    with run_log(request.out, verbose=request.verbose), Store.open(request.store_location) as store:
        event("start", version=__version__, verb="clean", sources=request.tables, store=store.name)
        with store.write() as conn:
            write_folder(conn, str(request.out.resolve()))
            known = Known.read(conn)
        reader = _Reader(request, settings)
        at = now or datetime.now(UTC)
        downloads = request.out / DOWNLOADS
        ingest = Ingest(store, settings=settings, downloads=downloads, now=at, tells_repeats=False)
        ingested = ingest.run(reader.items())
        processed = _process(store, ingested, settings, now=at, progress=progress)
        failures = (*ingested.failures, *ingested.at_every_place(processed.failures))
        found = _tables(store, reader, ingested, failures, known)
        cut, files = write_clean(found, request.out, form=request.format)
        failures += cut
        summary = _summary(found, failures, processed, files, seconds=time.perf_counter() - started)
        event(
            "end", rows=summary.n_rows, posts=summary.n_posts, duplicates=summary.n_duplicates, failed=summary.n_failed
        )
    return summary


def _check(request: CleanRequest) -> None:
    if not request.tables:
        raise UsageError(f"expected at least one table ({', '.join(sorted(SUFFIXES))})")
    for table in request.tables:
        if not accepts(table):
            raise UsageError(
                f"{display_name(table)}: expected a table ({', '.join(sorted(SUFFIXES))}); files and folders are for "
                "`postlens analyze`"
            )
    if request.format not in FORMATS:
        raise UsageError(f"expected the format {' or '.join(FORMATS)}, got {request.format!r}")
    check_mapping(request.mapping)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LOG).touch()
    except OSError as error:
        raise UsageError(f"expected an output folder that can be written at {out}, got: {error.strerror}") from error


# --- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the tables once: posts and failures for the store, rows for the clean table."""

    def __init__(self, request: CleanRequest, settings: Settings) -> None:
        self.entries: list[Entry] = []
        self._tables = tuple(dict.fromkeys(absolute(spec) for spec in request.tables))
        self._names = tuple(display_name(spec) for spec in self._tables)
        self._options = SourceOptions(
            creator=clean_handle(display_name(request.creator)) if request.creator else None,
            mapping=dict(request.mapping),
            metric_columns=settings.metric_columns,
        )

    def items(self) -> Iterator[SourcePost | Failure]:
        """All tables in order; fills `entries`."""
        for spec in self._tables:
            yield from self._table(spec)

    def is_elsewhere(self, origin: str) -> bool:
        """Whether the origin of a post is a row of a table that is none of these."""
        place = Place.of(origin)
        here = place is not None and any(
            place.table == one or place.table.startswith(f"{one}, ") for one in self._names
        )
        return place is not None and not here

    def _table(self, spec: str) -> Iterator[SourcePost | Failure]:
        name = display_name(spec)
        if not Path(spec).exists():
            yield failure(name, SourceNotFoundError(f"{name}: there is no such file; check the path"))
            return
        try:
            table = open_table(spec, self._options)
        except TableError as error:
            yield failure(name, error)
            return
        yield from table.remarks
        n_posts = 0
        for row in table.rows:
            self.entries.append(Entry(table, row))
            n_posts += row.post is not None
            yield from (*row.items, *_broken_urls(row))
        if n_posts == 0:
            yield no_rows(name)


def _broken_urls(row: TableRow) -> Iterator[Failure]:
    """Addresses beside a path that are none; those that stand for the media are told when they are fetched."""
    beside = row.urls if row.post is not None and row.urls != row.post.media else ()
    for ref in beside:
        try:
            normalise_url(str(ref.url))
        except FetchError as error:
            message = f"{row.origin}: {error} (the post is kept without it)"
            yield failure(row.origin, RowError(message))


# --- looking ---------------------------------------------------------------------------------------------------------


def _process(
    store: Store, ingested: Ingested, settings: Settings, *, now: datetime, progress: Progress | None
) -> Processed:
    """Bring what copies need up to date."""
    with Runner([stage for stage in all_stages() if stage.name in STAGES], settings) as runner:
        processor = Processor(store, runner, encoder=load_spec(ENCODER).fingerprint)
        return processor.run(ingested.paths, now=now, progress=progress)


# --- linking ---------------------------------------------------------------------------------------------------------


def _tables(
    store: Store, reader: _Reader, ingested: Ingested, failures: Sequence[Failure], known: Known
) -> CleanTables:
    """What the rows are, seen with the posts of other tables in the store.

    Rows of creators who were forgotten are in none. Posts that a table of this run listed before it was changed are
    not looked at: the table as it is now stands for itself.
    """
    own = set(ingested.post_ids)
    told = [one for one in reader.entries if one.found.post is None or one.found.post.post_id in own]
    usable = [one for one in told if one.is_usable]
    with store.write() as conn:  # what was compared is kept
        origins = {post_id: text for post_id, text in read_origins(conn).items() if reader.is_elsewhere(text)}
        posts = [post for post in read_posts(conn) if post.post_id in own or post.post_id in origins]
        ordered = in_order_of_publication(posts, seen=read_seen(conn))
        copies = find_copies(conn, ordered)
        refs = _refs(read_post_media(conn))
        news = new_figures(told, known, read_history(conn, own))
    urls = {post_id: normal_urls(media) for post_id, media in refs.items()}
    urls |= {one.found.post.post_id: one.urls for one in reversed(usable) if one.found.post is not None}
    matches = match_posts([post.post_id for post in ordered], urls, copies)
    names = {post_id: media[0].name for post_id, media in refs.items()}
    links = link_rows(usable, matches, origins=origins, media=names)
    by_id = dict(zip(map(id, usable), links, strict=True))
    return CleanTables.of(told, by_id, failures, hidden=_hidden(reader, told), news=news)


def _refs(items: Sequence[PostMedia]) -> dict[str, list[MediaRef]]:
    """Media of posts in order."""
    found: dict[str, list[MediaRef]] = {}
    for item in items:
        found.setdefault(item.post_id, []).append(item.ref)
    return found


def _hidden(reader: _Reader, told: Sequence[Entry]) -> set[str]:
    """Rows that must not be told."""
    return {one.found.origin for one in reader.entries} - {one.found.origin for one in told}


def _summary(
    found: CleanTables, failures: Sequence[Failure], done: Processed, files: tuple[Path, ...], *, seconds: float
) -> CleanSummary:
    here = {one.place.table for one in found.entries}
    links = [link for _, link in found.duplicates]
    return CleanSummary(
        n_rows=len(found.entries),
        n_posts=len(found.posts),
        duplicates=dict(Counter(link.reason for link in links)),
        earlier=dict(Counter(link.first.table for link in links if link.first.table not in here)),
        n_updated=found.n_updated,
        failures=tuple(failures),
        n_done=done.n_done,
        n_skipped=done.n_skipped,
        seconds=seconds,
        files=files,
    )
