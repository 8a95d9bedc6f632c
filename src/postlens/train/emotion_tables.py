"""AffectNet's tables and a CSV of one's own to listed images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from postlens.errors import RowError, SourceNotFoundError, TableError
from postlens.media.probe import IMAGE_SUFFIXES, display_name
from postlens.sources.protocol import absolute
from postlens.train.emotion_listing import (
    FILES,
    PARTS,
    STAGE,
    WORDS,
    Listed,
    Listing,
    add,
    header_of,
    is_file,
    lines_of,
)
from postlens.types import Failure

AFFECTNET_HEADER: Final = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip
GROUPS: Final = ("group", "person", "creator", "source_group")
NO_LABELS: Final = frozenset((*FILES, *WORDS, *GROUPS, "split", "source", "licence", "license", "id", ""))
TABLES: Final = ("manifest.csv", "labels.csv")  # of layout csv in a folder
_CELLS: Final = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0, "": np.nan}


# --- AffectNet ------------------------------------------------------------------------------------------------------


def read_affectnet_tables(tables: Sequence[Path], folder: Path) -> Listing:
    """training.csv and validation.csv, which may lack its header; images below `folder`, or below a folder in it."""
    files: list[Listed] = []
    failures: list[Failure] = []
    for table in tables:
        part = PARTS.get(table.stem.casefold(), "")
        rows = list(_affectnet_rows(table))
        base = _base(folder, rows[0][0]) if rows else folder
        for name, label in rows:
            add(files, failures, Listed(absolute(str(base / name)), {label: 1.0}, part=part), table)
    return Listing(files, failures)


def affectnet_tables(data: Path) -> list[Path]:
    """Tables with AffectNet's header, and those without a header whose first row has as many cells."""
    return [path for path in sorted(data.glob("*.csv")) if is_affectnet(header_of(path))]


def is_affectnet(first: Sequence[str]) -> bool:
    named = AFFECTNET_HEADER[0].lower() in first
    return named or (len(first) == len(AFFECTNET_HEADER) and Path(first[0]).suffix in IMAGE_SUFFIXES)


def _affectnet_rows(table: Path) -> Iterator[tuple[str, str]]:
    """File and label of each row, by AffectNet's own order of columns where there is no header."""
    for row in lines_of(table):
        if row and row[0].strip().lower() != AFFECTNET_HEADER[0].lower():
            if len(row) < len(AFFECTNET_HEADER) - 2:
                raise TableError(f"{display_name(table)}: expected columns {', '.join(AFFECTNET_HEADER)}, got {row!r}")
            yield row[0].strip(), row[AFFECTNET_HEADER.index("expression")].strip()


def _base(folder: Path, name: str) -> Path:
    """The folder below which the images lie: the given one, or one in it that has the first image."""
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    deeper = [path for one in inner for path in sorted(one.iterdir()) if path.is_dir()]
    return next((one for one in (folder, *inner, *deeper) if is_file(one / name)), folder)


# --- CSV ------------------------------------------------------------------------------------------------------------


def read_csv(data: Path) -> Listing:
    """A table with a column `file` and either `label` (several with ; or | between) or a column for each emotion.

    Cells of emotions are 1, 0, or empty where not known. Also read: `group` (or person, creator, source_group) and
    `split` (train, val, test). Files are named relative to the table.
    """
    table = data if data.is_file() else next((data / n for n in TABLES if (data / n).is_file()), data / TABLES[0])
    if not table.is_file():
        raise SourceNotFoundError(f"{display_name(data)}: expected {' or '.join(TABLES)} in the folder; name the table")
    header, *lines = [[cell.strip() for cell in line] for line in lines_of(table)] or [[]]
    header = [name.casefold() for name in header]
    file, words = (next((name for name in names if name in header), "") for names in (FILES, WORDS))
    if not file:
        raise TableError(f"{display_name(table)}: expected a column {FILES[0]}, got {', '.join(header) or 'no row'}")
    files: list[Listed] = []
    failures: list[Failure] = []
    for number, cells in enumerate(lines, start=2):
        where, row = f"{display_name(table)}, row {number}", dict(zip(header, cells, strict=False))
        if error := _unusable(cells, header, label=row.get(words)):
            failures.append(Failure.of(where, STAGE, error))
        elif cells:
            one = Listed(
                path=absolute(str(table.parent / row[file])),
                marks=_words(row[words]) if words else _cells(row, where),
                whole=bool(words),
                group=next((row[name] for name in GROUPS if row.get(name)), ""),
                part=_part(row.get("split", ""), where),
            )
            add(files, failures, one, table)
    return Listing(files, failures)


def _unusable(cells: Sequence[str], header: Sequence[str], *, label: str | None) -> RowError | None:
    """Why a row says nothing that can be relied on; cells in wrong columns and blank labels are not a no."""
    if not cells:
        return None
    if len(cells) < len(header) or any(cells[len(header) :]):
        return RowError(f"expected {len(header)} cells as in the header, got {len(cells)}; correct the row")
    if label is not None and not _words(label):
        return RowError("expected a label, got none; name one of the image's emotions, or remove the row")
    return None


def _words(text: str) -> dict[str, float]:
    return {word.strip(): 1.0 for word in re.split(r"[;|]", text) if word.strip()}


def _cells(row: Mapping[str, str], where: str) -> dict[str, float]:
    cells = {name: cell.casefold() for name, cell in row.items() if name not in NO_LABELS}
    if wrong := [(name, cell) for name, cell in cells.items() if cell not in _CELLS]:
        name, cell = wrong[0]
        raise TableError(f"{where}, column {name}: expected 1, 0 or nothing for an emotion, got {cell!r}; correct it")
    return {name: _CELLS[cell] for name, cell in cells.items()}


def _part(text: str, where: str) -> str:
    if text and text.casefold() not in PARTS:
        raise TableError(f"{where}, column split: expected train, val or test, got {text!r}; correct it")
    return PARTS.get(text.casefold(), "")
