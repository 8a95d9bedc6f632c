"""FER2013's table to grey pictures: columns emotion, pixels (48 x 48 numbers) and Usage."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.errors import RowError, TableError
from postlens.media.probe import display_name
from postlens.types import Failure

PIXELS, EMOTION, USAGE = "pixels", "emotion", "usage"  # columns, in lower case
SIDE_PX = 48
STAGE: Final = "labels"  # of the failures
# The two tests of the competition: the public one chose between entries, the private one ranked them.
_PARTS: Final = {"training": "train", "publictest": "val", "privatetest": "test"}


class PixelRow(NamedTuple):
    """One picture of the table."""

    subject: str  # table and row
    label: str
    part: str


def read_pixels(table: Path) -> tuple[list[PixelRow], NDArray[np.uint8], list[Failure]]:
    """Rows, their pictures (N, 48, 48) uint8, and the rows that could not be read (under 1 ms each).

    Raises `TableError` for a file that is no such table.
    """
    rows: list[PixelRow] = []
    pictures: list[NDArray[np.uint8]] = []
    failures: list[Failure] = []
    name = display_name(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = [cell.strip().lower() for cell in next(lines, [])]
            _check(header, name)
            for number, cells in enumerate(lines, start=2):
                values, subject = dict(zip(header, cells, strict=False)), f"{name}, row {number}"
                try:
                    pictures.append(_picture(values.get(PIXELS, ""), subject))
                except RowError as error:
                    failures.append(Failure.of(subject, STAGE, error))
                    continue
                part = _PARTS.get(values.get(USAGE, "").strip().lower(), "")
                rows.append(PixelRow(subject, values.get(EMOTION, "").strip(), part))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{name}: expected a CSV file in UTF-8, got: {error}; copy it again") from error
    return rows, np.array(pictures, np.uint8).reshape(-1, SIDE_PX, SIDE_PX), failures


def _check(header: list[str], name: str) -> None:
    if not {PIXELS, EMOTION} <= set(header):
        raise TableError(f"{name}: expected columns {EMOTION}, {PIXELS} and Usage, got {', '.join(header) or 'none'}")


def _picture(text: str, subject: str) -> NDArray[np.uint8]:
    """(48, 48). Raises `RowError` unless the text is 2,304 whole numbers in 0..255."""
    try:
        values = np.array(text.split(), np.int64)
    except (ValueError, OverflowError):
        values = np.zeros(0, np.int64)
    if len(values) != SIDE_PX**2 or values.min() < 0 or values.max() > 255:
        raise RowError(
            f"{subject}: expected {SIDE_PX**2} whole numbers from 0 to 255 in {PIXELS}, got {text[:20]!r}... "
            f"({len(values)} numbers)"
        )
    return values.astype(np.uint8).reshape(SIDE_PX, SIDE_PX)
