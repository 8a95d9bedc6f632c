"""A catalog file to products: CSV, TSV, TOML, and the spreadsheets that tables of posts may be too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from postlens.config import read_toml
from postlens.errors import RowError, SourceNotFoundError, TableError
from postlens.media.probe import display_name
from postlens.sources.marks import BrokenValue, LinkedText
from postlens.sources.sheets import SUFFIXES, Row, open_sheet
from postlens.sources.single import is_url
from postlens.tasks.products.catalog import (
    COLUMNS,
    DEFAULT_CATALOG,
    REQUIRED,
    STAGE,
    Catalog,
    CatalogRow,
    find_columns,
    parse_catalog,
)
from postlens.tasks.products.items import LABELS
from postlens.types import Failure

_LINKS: Final = frozenset({"url", "image"})  # columns whose cells may show a text and link to an address
_NAMES_SHOWN: Final = 5  # of a TOML file that has no products


def read_catalog(path: Path, *, labels: Collection[str] = LABELS) -> Catalog:
    """The products of a file, inactive ones too, and what could not be used of it, as `parse_catalog` tells.

    Tables may be UTF-8, UTF-16 or Windows' western encoding, with comma, semicolon, tab or | between the cells.
    `labels` are those that a model reads. Raises `SourceNotFoundError` when the file cannot be opened, and `TableError`
    when it is no catalog or not one of its rows can be used.
    """
    rows = list(_rows(Path(path)))
    name = display_name(path)
    if not rows:
        raise TableError(f"{name}: expected at least one product, got none; see {DEFAULT_CATALOG.name} for an example")
    catalog = parse_catalog(rows, labels=labels)
    if not catalog.products:
        first = catalog.failures[0]
        raise TableError(
            f"{name}: expected at least one usable product, got none of {len(rows)} rows;"
            f" the first: {first.subject}, {first.message}"
        )
    return catalog


def _rows(path: Path) -> Iterator[CatalogRow | Failure]:
    suffix, name = path.suffix.lower(), display_name(path)
    if suffix != ".toml" and suffix not in SUFFIXES:
        known = ", ".join(sorted({*SUFFIXES, ".toml"}))
        raise TableError(f"{name}: expected a catalog that ends in one of {known}, got {path.suffix!r}; convert it")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise SourceNotFoundError(f"{name}: cannot open the catalog ({error.strerror}); check the path") from error
    if empty:
        raise TableError(f"{name}: expected at least one product, got an empty file; see {DEFAULT_CATALOG.name}")
    return _toml_rows(path) if suffix == ".toml" else _sheet_rows(path)


def _sheet_rows(path: Path) -> Iterator[CatalogRow | Failure]:
    sheet = open_sheet(str(path), is_header=lambda names: find_columns(names).keys() >= {*REQUIRED}, no_header=_missing)
    name = display_name(path) + (f", sheet {sheet.title!r}" if sheet.title else "")
    for row in sheet.rows:
        if isinstance(row, RowError):
            yield Failure.of(name, STAGE, row)
        elif any(cell not in (None, "") for cell in row.cells):
            yield from _sheet_row(row, where=f"{name}, row {row.number}")


def _missing(name: str, names: Sequence[str]) -> TableError:
    found = find_columns(names)
    missing = ", ".join(column for column in REQUIRED if column not in found)
    shown = ", ".join(name for name in names if name) or "none"
    return TableError(f"{name}: expected the columns {', '.join(REQUIRED)}, got {shown}; {missing} missing, add them")


def _sheet_row(row: Row, *, where: str) -> Iterator[CatalogRow | Failure]:
    """The row, after a failure for each of its cells that holds an error of the spreadsheet, which is left empty."""
    values = {}
    for column, at in find_columns(row.names).items():
        cell = row.cells[at] if at < len(row.cells) else None
        if isinstance(cell, BrokenValue):
            yield Failure.of(where, STAGE, RowError(f"column {column}: {cell.reason}"))
        else:
            values[column] = _linked(cell) if column in _LINKS else cell
    yield CatalogRow(where, values)


def _linked(cell: Any) -> Any:
    """Where a cell links to, unless it shows an address itself."""
    return cell.target if isinstance(cell, LinkedText) and not is_url(cell) else cell


def _toml_rows(path: Path) -> Iterator[CatalogRow | Failure]:
    name = display_name(path)
    try:
        values = read_toml(path, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(
            f"{name}: expected UTF-8 text, got byte {error.start} that is not; save it as UTF-8"
        ) from error
    except ValueError as error:
        raise TableError(f"{name}: not valid TOML: {error}; correct it") from error
    tables = values.get("product", [])
    if values and "product" not in values:
        found = ", ".join(list(values)[:_NAMES_SHOWN])
        raise TableError(f"{name}: expected [[product]] tables, found {found}; write [[product]] above each product")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise TableError(f"{name}: expected [[product]] tables, got {type(tables).__name__}; write one per product")
    for number, table in enumerate(tables, start=1):
        yield CatalogRow(f"{name}, product {number}", {column: table.get(column) for column in COLUMNS})
