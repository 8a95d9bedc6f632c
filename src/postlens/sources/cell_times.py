"""Cells of a table to times."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from postlens.sources.cells import is_absent, kind_of_cell
from postlens.types import as_utc

_DAY_FIRST: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_UNIX_S: Final = (1e8, 1e10)  # 1973 to 2286; a thousand times that is in milliseconds
_SERIAL_DAYS: Final = (30_000, 60_000)  # 1982 to 2064 as spreadsheets count days, where a cell lost its date format
_SERIAL_START: Final = datetime(1899, 12, 30, tzinfo=UTC)
_TWITTER: Final = "%a %b %d %H:%M:%S %z %Y"


def parse_time(cell: Any) -> datetime | None:
    """A time in UTC, or None for a cell that says nothing. Times without a zone are taken as UTC.

    Read are dates of spreadsheets and their plain numbers of days, ISO 8601, Unix seconds and milliseconds, RFC 2822,
    Twitter's form, and day.month.year with points. With slashes or hyphens, day and month must tell themselves apart:
    25/12/2024 is read, 03/04/2024 is not.

    Raises:
        ValueError: no time, or one that could be read in two ways.
    """
    if is_absent(cell):
        return None
    if isinstance(cell, datetime):
        return as_utc(cell)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
    if isinstance(cell, int | float):
        return _unix(float(cell))
    if kind_of_cell(cell) is not None:
        raise ValueError("expected a date such as 2024-12-31 18:00")
    text = str(cell).strip()
    if re.fullmatch(r"\d{9,13}(\.\d+)?|\d{5}(\.\d+)?", text):
        return _unix(float(text))
    match = _DAY_FIRST.fullmatch(text)
    return _day_month(match) if match else _written(text)


def _unix(number: float) -> datetime:
    if _SERIAL_DAYS[0] <= number < _SERIAL_DAYS[1]:
        return _SERIAL_START + timedelta(seconds=round(number * 86_400))
    low, high = _UNIX_S
    if low <= number < high:
        return datetime.fromtimestamp(number, UTC)
    if low * 1000 <= number < high * 1000:
        return datetime.fromtimestamp(number / 1000, UTC)
    raise ValueError("expected a date such as 2024-12-31 18:00")


def _day_month(match: re.Match[str]) -> datetime:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    if match[2] != "." and first <= 12 and second <= 12 and first != second:
        raise ValueError("day and month cannot be told apart; write 2024-12-31")
    day, month = (first, second) if match[2] == "." or first > 12 else (second, first)
    hour, minute, second_of_minute = (int(part or 0) for part in match.groups()[4:])
    return datetime(year, month, day, hour, minute, second_of_minute, tzinfo=UTC)


def _written(text: str) -> datetime:
    for parse in (datetime.fromisoformat, parsedate_to_datetime, lambda text: datetime.strptime(text, _TWITTER)):
        try:
            return as_utc(parse(text))
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
    raise ValueError("expected a date such as 2024-12-31 18:00")
