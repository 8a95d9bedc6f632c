"""Cells of one row of a table, by our names for its columns, to values and to what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from postlens.errors import RowError
from postlens.sources.cell_media import parse_media
from postlens.sources.cell_numbers import parse_count, parse_tagged
from postlens.sources.cell_times import parse_time
from postlens.sources.cells import kind_of_cell, parse_caption, parse_presence, parse_text, without_halves
from postlens.sources.marks import BrokenValue
from postlens.sources.protocol import failure
from postlens.sources.sheets import Row
from postlens.types import Failure, MediaRef

_T = TypeVar("_T")
_SHOWN_CHARS: Final = 40  # of a cell that could not be read


class RowCells:
    """Some cells of one row by our names for them, and the failures of reading them."""

    def __init__(self, origin: str, row: Row, columns: Mapping[str, int]) -> None:
        self.origin = origin  # file and row
        self.failures: list[Failure] = []
        self._row = row
        self._columns = {name: at for name, at in columns.items() if at < len(row.cells)}

    def beside(self, columns: Mapping[str, int]) -> RowCells:
        """Other cells of the row, with the same list of failures."""
        other = RowCells(self.origin, self._row, columns)
        other.failures = self.failures
        return other

    @property
    def names(self) -> tuple[str, ...]:
        """Our names of the columns that the row has."""
        return tuple(self._columns)

    def get(self, name: str) -> Any:
        """The cell as it stands; None where the row has no such column."""
        at = self._columns.get(name)
        return None if at is None else without_halves(self._row.cells[at], is_path=name == "path")

    def urls(self, folder: str) -> tuple[MediaRef, ...]:
        """The addresses of the column url, none where the cell is no address."""
        try:
            return parse_media(self.get("url"), folder=folder, as_url=True)
        except ValueError:
            return ()  # told where the media is looked for

    def text(self, name: str) -> str | None:
        """As `parse_text`; what cannot be read is None and a failure, here and below."""
        return self._read(name, parse_text)

    def caption(self, name: str = "caption") -> str | None:
        """As `parse_caption`."""
        return self._read(name, parse_caption)

    def tagged(self) -> int | None:
        """As `parse_tagged`."""
        return self._read("n_tagged", parse_tagged)

    def location(self) -> bool | None:
        """As `parse_presence`."""
        return self._read("has_location", parse_presence)

    def count(self, name: str, *, whole: bool) -> float | None:
        """As `parse_count`."""
        return self._read(name, partial(parse_count, whole=whole))

    def time(self, name: str) -> datetime | None:
        """As `parse_time`."""
        return self._read(name, parse_time)

    def fail(self, message: str) -> None:
        """Remember a failure of this row."""
        self.failures.append(failure(self.origin, RowError(f"{self.origin}: {message}")))

    def _read(self, name: str, parse: Callable[[Any], _T | None]) -> _T | None:
        """The parsed cell, or None and a failure that shows the cell."""
        cell = self.get(name)
        try:
            if isinstance(cell, BrokenValue):
                raise ValueError(cell.reason)
            return parse(cell)
        except ValueError as error:
            shown = kind_of_cell(cell) or repr(str(cell)[:_SHOWN_CHARS])
            column = self._row.names[self._columns[name]]
            self.fail(f"column {column!r}: {error}, got {shown}; correct it (the post is kept without it)")
            return None
