"""Rows to the sheets of a workbook: texts stay texts, numbers have a format, and few cells are links."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from postlens.media.probe import display_name

PICTURE_PX = 80  # side of a cell with a picture
MAX_TEXT = 32_767  # signs in a cell; the limits are Excel's: support.microsoft.com, "Excel specifications and limits"
MAX_LINK = 2_079  # signs of an address
MAX_LINKS = 65_530  # of a sheet
SHEET_ROWS = 1_000_000  # of 1,048,576; more rows go on in a further sheet

Cell = str | float | int | datetime | None
Kind = str  # name of a cell format: text, whole, count, small, seconds, share, lift, time
Formats = dict[Kind, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a sheet."""

    title: str
    kind: Kind
    width: float = 12.0


def open_book(buffer: io.BytesIO) -> Any:
    """A workbook that makes no formula, link or number of a text."""
    import xlsxwriter

    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    return xlsxwriter.Workbook(buffer, options)


def book_formats(book: Any) -> Formats:
    """The cell formats by kind."""
    numbers = {
        "text": "General",
        "whole": "0",
        "count": "#,##0",
        "small": "#,##0.00",
        "seconds": "#,##0.0",
        "share": "0%",
        "lift": "+0%;-0%;0%",
        "time": "yyyy-mm-dd hh:mm",
    }
    found = {kind: book.add_format({"num_format": text, "valign": "vcenter"}) for kind, text in numbers.items()}
    bold = {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}
    return found | {"header": book.add_format(bold), "link": book.add_format({"hyperlink": 1, "valign": "vcenter"})}


def is_safe_link(place: str) -> bool:
    """Whether a click may open this: a web address with a host and without a user's name or password in it.

    Nothing else is a link: a local path would start a program on the reader's machine, or ask a server of its name.
    """
    if not place.startswith(("http://", "https://")) or len(place) > MAX_LINK or not place.isprintable():
        return False
    try:
        parts = urlsplit(place)
    except ValueError:  # brackets that do not fit
        return False
    return bool(parts.hostname) and "@" not in parts.netloc and not any(sign in place for sign in " \"'<>\\")


def excel_time(at: datetime | None) -> datetime | str | None:
    """As Excel has times: without a zone (UTC), and none before 1900, which becomes text."""
    return at.isoformat() if at and at.year < 1900 else at and at.replace(tzinfo=None)


def put_picture(sheet: Any, place: tuple[int, int], jpeg: bytes, *, name: str, about: str) -> None:
    """A picture in the cell at (row, column), as large as it; `about` is what a screen reader says."""
    told = "".join(sign for sign in about if sign.isprintable())[:200]  # control signs are not allowed there
    options = {"image_data": io.BytesIO(jpeg), "object_position": 1, "description": told, **_fit(jpeg)}
    sheet.insert_image(*place, name, options)


def _fit(jpeg: bytes) -> dict[str, float]:
    """Scales that bring a thumbnail to the size of its cell."""
    from PIL import Image as PillowImage

    with PillowImage.open(io.BytesIO(jpeg)) as image:
        scale = PICTURE_PX / max(image.size)
    return {"x_scale": scale, "y_scale": scale}


def write_header(sheet: Any, columns: Sequence[Column], formats: Formats, *, n_rows: int, n_fixed: int) -> None:
    """Titles that stay in view, with a filter on each column."""
    for index, column in enumerate(columns):
        sheet.write_string(0, index, cell_text(column.title), formats["header"])
        sheet.set_column(index, index, column.width)
    sheet.freeze_panes(1, n_fixed)
    sheet.autofilter(0, 0, n_rows, len(columns) - 1)


def write_row(sheet: Any, row: int, columns: Sequence[Column], cells: Sequence[Cell], formats: Formats) -> None:
    """Cells into a row, each by its type; `None` leaves a cell empty."""
    for index, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        if isinstance(cell, str):
            sheet.write_string(row, index, cell_text(cell), formats["text"])
        elif isinstance(cell, datetime):
            sheet.write_datetime(row, index, cell, formats[column.kind])
        elif cell is not None:
            sheet.write_number(row, index, cell, formats[column.kind])


def cell_text(value: str) -> str:
    """What a cell holds of a text: as much as Excel reads, and no half characters."""
    return display_name(value)[:MAX_TEXT] if not value.isascii() else value[:MAX_TEXT]


def write_link(sheet: Any, place: tuple[int, int], address: str, *, formats: Formats, links: Iterator[int]) -> None:
    """Make a link of the cell at (row, column), where the address is safe and the sheet may have another."""
    if is_safe_link(address) and next(links, None) is not None:
        sheet.write_url(*place, address, formats["link"], string=address[:MAX_TEXT])
