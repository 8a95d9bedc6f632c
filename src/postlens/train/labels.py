"""Labelled images from anywhere to columns: labelled folders, a manifest, the influencer layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from postlens.errors import (
    EmptySourceError,
    MediaNotFoundError,
    NotEnoughDataError,
    ShapeError,
    SourceNotFoundError,
    UnknownNameError,
)
from postlens.media.probe import IMAGE_SUFFIXES, display_name
from postlens.sources import instagram
from postlens.sources.influencer_tables import FULL, SMALL
from postlens.sources.protocol import absolute
from postlens.sources.rows import read_table
from postlens.sources.walk import media_files
from postlens.train.splits import Split, read_splits, split_by_group
from postlens.types import NICHES, Columns, Failure, IntArray

__all__ = ["LabelledImages", "Split", "read_labelled_images", "read_splits", "split_by_group"]

MANIFEST: Final = "manifest.csv"
STAGE: Final = "labels"  # of the failures


@dataclass(frozen=True, slots=True)
class LabelledImages(Columns):
    """Image files with one label each; sliced by rows as all columns are."""

    paths: tuple[str, ...]  # absolute
    labels: IntArray  # (N,) positions in classes
    groups: tuple[str, ...]  # creator or photo source; never in two splits
    classes: tuple[str, ...]
    failures: tuple[Failure, ...] = ()  # what could not be used, and why

    def __post_init__(self) -> None:
        n = len(self.paths)
        if self.labels.shape != (n,) or len(self.groups) != n:
            raise ShapeError(f"expected {n} labels and groups, got {self.labels.shape} and {len(self.groups)}")
        if n and not (self.labels.min() >= 0 and self.labels.max() < len(self.classes)):
            raise ShapeError(f"labels must be positions in {len(self.classes)} classes, got up to {self.labels.max()}")

    @property
    def shared(self) -> tuple[str, ...]:
        """The classes and failures are of all rows."""
        return ("classes", "failures")

    @property
    def n_by_class(self) -> dict[str, int]:
        """Images of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))


class LabelledFile(NamedTuple):
    """One image as its source lists it."""

    path: str
    label: str
    group: str


class Listing(NamedTuple):
    """What a source lists; `labels` also has those of which no file is there."""

    files: Sequence[LabelledFile]
    failures: Sequence[Failure]
    labels: Sequence[str]


def read_labelled_images(folder: Path, *, classes: Sequence[str] | None = None) -> LabelledImages:
    """The labelled images of a folder in one of these layouts, told by what lies in it, in this order.

    - the influencer layout, whole or a subset (`sources.instagram`): the account's category is the label of all its
      images, the account is the group;
    - `manifest.csv` with the columns `file`, `label` and, if wanted, `source_group`; without one each image is a group;
    - a sub-folder of images for each label; a folder below it (a creator's, say) is the group, else each image is one.

    Case does not tell labels apart. Files are not opened: a damaged one is found when it is decoded.

    Args:
        classes: the labels in the order of their numbers; an image with another label is a failure. Default: those
            found, sorted.

    Raises:
        SourceNotFoundError, TableError: the folder or a table in it cannot be read.
        EmptySourceError: no labelled image at all.
        NotEnoughDataError: a class without an image; all such are named.
    """
    if not folder.is_dir():
        raise SourceNotFoundError(f"{display_name(folder)}: expected a folder of labelled images; check the name")
    return _as_columns(_listing(folder), classes=classes, name=display_name(folder))


def _listing(folder: Path) -> Listing:
    """What the folder lists, by the layout that it has."""
    if any((folder / name).is_file() for pair in (FULL, SMALL) for name in pair):  # one without the other is an error
        return _influencers(folder)
    return _manifest(folder) if (folder / MANIFEST).is_file() else _folders(folder)


def _as_columns(listing: Listing, *, classes: Sequence[str] | None, name: str) -> LabelledImages:
    """Listed files with their labels as numbers; `name` is of the source, for messages."""
    order = tuple(classes) if classes is not None else _classes_of(listing.labels)
    number = {label.casefold(): k for k, label in enumerate(order)}
    known = [file for file in listing.files if file.label.casefold() in number]
    unknown = [_unknown(file, order) for file in listing.files if file.label.casefold() not in number]
    images = LabelledImages(
        paths=tuple(file.path for file in known),
        labels=np.array([number[file.label.casefold()] for file in known], dtype=np.int64),
        groups=tuple(file.group for file in known),
        classes=order,
        failures=(*listing.failures, *unknown),
    )
    _check_classes(images, name)
    return images


def _classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels found, sorted: the niches as postlens writes them, others as first written."""
    spelled = {niche: niche for niche in NICHES}
    folded = {label.casefold(): label for label in reversed(list(labels))}
    return tuple(sorted(spelled.get(key, label) for key, label in folded.items()))


def _unknown(file: LabelledFile, classes: Sequence[str]) -> Failure:
    error = UnknownNameError(f"expected a label out of [{', '.join(classes)}], got {file.label!r}; correct it")
    return Failure.of(display_name(file.path), STAGE, error)


def _check_classes(images: LabelledImages, name: str) -> None:
    """Raise unless every class has an image."""
    unusable = f"{len(images.failures)} files were unusable{_first(images.failures)}"
    if not images.paths:
        raise EmptySourceError(
            f"{name}: expected {MANIFEST}, folders of images named by label, or influencers.txt, "
            f"got no labelled image ({unusable})"
        )
    absent = [label for label, n in images.n_by_class.items() if n == 0]
    if absent:
        raise NotEnoughDataError(
            f"{name}: expected images of every class, got none of {', '.join(absent)} ({unusable}); "
            "add some or leave the class out"
        )


def _first(failures: Sequence[Failure]) -> str:
    return f", the first: {failures[0].subject}: {failures[0].message}" if failures else ""


# --- layouts --------------------------------------------------------------------------------------------------------


def _influencers(folder: Path) -> Listing:
    """Images of accounts; those of an account without a known category are left out, the account is the failure."""
    accounts = [one for one in instagram.read_influencers(folder) if not isinstance(one, Failure)]
    files, failures = [], []
    for item in instagram.located_posts(folder):
        if isinstance(item, Failure):
            failures.append(item)
        elif item.influencer.category is not None:
            account = item.influencer
            files += [LabelledFile(path, account.category or "", account.username) for path in item.images]
    return Listing(files, failures, [account.category for account in accounts if account.category is not None])


def _manifest(folder: Path) -> Listing:
    """Rows of the manifest; one whose file is absent is a failure."""
    rows = read_table(folder / MANIFEST, "file", "label")
    files, failures = [], []
    for row in rows:
        path = absolute(str(folder / row["file"]))
        if Path(path).is_file():
            files.append(LabelledFile(path, row["label"].strip(), row.get("source_group", "").strip() or path))
        else:
            error = MediaNotFoundError(f"{MANIFEST} lists it, but there is no such file; copy it or remove the row")
            failures.append(Failure.of(display_name(path), STAGE, error))
    return Listing(files, failures, [row["label"].strip() for row in rows])


def _folders(folder: Path) -> Listing:
    """Images below the sub-folders of a folder, the first folder being the label and the second, if any, the group."""
    root, files, failures = absolute(str(folder)), [], []
    for found in media_files(root):
        if isinstance(found, Failure):
            failures.append(found)
        elif found.group is not None and Path(found.path).suffix.lower() in IMAGE_SUFFIXES:
            below = Path(found.path).relative_to(root).parts
            files.append(LabelledFile(found.path, found.group, below[1] if len(below) > 2 else found.path))
    labels = [path.name for path in Path(root).iterdir() if path.is_dir() and not path.name.startswith(".")]
    return Listing(files, failures, labels)
