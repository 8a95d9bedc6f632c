"""What a data set of emotions lists, in its own words, and how its tables are opened."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.errors import MediaNotFoundError, PostlensError, TableError
from postlens.media.probe import display_name
from postlens.types import Failure

STAGE: Final = "labels"  # of the failures
PARTS: Final = {
    **dict.fromkeys(("train", "training", "train_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "val_set", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
FILES: Final = ("file", "image", "path", "filename", "image_name", "pth")  # names of columns
WORDS: Final = ("label", "labels", "emotion", "emotions", "expression")


class Listed(NamedTuple):
    """One image as its data set lists it."""

    path: str  # absolute; of a picture in a table its name and the row
    marks: Mapping[str, float]  # label of the data set to 1, 0 or NaN
    whole: bool = True  # labels that are not marked are known to be absent
    group: str = ""
    part: str = ""  # train, val, test, or "" where the data set gives none


class Listing(NamedTuple):
    """What a data set lists."""

    files: Sequence[Listed]
    failures: Sequence[Failure] = ()
    pixels: NDArray[np.uint8] | None = None  # (N, 48, 48) of pictures that are no files


def add(files: list[Listed], failures: list[Failure], one: Listed, table: Path) -> None:
    """To the files, or to the failures if it is not there; `table` lists it."""
    if is_file(Path(one.path)):
        files.append(one)
    else:
        error = MediaNotFoundError(f"{table.name} lists it, but there is no such file; copy it or remove the row")
        failures.append(Failure.of(display_name(one.path), STAGE, error))


def is_file(path: Path) -> bool:
    """Whether there is such a file; not for names that the file system does not take."""
    try:
        return path.is_file()
    except OSError:
        return False


def header_of(table: Path) -> list[str]:
    """Names of the columns in lower case, or the cells of a first row; nothing of a file that is no table."""
    try:
        return [name.strip().lower() for name in next(iter(lines_of(table)), [])]
    except PostlensError:
        return []


def lines_of(table: Path) -> Iterator[list[str]]:
    """Rows of a CSV file, or of a text file. Raises `TableError` for one that is none."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{display_name(table)}: expected a table in UTF-8, got: {error}; save it again") from error
