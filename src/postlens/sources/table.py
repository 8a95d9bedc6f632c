"""A table's rows to posts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from postlens.errors import EmptySourceError, RowError, TableError
from postlens.media.probe import display_name
from postlens.sources.cell_media import parse_media
from postlens.sources.cells import is_absent
from postlens.sources.columns import COUNTS, find_columns, find_metrics, is_header
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.sources.sheets import SUFFIXES, Row, Sheet, open_sheet
from postlens.sources.single import is_url
from postlens.sources.table_cells import RowCells
from postlens.sources.table_remarks import table_remarks
from postlens.types import METRICS, UNKNOWN, Failure, MediaRef, SourcePost

_FRACTIONAL: Final = frozenset({"score"})  # every other number counts something


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table and what was read of it."""

    origin: str  # file, sheet and row
    row: Row | None  # `None`: damaged
    post: SourcePost | None
    failures: tuple[Failure, ...] = ()
    urls: tuple[MediaRef, ...] = ()  # of the column url, whether or not it is where the media is

    @property
    def items(self) -> tuple[Item, ...]:
        """As the source gives them."""
        return self.failures if self.post is None else (self.post, *self.failures)


@dataclass(frozen=True, slots=True)
class Table:
    """An open table: its rows in order, and what is odd about it as a whole."""

    path: str  # absolute
    sheet: Sheet
    remarks: tuple[Failure, ...]
    rows: Iterator[TableRow]  # empty ones left out
    figures: frozenset[str]  # names of the columns that are read as numbers

    @property
    def name(self) -> str:
        """File and sheet, as `origin` begins."""
        return display_name(self.path) + (f", sheet {self.sheet.title!r}" if self.sheet.title else "")


def accepts(spec: str) -> bool:
    """Whether the path ends like a table."""
    return Path(spec).suffix.lower() in SUFFIXES and not is_url(spec) and not Path(spec).is_dir()


def open_table(spec: str, options: SourceOptions) -> Table:
    """The table in a file; its rows are read as they are asked for.

    Raises:
        TableError: the file cannot be read as a table, or no row names a column for the media.
    """
    path = absolute(spec)
    sheet = open_sheet(path, is_header=partial(is_header, mapping=options.mapping))
    reader = _RowReader(path, sheet, options)
    found = (reader.read(row) for row in sheet.rows)
    return Table(
        path,
        sheet,
        remarks=tuple(table_remarks(sheet, path, options)),
        rows=(row for row in found if row is not None),
        figures=_figures(sheet.names, options),
    )


def _figures(names: Sequence[str], options: SourceOptions) -> frozenset[str]:
    columns = find_columns(names, options.mapping)
    counts = [columns[name] for name in COUNTS if name in columns]
    return frozenset(names[at] for at in (*counts, *find_metrics(names, options.metric_columns).values()))


def no_rows(name: str) -> Failure:
    """What is said of a table without a post."""
    return failure(name, EmptySourceError(f"{name}: expected rows with media, got none; check the path or url column"))


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """A post for each row that names media.

    A row is kept wherever it can be: a number, time or text that cannot be read becomes None and a failure, a missing
    creator becomes "unknown" and a failure (one for the whole table where it has no such column). A row without media
    is a failure only. Rows with the same platform and post_id, or the same creator and media, are the same post. Where
    the platform is not named, ids count per creator.
    """
    name = display_name(absolute(spec))
    try:
        table = open_table(spec, options)
    except TableError as error:
        yield failure(name, error)
        return
    yield from table.remarks
    n_posts = 0
    for row in table.rows:
        n_posts += row.post is not None
        yield from row.items
    if n_posts == 0:
        yield no_rows(name)


class _RowReader:
    """Reads rows to posts; remembers where the columns are."""

    def __init__(self, path: str, sheet: Sheet, options: SourceOptions) -> None:
        self._folder, self._options = str(Path(path).parent), options
        self._name = display_name(path) + (f", sheet {sheet.title!r}" if sheet.title else "")
        self._says_creator = "creator" in find_columns(sheet.names, options.mapping)
        self._columns: dict[tuple[str, ...], dict[str, int]] = {}
        self._metrics: dict[tuple[str, ...], dict[str, int]] = {}

    def read(self, row: Row | RowError) -> TableRow | None:
        """The post and what could not be read of it; None for an empty row."""
        if isinstance(row, RowError):
            return TableRow(self._name, None, None, (failure(self._name, row),))
        if all(is_absent(cell) for cell in row.cells):
            return None
        if row.names not in self._columns:
            self._columns[row.names] = find_columns(row.names, self._options.mapping)
            self._metrics[row.names] = find_metrics(row.names, self._options.metric_columns)
        origin = f"{self._name}, row {row.number}"
        known = RowCells(origin, row, self._columns[row.names])
        return self._row(row, known, known.beside(self._metrics[row.names]))

    def _row(self, row: Row, cells: RowCells, figures: RowCells) -> TableRow:
        urls = cells.urls(self._folder)
        try:
            media = parse_media(cells.get("path"), folder=self._folder)
            media = media or parse_media(cells.get("url"), folder=self._folder, as_url=True)
        except ValueError as error:
            cells.fail(f"path or url: {error}; correct it (the row is left out)")
            return TableRow(cells.origin, row, None, tuple(cells.failures), urls)
        if not media:
            cells.fail("expected a path or url, got an empty cell; fill it in or remove the row")
            return TableRow(cells.origin, row, None, tuple(cells.failures), urls)
        return TableRow(cells.origin, row, self._post(cells, figures, media), tuple(cells.failures), urls)

    def _post(self, cells: RowCells, figures: RowCells, media: tuple[MediaRef, ...]) -> SourcePost:
        values = {name: cells.count(name, whole=name not in _FRACTIONAL) for name in COUNTS}
        others = {name: figures.count(name, whole=False) for name in figures.names}
        metrics = {name: values[name] for name in METRICS} | others
        return SourcePost(
            handle=self._handle(cells),
            media=media,
            platform=(cells.text("platform") or UNKNOWN).lower(),
            post_key=cells.text("post_id"),
            caption=cells.caption(),
            published_at=cells.time("published_at"),
            observed_at=cells.time("observed_at"),
            metrics={name: value for name, value in metrics.items() if value is not None},
            followers=values["followers"],
            followees=values["followees"],
            n_posts=values["n_posts"],
            alt_text=cells.caption("alt_text"),
            n_tagged=cells.tagged(),
            has_location=cells.location(),
            label=cells.text("label"),
            origin=cells.origin,
        )

    def _handle(self, cells: RowCells) -> str:
        n_before = len(cells.failures)
        handle = clean_handle(cells.text("creator") or "") or self._options.creator
        if handle is None and self._says_creator and len(cells.failures) == n_before:
            cells.fail(
                f"expected a creator, got an empty cell; the post goes to {UNKNOWN!r}, fill it in or give --creator"
            )
        return handle or UNKNOWN


SOURCE = Source("table", "a CSV, Excel, Parquet or JSON lines table", accepts, read)
