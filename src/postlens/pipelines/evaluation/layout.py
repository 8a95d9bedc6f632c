"""A labelled folder to its rows: the tables in it, or the names of its sub-folders."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postlens.errors import SourceNotFoundError, TableError
from postlens.media.probe import display_name
from postlens.vision.cards import file_sha256

MANIFEST = "manifest.csv"
UNKNOWN_LABEL = "UnknownLabel"  # a failure: the label is none of the task's


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photo; `row` holds all columns of its manifest line."""

    path: Path
    label: str
    row: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What is drawn whole by the bootstrap: the person or theme, else the photo."""
        return self.row.get("holdout_group") or str(self.path)

    @property
    def source_group(self) -> str:
        """The collection that it is from, "" where unknown."""
        return self.row.get("source_group") or ""


def read_table(table: Path, *needed: str) -> list[dict[str, str]]:
    """The rows of a CSV file by column; cells that a short row lacks are "", cells beyond the header are left out.

    Raises:
        SourceNotFoundError: the file cannot be opened.
        TableError: it is no CSV file in UTF-8, or lacks one of the `needed` columns.
    """
    name = display_name(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [_named(row) for row in csv.DictReader(file, restval="")]
    except OSError as error:
        raise SourceNotFoundError(
            f"{display_name(table.parent)}: expected {table.name} in the folder ({error.strerror}); "
            "name the folder that holds it"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{name}: expected a CSV file in UTF-8, got damaged data ({error}); save it again") from error
    if rows and not set(needed) <= rows[0].keys():
        wanted = f"columns {', '.join(needed[:-1])} and {needed[-1]}" if needed[1:] else f"a column {needed[0]}"
        raise TableError(f"{name}: expected {wanted}, got {', '.join(rows[0])}; rename the columns")
    return rows


def _named(row: dict[str, str]) -> dict[str, str]:
    """The cells under a column; DictReader puts the others under None."""
    return {name: cell for name, cell in row.items() if name is not None}


def list_photos(folder: Path, labels: Collection[str]) -> list[Photo]:
    """The photos of manifest.csv with whatever label, or without it those in sub-folders named by one of `labels`.

    Raises:
        SourceNotFoundError, TableError: as `read_table`.
    """
    manifest = folder / MANIFEST
    if manifest.is_file():
        rows = read_table(manifest, "file", "label")
        return [Photo(folder / row["file"], row["label"].strip(), row) for row in rows]
    named = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name in labels]
    return [Photo(path, label.name) for label in named for path in sorted(label.iterdir()) if path.is_file()]


def is_in_sample(folder: Path, train_manifests: Sequence[str]) -> bool:
    """Whether the folder's manifest is one that a model was trained on."""
    return (folder / MANIFEST).is_file() and file_sha256(folder / MANIFEST) in train_manifests
