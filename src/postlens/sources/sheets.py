"""Table files to rows of cells: CSV, spreadsheets, Parquet and JSON lines, each read piece by piece where it can be."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from postlens.errors import RowError, TableError
from postlens.media.probe import display_name
from postlens.sources.cells import without_guard, without_halves
from postlens.sources.marks import fill_merged, mark_cells

CSV_SUFFIXES: Final = frozenset({".csv", ".tsv"})
SHEET_SUFFIXES: Final = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})
SUFFIXES: Final = CSV_SUFFIXES | SHEET_SUFFIXES | JSON_SUFFIXES | {".parquet"}

HEADER_ROWS: Final = 10  # titles and empty rows may stand above the header; more would take data for one
# Columns by which the sheets of `postlens clean` are known that hold no posts: duplicates and failures.
REPORT_COLUMNS: Final = (frozenset({"reason", "first_table", "first_row"}), frozenset({"stage", "error", "message"}))
_PARQUET_ROWS: Final = 5_000  # read at a time; higher is faster, and takes memory for wide tables
_CSV_SIGNS: Final = ",;\t|"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENCODING_CHUNK_BYTES: Final = 1 << 20

IsHeader = Callable[[Sequence[str]], bool]
NoHeader = Callable[[str, Sequence[str]], TableError]  # the error about a file (display name) with these columns


class Row(NamedTuple):
    """One row under its header."""

    number: int  # as a spreadsheet counts: the first row of the file is 1
    names: tuple[str, ...]
    cells: Sequence[Any]


class Sheet(NamedTuple):
    """The rows of a table file below its header, and which part of the file they are from."""

    names: tuple[str, ...]  # of the columns; of JSON lines those of the first rows
    rows: Iterator[Row | RowError]
    title: str | None = None  # of the sheet in a spreadsheet
    others: tuple[str, ...] = ()  # further sheets with posts, which are not read
    merged: tuple[int, ...] = ()  # rows where a number is merged with those below, which it is not read for


class _NoHeaderError(Exception):
    """No row is a header; `names` are those of the first row."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.names = names


def no_media_column(name: str, names: Sequence[str]) -> TableError:
    """The error about a table without a column for the media; `names`: those it has."""
    shown = ", ".join(name for name in names if name) or "none"
    return TableError(
        f"{name}: expected a column path or url, got columns: {shown}; "
        "name the one that holds it with --map path=COLUMN or --map url=COLUMN"
    )


def open_sheet(path: str, *, is_header: IsHeader, no_header: NoHeader = no_media_column) -> Sheet:
    """The table in a file.

    Raises:
        TableError: the file cannot be read as a table, or no row is a header, which `no_header` words.
    """
    try:
        return _open(path, is_header)
    except _NoHeaderError as missing:
        raise no_header(display_name(path), missing.names) from None


def _open(path: str, is_header: IsHeader) -> Sheet:
    suffix = Path(path).suffix.lower()
    try:
        if suffix in CSV_SUFFIXES:
            return _open_csv(path, is_header)
        if suffix in SHEET_SUFFIXES:
            return _open_spreadsheet(path, is_header)
        if suffix in JSON_SUFFIXES:
            return _open_json_lines(path, is_header)
        return _open_parquet(path, is_header)
    except OSError as error:
        raise TableError(
            f"{display_name(path)}: the table cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def _below_header(rows: Iterator[Sequence[Any]], is_header: IsHeader) -> tuple[tuple[str, ...], Iterator[Row]] | None:
    """The header among the first rows, and the rows below it; None where there is none."""
    for number in range(1, HEADER_ROWS + 1):
        cells = next(rows, None)
        if cells is None:
            return None
        names = tuple("" if cell is None else str(cell).strip() for cell in cells)
        if is_header(names):
            return names, (Row(at, names, row) for at, row in enumerate(rows, number + 1))
    return None


def _first_names(rows: Iterator[Sequence[Any]]) -> list[str]:
    """The first row that is not empty, for the message that no header was found."""
    shown = ([str(cell).strip() for cell in row if cell is not None] for row in itertools.islice(rows, HEADER_ROWS))
    return next((row for row in shown if any(row)), [])


# --- CSV ------------------------------------------------------------------------------------------------------------


def _open_csv(path: str, is_header: IsHeader) -> Sheet:
    encoding = text_encoding(path)
    for sign in _CSV_SIGNS:
        found = _below_header(_csv_rows(path, encoding, sign), is_header)
        if found is not None:
            return Sheet(found[0], _guarded(found[1], path))
    widest = max((_first_names(_csv_rows(path, encoding, sign)) for sign in _CSV_SIGNS), key=len)
    raise _NoHeaderError(widest)


def _csv_rows(path: str, encoding: str, sign: str) -> Iterator[list[str]]:
    with Path(path).open(encoding=encoding, newline="") as file:
        try:
            for row in csv.reader(file, delimiter=sign):
                yield [without_guard(cell) for cell in row]
        except (csv.Error, UnicodeError) as error:
            raise TableError(f"{display_name(path)}: the table is damaged ({error}); export it again") from error


def _guarded(rows: Iterator[Row], path: str) -> Iterator[Row | RowError]:
    """Rows until the file breaks off, then what broke."""
    try:
        yield from rows
    except (TableError, OSError) as error:
        yield RowError(f"{display_name(path)}: the rest of the table cannot be read: {error}")


def text_encoding(path: str) -> str:
    """By byte order mark; else UTF-8 if the whole file is that, else Windows' western one, which all bytes fit."""
    with Path(path).open("rb") as file:
        head = file.read(4)
        for mark, encoding in _BOMS:
            if head.startswith(mark):
                return encoding
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        try:
            while piece := file.read(_ENCODING_CHUNK_BYTES):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _western(path)
    return "utf-8"


def _western(path: str) -> str:
    """cp1252, or latin-1 where a byte has no meaning in it."""
    with Path(path).open(encoding="cp1252", newline="") as file:
        try:
            while file.read(_ENCODING_CHUNK_BYTES):
                pass
        except UnicodeDecodeError:
            return "latin-1"
    return "cp1252"


# --- spreadsheets ---------------------------------------------------------------------------------------------------


def _open_spreadsheet(path: str, is_header: IsHeader) -> Sheet:
    """The first sheet with a header. Formulas give the value that was saved with them, merged cells each row theirs."""
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(path)
        found: list[tuple[str, tuple[str, ...], Iterator[Row]]] = []
        first_names: list[str] = []
        merged: list[int] = []
        for title in book.sheet_names:
            sheet = book.get_sheet_by_name(title)
            rows = sheet.to_python(skip_empty_area=False)
            first_names = first_names or _first_names(iter(rows))
            below = _below_header(iter(rows), is_header)
            if below is not None and not found and not _is_report(below[0]):
                mark_cells(rows, path, title)
                merged = fill_merged(rows, sheet.merged_cell_ranges or [])
            if below is not None and not _is_report(below[0]):
                found.append((title, *below))
    except (calamine.CalamineError, ValueError) as error:
        raise TableError(
            f"{display_name(path)}: expected a spreadsheet, got {error}; save it again as .xlsx or .csv"
        ) from error
    if not found:
        raise _NoHeaderError(first_names)
    title, names, rows_below = found[0]
    others = tuple(other for other, _, _ in found[1:])
    return Sheet(names, rows_below, title, others, tuple(row + 1 for row in merged))


def _is_report(names: Sequence[str]) -> bool:
    """Whether a sheet is one of those that `postlens clean` writes about the rows that it left out."""
    return any(signs.issubset(names) for signs in REPORT_COLUMNS)


# --- Parquet --------------------------------------------------------------------------------------------------------


def _open_parquet(path: str, is_header: IsHeader) -> Sheet:
    import polars as pl

    try:
        names = tuple(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # damage can make its Rust code panic
        raise TableError(
            f"{display_name(path)}: expected a Parquet file, got damaged data ({error}); export it again"
        ) from error
    if not is_header(names):
        raise _NoHeaderError(names)
    return Sheet(names, _parquet_rows(path, names))


def _parquet_rows(path: str, names: tuple[str, ...]) -> Iterator[Row | RowError]:
    """Rows of pieces of the file; numbered from 2, as if the names were a first row."""
    import polars as pl

    scan = pl.scan_parquet(path)
    start = 0
    while True:
        try:
            piece = scan.slice(start, _PARQUET_ROWS).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            yield RowError(f"{display_name(path)}: the rest of the table cannot be read ({error}); export it again")
            return
        yield from (Row(number, names, cells) for number, cells in enumerate(piece.iter_rows(), start + 2))
        start += len(piece)
        if len(piece) < _PARQUET_ROWS:
            return


# --- JSON lines -----------------------------------------------------------------------------------------------------


def _open_json_lines(path: str, is_header: IsHeader) -> Sheet:
    """Objects, one a line. Lines may have different names; those of the first lines decide whether it is a table."""
    head = [row for row in itertools.islice(_json_rows(path), HEADER_ROWS) if isinstance(row, Row)]
    names = tuple(dict.fromkeys(name for row in head for name in row.names))
    if not is_header(names):
        raise _NoHeaderError(names)
    return Sheet(names, _json_rows(path))


def _json_rows(path: str) -> Iterator[Row | RowError]:
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _json_row(line, number, path)


def _json_row(line: bytes, number: int, path: str) -> Row | RowError:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return RowError(f"{display_name(path)}, row {number}: expected a JSON object, got damaged text ({error})")
    if not isinstance(record, dict):
        return RowError(f"{display_name(path)}, row {number}: expected a JSON object, got a {type(record).__name__}")
    return Row(number, tuple(without_halves(name) for name in record), tuple(record.values()))
