"""Rows to a page: filtered, sorted, and gone on with after the last row of the page before.

A cursor holds the sort and the last row's place in it, so that rows which come or go meanwhile shift nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from postlens.serve.errors import Problem

Row = TypeVar("Row")
Key = Callable[[Row], Any]  # a number or a text, or None


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list, in which order."""

    limit: int
    cursor: str | None = None
    sort: str = ""  # a name; with - before it from high to low


@dataclass(frozen=True, slots=True)
class Part(Generic[Row]):
    """The rows of a page."""

    rows: list[Row]
    total: int
    next_cursor: str | None


def part_of(
    rows: Sequence[Row], paging: Paging, *, key: Callable[[Row], str], sorts: Mapping[str, Key[Row]], default: str
) -> Part[Row]:
    """The page of these rows.

    Args:
        rows: all that fit the filters.
        key: the id of a row, which orders equal ones.
        sorts: what can be sorted by; rows without the value come last, whatever the direction.
        default: the sort unless one is asked for.

    Raises:
        Problem: an unknown sort, or a cursor that is none of this list.
    """
    sort = paging.sort or default
    name, falling = sort.removeprefix("-"), sort.startswith("-")
    if name not in sorts:
        raise Problem(
            "invalid", f"expected sort out of {', '.join(sorts)}, with - before it to turn it round, got {sort!r}"
        )
    after = None if paging.cursor is None else _read(paging.cursor, sort)
    placed = sorted(((_place(sorts[name](row), falling), key(row)), i) for i, row in enumerate(rows))
    if after is not None:
        placed = [one for one in placed if _later(one[0], after)]
    shown = placed[: paging.limit]
    more = len(placed) > len(shown)
    cursor = _write(sort, shown[-1][0]) if more and shown else None
    return Part([rows[i] for _, i in shown], len(rows), cursor)


def _place(value: Any, falling: bool) -> tuple[int, Any]:
    """What sorts a value: numbers by size, texts by their characters, in the direction asked for; none last."""
    if value is None:
        return 1, 0
    if isinstance(value, str):
        return 0, [-ord(sign) for sign in value] + [1] if falling else [ord(sign) for sign in value]
    return 0, -float(value) if falling else float(value)


def _later(place: tuple[tuple[int, Any], str], after: tuple[tuple[int, Any], str]) -> bool:
    try:
        return place > after
    except TypeError as error:  # the cursor's value is of another kind
        raise _no_cursor() from error


def _write(sort: str, place: tuple[tuple[int, Any], str]) -> str:
    text = json.dumps([sort, list(place[0]), place[1]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _read(cursor: str, sort: str) -> tuple[tuple[int, Any], str]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        said, (missing, value), key = json.loads(text)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise _no_cursor() from error
    plain = isinstance(value, int | float) or (isinstance(value, list) and all(isinstance(v, int) for v in value))
    if said != sort or missing not in (0, 1) or not isinstance(key, str) or not plain:
        raise _no_cursor()
    return (missing, value), key


def _no_cursor() -> Problem:
    return Problem(
        "bad-cursor", "expected the next_cursor of a page with the same sort, got another; begin without one"
    )
