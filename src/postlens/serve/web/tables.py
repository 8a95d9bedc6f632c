"""Rows of a page to one table that is sorted, cut into pages, shown and exported alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil
from typing import Generic, Literal, Protocol, Self, TypeVar

from markupsafe import Markup

PAGE_ROWS = 50  # of a table on one page: about 60 kB of HTML; more rows mean fewer clicks and slower pages

Kind = Literal["text", "handle", "whole", "count", "share", "lift", "seconds", "score", "time", "emoji"]
Cell = str | float | int | bool | datetime | None
Item = TypeVar("Item")
NUMBERS = frozenset({"whole", "count", "share", "lift", "seconds", "score"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    key: str
    title: str
    kind: Kind = "text"

    @property
    def is_number(self) -> bool:
        """Whether cells stand at the right, and sort from the greatest first."""
        return self.kind in NUMBERS


class Drawable(Protocol):
    """What makes its own HTML when it is shown, so that rows of other pages are not drawn."""

    def __html__(self) -> str:
        """SVG that needs no escaping."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing that is made when it is shown."""

    draw: Callable[[], Markup]

    def __html__(self) -> str:
        """The SVG."""
        return str(self.draw())


@dataclass(frozen=True, slots=True)
class Row:
    """One row: values by column key, and what a page shows beside them."""

    cells: Mapping[str, Cell]
    href: str | None = None  # of the first cell
    image: str | None = None  # address of a picture before the first cell
    is_face: bool = False  # the picture is round
    notes: Mapping[str, str] = field(default_factory=dict)  # small text below a cell, by column key
    drawn: Mapping[str, Drawable] = field(default_factory=dict)  # SVG below a cell, by column key
    links: Mapping[str, str] = field(default_factory=dict)  # addresses of further cells, by column key


@dataclass(frozen=True, slots=True)
class Order:
    """What a table is sorted by."""

    key: str
    down: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a whole; `page` cuts it."""

    name: str  # of the exported file
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    order: Order | None = None  # None: as given, and not to be sorted

    def ordered(self, key: str | None, direction: str | None, *, default: Order) -> Self:
        """Sorted by a column that exists, else by `default`; unknown values stay last, up or down."""
        column = next((column for column in self.columns if column.key == key), None)
        order = default if column is None else Order(column.key, (direction or _first_turn(column)) == "down")
        known = [row for row in self.rows if row.cells.get(order.key) is not None]
        unknown = [row for row in self.rows if row.cells.get(order.key) is None]
        known.sort(key=_sort_key(order.key), reverse=order.down)
        return replace(self, rows=(*known, *unknown), order=order)

    def column(self, key: str) -> Column:
        """The column of this key; raises `KeyError`."""
        return {column.key: column for column in self.columns}[key]


def _first_turn(column: Column) -> str:
    return "down" if column.is_number or column.kind == "time" else "up"


def _sort_key(key: str) -> Callable[[Row], tuple[int, float | str]]:
    def value(row: Row) -> tuple[int, float | str]:
        cell = row.cells[key]
        if isinstance(cell, datetime):
            return 0, cell.timestamp()
        return (0, float(cell)) if isinstance(cell, int | float) else (1, str(cell).casefold())

    return value


@dataclass(frozen=True, slots=True)
class Pages(Generic[Item]):
    """One page of a long list."""

    items: tuple[Item, ...]
    number: int  # from 1
    n_pages: int
    n_items: int
    first: int  # running number of the first item shown, from 1; 0 of an empty list

    @property
    def last(self) -> int:
        """Running number of the last item shown."""
        return self.first + len(self.items) - 1 if self.items else 0


def paged(items: Sequence[Item], number: int, *, size: int = PAGE_ROWS) -> Pages[Item]:
    """The page of this number, of a number that is not there the nearest."""
    n_pages = max(1, ceil(len(items) / size))
    at = min(max(1, number), n_pages)
    shown = tuple(items[(at - 1) * size : at * size])
    return Pages(shown, at, n_pages, len(items), (at - 1) * size + 1 if shown else 0)
