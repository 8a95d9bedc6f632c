"""Cleaned rows to a workbook or CSV files: first occurrences with all their columns, duplicates, failures."""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from postlens.errors import TableError, UsageError
from postlens.pipelines.clean_links import Entry, Link
from postlens.pipelines.exports import FAILURES, csv_bytes, remove_leftovers, replace_bytes
from postlens.pipelines.folder import CLEAN_BOOK, CLEAN_TABLE, DUPLICATES, spoil_state
from postlens.sources.cells import is_absent, without_halves
from postlens.sources.columns import RESOLVED_PATH
from postlens.sources.marks import LinkedText
from postlens.sources.protocol import absolute
from postlens.sources.single import is_url
from postlens.types import Failure

NORMAL_URL: Final = "normalised_url"
DUPLICATE_HEADER: Final = ("table", "row", "reason", "score", "first_table", "first_row", "first_media", "new_figures")
FAILURE_HEADER: Final = ("file", "stage", "error", "message", "table", "row")
SEPARATOR: Final = "; "  # between addresses or paths in one cell, as tables are read
MOST_CHARS: Final = 32_767  # in a cell, Excel's limit
MOST_ROWS: Final = 1_048_576  # in a sheet, Excel's limit
MOST_LINKS: Final = 65_530  # in a sheet, Excel's limit
MOST_LINK_CHARS: Final = 2_079  # Excel's limit
MOST_DIGITS: Final = 2**53  # whole numbers beyond it would change, since Excel holds doubles
_SECONDS_FORMAT, _DAY_FORMAT, _CLOCK_FORMAT = "yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd", "[h]:mm:ss"
_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")
_FIRST_DAY: Final = date(1900, 3, 1)  # before it, Excel counts a day that never was

Key = tuple[str, int]  # a column: its name, and which of those with the name


@dataclass(frozen=True, slots=True)
class CleanTables:
    """What became of every row."""

    entries: tuple[Entry, ...]
    posts: tuple[Entry, ...]
    duplicates: tuple[tuple[Entry, Link], ...]
    failures: tuple[tuple[Failure, Entry | None], ...]  # `None`: of no row
    news: Mapping[int, str] = field(default_factory=dict)  # new figures by `id` of the entry

    @classmethod
    def of(
        cls,
        entries: Sequence[Entry],
        links: Mapping[int, Link | None],
        failures: Iterable[Failure],
        *,
        hidden: set[str],
        news: Mapping[int, str],
    ) -> CleanTables:
        """`links`: by `id` of the entries that name usable media; `hidden`: subjects of failures that are not told.

        `news`: by `id` of the entries, what is new in their figures; that of later occurrences is told.
        """
        posts = tuple(one for one in entries if id(one) in links and links[id(one)] is None)
        pairs = tuple((one, link) for one in entries if (link := links.get(id(one))) is not None)
        rows: dict[str, list[Entry]] = {}
        for one in entries:
            if one.found.row is None:
                continue  # damaged: the message says which row it is, and there are no cells to show
            for subject in dict.fromkeys([one.found.origin, *(ref.name for ref in one.media)]):
                rows.setdefault(subject, []).append(one)
        told = [
            (failure, one)
            for failure in failures
            if failure.subject not in hidden
            for one in rows.get(failure.subject, [None])
        ]
        return cls(tuple(entries), posts, pairs, tuple(told), news)

    @property
    def n_updated(self) -> int:
        """Posts of which a later occurrence has new figures."""
        updated = (one.found.post for one, _ in self.duplicates if id(one) in self.news)
        return len({post.post_id for post in updated if post is not None})

    def with_failures(self, failures: Iterable[Failure]) -> CleanTables:
        """The same with failures that are of no row."""
        return replace(self, failures=(*self.failures, *((one, None) for one in failures)))


class _Sheet(NamedTuple):
    title: str
    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def write_clean(found: CleanTables, out: Path, *, form: str) -> tuple[tuple[Failure, ...], tuple[Path, ...]]:
    """Write the files, each whole or not at all; one that would not change is left alone.

    Returns:
        What a workbook cannot hold, and where the files are.

    Raises:
        UsageError: the folder cannot be written, or a workbook cannot hold that many rows.
    """
    sheets = _sheets(found, out)
    cut: tuple[Failure, ...] = ()
    if form == "xlsx":
        cut = tuple(_too_long(sheets[0], out / CLEAN_BOOK))
        sheets = _sheets(found.with_failures(cut), out) if cut else sheets
        contents = {CLEAN_BOOK: _book(sheets)}
    else:
        tables = [csv_bytes([one.header, *map(_texts, one.rows)]) for one in sheets]
        contents = dict(zip((CLEAN_TABLE, DUPLICATES, FAILURES), tables, strict=True))
    try:
        remove_leftovers(out, contents)
        if form == "csv":
            spoil_state(out)  # failures.csv is also one of the outputs of `analyze`, which then writes it anew
        for name, data in contents.items():
            _replace(out / name, data)
    except OSError as error:
        raise UsageError(f"expected an output folder that can be written at {out}, got: {error.strerror}") from error
    return cut, tuple(out / name for name in contents)


def _replace(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        replace_bytes(path, data)


# --- rows ------------------------------------------------------------------------------------------------------------


def _sheets(found: CleanTables, out: Path) -> tuple[_Sheet, _Sheet, _Sheet]:
    columns = list(dict.fromkeys(key for one in found.entries for key in _cells(one)))
    names = tuple(name for name, _ in columns)
    resolved = any(_needs_resolving(one, out) for one in found.posts)
    added = (*((NORMAL_URL,) if NORMAL_URL not in names else ()), *((RESOLVED_PATH,) if resolved else ()))
    if resolved and RESOLVED_PATH in names:
        added = tuple(name for name in added if name != RESOLVED_PATH)

    def row(one: Entry) -> tuple[Any, ...]:
        values = _cells(one) | {(NORMAL_URL, 0): SEPARATOR.join(one.urls)}
        if resolved:
            values[RESOLVED_PATH, 0] = _resolved(one, out)
        return tuple(values.get(key) for key in [*columns, *((name, 0) for name in added)])

    header = (*names, *added)
    posts = [row(one) for one in found.posts]
    duplicates = [
        (*one.place, link.reason, round(link.score, 4), *link.first, link.media, found.news.get(id(one)), *row(one))
        for one, link in found.duplicates
    ]
    failures = [
        (
            failure.subject,
            failure.stage,
            failure.error,
            failure.message,
            *(one.place if one else (None, None)),
            *(row(one) if one else ()),
        )
        for failure, one in found.failures
    ]
    return (
        _Sheet("posts", header, posts),
        _Sheet("duplicates", (*DUPLICATE_HEADER, *header), duplicates),
        _Sheet("failures", (*FAILURE_HEADER, *header), failures),
    )


def _cells(entry: Entry) -> dict[Key, Any]:
    """The row as it was read, by column; cells beyond the header have no name."""
    row = entry.found.row
    if row is None:
        return {}
    found: dict[Key, Any] = {}
    counts: dict[str, int] = {}
    names = (*row.names, *[""] * (len(row.cells) - len(row.names)))
    for at, name in enumerate(names):
        key = name, counts.get(name, 0)
        counts[name] = key[1] + 1
        cell = row.cells[at] if at < len(row.cells) else None
        if name or not is_absent(cell):
            found[key] = _number(cell) if name in entry.table.figures else cell
    return found


def _number(cell: Any) -> Any:
    """A plain number for a figure that CSV holds as text; others, such as 1,234, stay as they are written."""
    if not isinstance(cell, str) or not _PLAIN_NUMBER.fullmatch(cell):
        return cell
    number = float(cell) if "." in cell else int(cell)
    return number if repr(number) == cell else cell


def _needs_resolving(entry: Entry, out: Path) -> bool:
    """Whether paths of the row would lead elsewhere from the output folder."""
    here = os.path.dirname(entry.table.path) == absolute(str(out))  # noqa: PTH120  names that are no UTF-8
    return not here and any(ref.path is not None for ref in entry.media)


def _resolved(entry: Entry, out: Path) -> str | None:
    """The row's files as paths from the output folder, and its addresses where they stand among paths."""
    if all(ref.path is None for ref in entry.media) and entry.media == entry.found.urls:
        return None
    paths = [os.path.relpath(ref.path, out) if ref.path is not None else ref.written or ref.url for ref in entry.media]
    return SEPARATOR.join(str(path) for path in paths)


# --- CSV -------------------------------------------------------------------------------------------------------------


def _texts(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_text(cell) for cell in row)


def _text(cell: Any) -> Any:
    """A cell as CSV holds it: a link as its address, a time in ISO 8601, a whole number without a fraction."""
    cell = _plain(cell)
    if isinstance(cell, LinkedText):
        return cell.target if is_url(cell.target) and not is_url(cell) else str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < MOST_DIGITS:
        return int(cell)
    return cell


def _plain(cell: Any) -> Any:
    """A single value; lists of texts are joined as tables separate them, other values become JSON."""
    if isinstance(cell, str):
        return cell if isinstance(cell, LinkedText) else without_halves(str(cell))
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, list | tuple) and all(isinstance(item, str) for item in cell):
        return without_halves(SEPARATOR.join(cell))
    if isinstance(cell, bool | int | float | date | time | timedelta):
        return cell
    return without_halves(json.dumps(cell, default=str))


# --- workbook --------------------------------------------------------------------------------------------------------


def _too_long(sheet: _Sheet, path: Path) -> Iterator[Failure]:
    """Texts that a workbook cuts."""
    for number, row in enumerate(sheet.rows, start=2):
        for name, cell in zip(sheet.header, row, strict=True):
            if isinstance(cell, str | list | tuple) and len(str(_plain(cell))) > MOST_CHARS:
                error = TableError(
                    f"{path}, row {number}: column {name!r}: expected at most {MOST_CHARS:,} characters, which a "
                    "workbook holds, got more; the text is cut, use --format csv"
                )
                yield Failure.of(str(path), "write", error)


def _book(sheets: Sequence[_Sheet]) -> bytes:
    """A workbook; texts stay texts, whatever they begin with, and equal rows make equal bytes."""
    import xlsxwriter

    if max(len(sheet.rows) for sheet in sheets) >= MOST_ROWS:
        raise UsageError(f"expected fewer than {MOST_ROWS:,} rows, which a workbook holds, got more; use --format csv")
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": datetime(2000, 1, 1)})  # a fixed time, as the file's bytes are compared
    formats = {text: book.add_format({"num_format": text}) for text in (_SECONDS_FORMAT, _DAY_FORMAT, _CLOCK_FORMAT)}
    bold = book.add_format({"bold": True})
    for one in sheets:
        page = book.add_worksheet(one.title)
        for column, name in enumerate(one.header):
            page.write_string(0, column, name, bold)
        _fill(page, one.rows, formats)
        page.freeze_panes(1, 0)
    book.close()
    return buffer.getvalue()


def _fill(page: Any, rows: Sequence[Sequence[Any]], formats: Mapping[str, Any]) -> None:
    n_links = 0
    for at, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            linked = isinstance(cell, LinkedText) and is_url(cell.target) and len(cell.target) <= MOST_LINK_CHARS
            if linked and n_links < MOST_LINKS:
                page.write_url(at, column, cell.target, string=str(cell)[:MOST_CHARS])
                n_links += 1
            else:
                _write(page, at, column, _text(cell) if isinstance(cell, LinkedText) else _plain(cell), formats)


def _write(page: Any, row: int, column: int, cell: Any, formats: Mapping[str, Any]) -> None:
    """One value by its kind."""
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        cell = cell.astimezone(UTC).replace(tzinfo=None)
    day = cell.date() if isinstance(cell, datetime) else cell
    if cell is None or cell == "":
        return
    if isinstance(cell, bool):
        page.write_boolean(row, column, cell)
    elif (isinstance(cell, int) and abs(cell) <= MOST_DIGITS) or (isinstance(cell, float) and math.isfinite(cell)):
        page.write_number(row, column, cell)
    elif isinstance(cell, datetime) and day >= _FIRST_DAY:
        page.write_datetime(row, column, cell, formats[_SECONDS_FORMAT])
    elif isinstance(cell, date) and day >= _FIRST_DAY:
        page.write_datetime(row, column, cell, formats[_DAY_FORMAT])
    elif isinstance(cell, time | timedelta):
        page.write_datetime(row, column, cell, formats[_CLOCK_FORMAT])
    else:
        page.write_string(row, column, str(cell)[:MOST_CHARS])
