"""A table's rows to posts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from postlens.errors import EmptySourceError, RowError, TableError
from postlens.media.probe import display_name
from postlens.sources.cells import (
    is_absent,
    kind_of_cell,
    parse_caption,
    parse_count,
    parse_media,
    parse_text,
    parse_time,
    without_halves,
)
from postlens.sources.columns import COUNTS, find_columns, is_header, repeated
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.sources.sheets import SUFFIXES, Row, Sheet, open_sheet
from postlens.sources.single import is_url
from postlens.types import METRICS, UNKNOWN, Failure, SourcePost

_T = TypeVar("_T")
_FRACTIONAL: Final = frozenset({"score"})  # every other number counts something
_SHOWN_CHARS: Final = 40  # of a cell that could not be read


def accepts(spec: str) -> bool:
    """Whether the path ends like a table."""
    return Path(spec).suffix.lower() in SUFFIXES and not is_url(spec) and not Path(spec).is_dir()


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """A post for each row that names media.

    A row is kept wherever it can be: a number, time or text that cannot be read becomes None and a failure, a missing
    creator becomes "unknown" and a failure (one for the whole table where it has no such column). A row without media
    is a failure only. Rows with the same platform and post_id, or the same creator and media, are the same post. Where
    the platform is not named, ids count per creator.
    """
    path = absolute(spec)
    try:
        sheet = open_sheet(path, is_header=partial(is_header, mapping=options.mapping))
    except TableError as error:
        yield failure(display_name(path), error)
        return
    yield from _remarks(sheet, path, options)
    n_posts = 0
    reader = _RowReader(path, sheet, options)
    for row in sheet.rows:
        for item in reader.read(row):
            n_posts += isinstance(item, SourcePost)
            yield item
    if n_posts == 0:
        name = display_name(path)
        yield failure(
            name, EmptySourceError(f"{name}: expected rows with media, got none; check the path or url column")
        )


def _remarks(sheet: Sheet, path: str, options: SourceOptions) -> Iterator[Failure]:
    """What is odd about the table as a whole."""
    name, found = display_name(path), find_columns(sheet.names, options.mapping)
    columns = ", ".join(name for name in sheet.names if name)
    if sheet.others:
        others = ", ".join(sheet.others)
        yield failure(
            name,
            TableError(
                f"{name}: only sheet {sheet.title!r} is read; save others with posts as their own files: {others}"
            ),
        )
    for again in repeated(sheet.names, found):
        yield failure(
            name, TableError(f"{name}: column {again!r} is there more than once; the first is read, rename it")
        )
    for ours in sorted(set(options.mapping) - set(found)):
        yield failure(
            name,
            TableError(
                f"{name}: expected column {options.mapping[ours]!r} for {ours}, got columns: {columns}; change --map"
            ),
        )
    if "creator" not in found and options.creator is None:
        yield failure(
            name,
            TableError(
                f"{name}: expected a column creator, got columns: {columns}; all posts go to {UNKNOWN!r}, "
                "name it with --map creator=COLUMN or give --creator NAME"
            ),
        )


class _RowReader:
    """Reads rows to posts; remembers where the columns are."""

    def __init__(self, path: str, sheet: Sheet, options: SourceOptions) -> None:
        self._folder, self._options = str(Path(path).parent), options
        self._name = display_name(path) + (f", sheet {sheet.title!r}" if sheet.title else "")
        self._says_creator = "creator" in find_columns(sheet.names, options.mapping)
        self._columns: dict[tuple[str, ...], dict[str, int]] = {}

    def read(self, row: Row | RowError) -> list[Item]:
        """The post and what could not be read of it; nothing for an empty row."""
        if isinstance(row, RowError):
            return [failure(self._name, row)]
        if all(is_absent(cell) for cell in row.cells):
            return []
        if row.names not in self._columns:
            self._columns[row.names] = find_columns(row.names, self._options.mapping)
        columns = self._columns[row.names]
        cells = {
            ours: without_halves(row.cells[at], is_path=ours == "path")
            for ours, at in columns.items()
            if at < len(row.cells)
        }
        return self._items(
            _Cells(f"{self._name}, row {row.number}", cells, {c: row.names[at] for c, at in columns.items()})
        )

    def _items(self, cells: _Cells) -> list[Item]:
        try:
            media = parse_media(cells.get("path"), folder=self._folder)
            media = media or parse_media(cells.get("url"), folder=self._folder, as_url=True)
        except ValueError as error:
            cells.fail(f"path or url: {error}; correct it (the row is left out)")
            return list(cells.failures)
        if not media:
            cells.fail("expected a path or url, got an empty cell; fill it in or remove the row")
            return list(cells.failures)
        values = {name: cells.count(name) for name in COUNTS}
        post = SourcePost(
            handle=self._handle(cells),
            media=media,
            platform=(cells.text("platform") or UNKNOWN).lower(),
            post_key=cells.text("post_id"),
            caption=cells.caption(),
            published_at=cells.time("published_at"),
            observed_at=cells.time("observed_at"),
            metrics={name: value for name in METRICS if (value := values[name]) is not None},
            followers=values["followers"],
            label=cells.text("label"),
            origin=cells.origin,
        )
        return [post, *cells.failures]

    def _handle(self, cells: _Cells) -> str:
        n_before = len(cells.failures)
        handle = clean_handle(cells.text("creator") or "") or self._options.creator
        if handle is None and self._says_creator and len(cells.failures) == n_before:
            cells.fail(
                f"expected a creator, got an empty cell; the post goes to {UNKNOWN!r}, fill it in or give --creator"
            )
        return handle or UNKNOWN


class _Cells:
    """The known cells of one row, and the failures of reading them."""

    def __init__(self, origin: str, cells: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        self.origin = origin  # file and row
        self.failures: list[Failure] = []
        self._cells, self._columns = cells, columns

    def get(self, name: str) -> Any:
        return self._cells.get(name)

    def text(self, name: str) -> str | None:
        return self._read(name, parse_text)

    def caption(self) -> str | None:
        return self._read("caption", parse_caption)

    def count(self, name: str) -> float | None:
        return self._read(name, partial(parse_count, whole=name not in _FRACTIONAL))

    def time(self, name: str) -> datetime | None:
        return self._read(name, parse_time)

    def fail(self, message: str) -> None:
        self.failures.append(failure(self.origin, RowError(f"{self.origin}: {message}")))

    def _read(self, name: str, parse: Callable[[Any], _T | None]) -> _T | None:
        """The parsed cell, or None and a failure that shows the cell."""
        cell = self.get(name)
        try:
            return parse(cell)
        except ValueError as error:
            shown = kind_of_cell(cell) or repr(str(cell)[:_SHOWN_CHARS])
            self.fail(f"column {self._columns[name]!r}: {error}, got {shown}; correct it (the post is kept without it)")
            return None


SOURCE = Source("table", "a CSV, Excel, Parquet or JSON lines table", accepts, read)
