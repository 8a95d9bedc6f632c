"""A labelled folder to its rows: the tables in it, or the names of its sub-folders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postlens.sources.rows import read_table
from postlens.vision.cards import file_sha256

__all__ = ["MANIFEST", "UNKNOWN_LABEL", "Photo", "is_in_sample", "list_photos", "read_table"]

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


def list_photos(folder: Path, labels: Collection[str]) -> list[Photo]:
    """The photos of manifest.csv with whatever label, or without it those in sub-folders named by one of `labels`.

    A folder below such a sub-folder (a creator's, say) is the source group of its photos, as in training.

    Raises:
        SourceNotFoundError, TableError: as `read_table`.
    """
    manifest = folder / MANIFEST
    if manifest.is_file():
        rows = read_table(manifest, "file", "label")
        return [Photo(folder / row["file"], row["label"].strip(), row) for row in rows]
    named = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name in labels]
    below = [path.relative_to(folder) for label in named for path in sorted(label.rglob("*")) if path.is_file()]
    return [Photo(folder / path, path.parts[0], _source_of(path)) for path in below]


def _source_of(path: Path) -> dict[str, str]:
    """`label/creator/photo` to what a manifest would say of it; nothing for `label/photo`."""
    return {"source_group": path.parts[1]} if len(path.parts) > 2 else {}


def is_in_sample(folder: Path, train_manifests: Sequence[str]) -> bool:
    """Whether the folder's manifest is one that a model was trained on."""
    return (folder / MANIFEST).is_file() and file_sha256(folder / MANIFEST) in train_manifests
