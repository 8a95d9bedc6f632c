"""A table of a page to a CSV file or a workbook that holds all its rows."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Literal

from postlens.pipelines.exports import csv_bytes
from postlens.pipelines.exports.sheets import Column as SheetColumn
from postlens.pipelines.exports.sheets import book_formats, excel_time, open_book, write_header, write_row
from postlens.serve.web.tables import Cell, Column, Table

Format = Literal["csv", "xlsx"]
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SHEET_KINDS = {"score": "small", "emoji": "text", "handle": "text"}  # kinds of columns that workbooks call otherwise
_WIDTH, _WIDE = 14.0, 32.0  # of columns, in letters


def exported(table: Table, kind: Format) -> bytes:
    """All rows of a table, whatever page is shown; texts stay texts, so that no cell is a formula."""
    return _csv(table) if kind == "csv" else _xlsx(table)


def _csv(table: Table) -> bytes:
    header = tuple(column.title for column in table.columns)
    return csv_bytes([header, *(tuple(map(_plain, _cells(table, number))) for number in range(len(table.rows)))])


def _cells(table: Table, number: int) -> list[Cell]:
    return [table.rows[number].cells.get(column.key) for column in table.columns]


def _plain(cell: Cell) -> str | float | int | None:
    if isinstance(cell, datetime):
        return cell.isoformat()
    return str(cell).lower() if isinstance(cell, bool) else cell


def _xlsx(table: Table) -> bytes:
    buffer = io.BytesIO()
    book = open_book(buffer)
    formats, columns = book_formats(book), [_sheet_column(column) for column in table.columns]
    sheet = book.add_worksheet(table.name[:31])  # Excel's limit for the name of a sheet
    write_header(sheet, columns, formats, n_rows=len(table.rows), n_fixed=1)
    for number in range(len(table.rows)):
        write_row(sheet, number + 1, columns, [_sheet_cell(cell) for cell in _cells(table, number)], formats)
    book.close()
    return buffer.getvalue()


def _sheet_column(column: Column) -> SheetColumn:
    wide = _WIDE if column.kind in ("text", "handle", "emoji") else _WIDTH
    return SheetColumn(column.title, _SHEET_KINDS.get(column.kind, column.kind), wide)


def _sheet_cell(cell: Cell) -> str | float | int | datetime | None:
    if isinstance(cell, datetime):
        return excel_time(cell)
    return str(cell).lower() if isinstance(cell, bool) else cell
