"""A tree of folders or a CSV to images with several labels each, and the table of what they are."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.errors import (
    EmptySourceError,
    MediaError,
    MediaNotFoundError,
    SourceNotFoundError,
    TableError,
    UsageError,
)
from postlens.media.hashing import sha256_file
from postlens.media.probe import IMAGE_SUFFIXES, display_name
from postlens.sources.protocol import absolute
from postlens.sources.rows import read_table
from postlens.sources.walk import media_files
from postlens.tasks.products.items import label_key, label_name
from postlens.tasks.products.model import NONE_LABELS
from postlens.types import Columns, Failure, FloatArray

STAGE: Final = "labels"  # of the failures
NAMES_SHOWN: Final = 12  # in a message
FILE, GROUPS, SPLIT = "file", ("group", "person"), "split"  # columns of a CSV that are no labels
_CELLS: Final = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0, "": np.nan}
_PARTS: Final = {"": False, "train": False, "val": False, "test": True}


@dataclass(frozen=True, slots=True)
class ProductImages(Columns):
    """Image files, each once, with what is known of every label; sliced by rows as all columns are."""

    paths: tuple[str, ...]  # absolute
    sha256: tuple[str, ...]
    truth: FloatArray  # (N, K) 1, 0, or NaN where not known
    groups: tuple[str, ...]  # "": none given
    held_out: NDArray[np.bool_]  # (N,) never trained on: `split` is test
    labels: tuple[str, ...]
    failures: tuple[Failure, ...] = ()  # what could not be used, and why

    @property
    def shared(self) -> tuple[str, ...]:
        """The labels and failures are of all rows."""
        return ("labels", "failures")

    @property
    def n_positive(self) -> dict[str, int]:
        """Images with each label."""
        return dict(zip(self.labels, (self.truth == 1).sum(axis=0).tolist(), strict=True))

    def without(self, failures: Sequence[Failure], rows: Iterable[int]) -> ProductImages:
        """The images but for these rows, which failed."""
        kept = self[np.setdiff1d(np.arange(len(self)), list(rows))]
        return replace(kept, failures=(*self.failures, *failures))


class Listed(NamedTuple):
    """One image as its source lists it."""

    path: str
    known: Mapping[str, float]  # label to 1, 0 or NaN
    group: str = ""
    held_out: bool = False


def read_product_images(data: Path, *, labels: Sequence[str] = ()) -> ProductImages:
    """The images of a tree of folders or of a CSV file.

    - A folder: the first folder below it is the label, a folder below that, if any, the group (a person, a shoot).
      An image (by its bytes) that lies in several label folders has all these labels, and none of the others. Images in
      a folder `none` or `other` have no label at all.
    - A CSV: the column `file` (relative to the CSV), a column for each label with 1, 0 or nothing (not known), and if
      wanted `group` or `person`, and `split` (train or test: test images are only scored). A row with another value in
      one of these is a failure.

    Labels are spelled as `items.label_name` spells them: folders `Hat` and `hat` are one label.

    labels: those to learn; of a CSV its other columns are then left alone. Default: all.

    Raises:
        SourceNotFoundError, TableError: the folder or table cannot be read, or a column is no label.
        EmptySourceError: no image, or no label.
        UsageError: a label that is asked for is not there, or has a name that no label may have.
    """
    name, labels = display_name(data), [label_name(label) for label in labels]
    if data.is_file():
        listed, failures, found = _csv(data, labels)
    elif data.is_dir():
        listed, failures, found = _tree(data)
    else:
        raise SourceNotFoundError(f"{name}: expected a folder of label folders or a CSV file, got nothing there")
    if missing := [label for label in labels if label not in found]:
        raise UsageError(f"{name}: expected labels out of {some(found) or 'none'}, got {some(missing)}")
    images = _columns(listed, failures, tuple(labels or found), untold=np.nan if data.is_file() else 0.0)
    if not images.labels:
        raise EmptySourceError(
            f"{name}: expected a folder or column for each label, got only {' and '.join(NONE_LABELS)} or no images; "
            "name a folder after what its images show"
        )
    if not images.paths:
        first = f", the first: {images.failures[0].subject}: {images.failures[0].message}" if images.failures else ""
        raise EmptySourceError(f"{name}: expected labelled images, got none ({len(images.failures)} unusable{first})")
    return images


def write_table(images: ProductImages, path: Path, *, root: Path, groups: Sequence[str]) -> None:
    """Write the table as CSV, in the form that `read_product_images` takes; files relative to `root` where below it.

    groups (N,): those that were divided by.
    """
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([FILE, *images.labels, GROUPS[0], SPLIT])
        for i, name in enumerate(images.paths):
            cells = ["" if np.isnan(value) else str(int(value)) for value in images.truth[i]]
            writer.writerow([relative(name, root), *cells, groups[i], "test" if images.held_out[i] else "train"])


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def relative(path: str, root: Path) -> str:
    """The path below the root where it lies below it."""
    own, top = Path(path), Path(absolute(str(root)))
    return str(own.relative_to(top)) if own.is_relative_to(top) else path


# --- sources --------------------------------------------------------------------------------------------------------


def _tree(root: Path) -> tuple[list[Listed], list[Failure], list[str]]:
    """Files with the label of their folder, or that they have none; `_columns` joins those of equal files."""
    listed, failures, found = [], [], set()
    for item in media_files(absolute(str(root))):
        if isinstance(item, Failure):
            failures.append(item)
            continue
        if Path(item.path).suffix.lower() not in IMAGE_SUFFIXES:
            continue
        below = Path(item.path).relative_to(absolute(str(root))).parts
        if item.group is None:
            error = TableError("expected the image in a folder named after its label; move it into one")
            failures.append(Failure.of(display_name(item.path), STAGE, error))
            continue
        label = label_key(item.group)
        is_label = label not in NONE_LABELS
        found |= {label} if is_label else set()
        listed.append(Listed(item.path, {label: 1.0} if is_label else {}, "/".join(below[1:-1])))
    labels = _named(sorted(found), root)
    zeros = dict.fromkeys(labels, 0.0)
    return [one if one.known else one._replace(known=zeros) for one in listed], failures, labels


def _csv(path: Path, labels: Sequence[str]) -> tuple[list[Listed], list[Failure], list[str]]:
    rows = read_table(path, FILE)
    header = [label_key(name) for name in (rows[0] if rows else {})]
    other = {FILE, *GROUPS, SPLIT, *NONE_LABELS}
    found = [name for name in dict.fromkeys(header) if name and name not in other]
    wanted = _named([name for name in found if not labels or name in labels], path)
    if twice := [name for name in (*wanted, *sorted(other)) if header.count(name) > 1]:
        raise TableError(
            f"{display_name(path)}: expected each column once, got several of {', '.join(twice)}; keep one"
        )
    listed, failures = [], []
    for number, raw in enumerate(rows, start=2):
        row = {label_key(name): cell.strip() for name, cell in raw.items()}
        try:
            listed.append(_listed(row, path, wanted))
        except (MediaNotFoundError, TableError) as error:
            failures.append(Failure.of(f"{display_name(path)}, row {number}: {row[FILE]}", STAGE, error))
    if failures and all(one.error == TableError.__name__ for one in failures) and not listed:
        raise TableError(f"{failures[0].subject}: {failures[0].message}")  # as where a column is no label
    return listed, failures, found


def _listed(row: Mapping[str, str], path: Path, labels: Sequence[str]) -> Listed:
    """A row of a table. Raises `TableError` for a cell that cannot be read, `MediaNotFoundError` without a file."""
    known = {name: _cell(row[name], f"column {name}") for name in labels}
    group = next((row[name] for name in GROUPS if row.get(name)), "")
    held_out = _part(row.get(SPLIT, ""), f"column {SPLIT}")
    file = absolute(str(path.parent / row[FILE]))
    if not row[FILE] or not Path(file).is_file():
        raise MediaNotFoundError("the table lists it, but there is no such file; copy it or remove the row")
    return Listed(file, known, group, held_out)


def _named(labels: Sequence[str], source: Path) -> list[str]:
    """The labels, if each has a name that a label may have."""
    try:
        return [label_name(label) for label in labels]
    except UsageError as error:
        raise UsageError(f"{display_name(source)}: {error}") from error


def _cell(text: str, where: str) -> float:
    if text.casefold() not in _CELLS:
        raise TableError(
            f"{where}: expected 1, 0 or nothing for a label, got {text!r}; correct it, or if the column is no label, "
            "name those that are by --label"
        )
    return _CELLS[text.casefold()]


def _part(text: str, where: str) -> bool:
    if text.casefold() not in _PARTS:
        raise TableError(f"{where}: expected train, val or test, got {text!r}; correct it")
    return _PARTS[text.casefold()]


# --- equal files ----------------------------------------------------------------------------------------------------


def _columns(
    listed: Sequence[Listed], failures: Sequence[Failure], labels: tuple[str, ...], *, untold: float
) -> ProductImages:
    """Each content once, with what all its files say; `untold`: the truth of a label of which none says anything."""
    same: dict[str, list[Listed]] = {}
    failed = list(failures)
    for one in listed:
        try:
            same.setdefault(sha256_file(one.path), []).append(one)
        except MediaError as error:
            failed.append(Failure.of(display_name(one.path), STAGE, error))
    kept: list[tuple[str, Listed]] = []
    for sha256, files in same.items():
        if disputed := _disputed(files):
            failed.append(_contradiction(files, disputed))
        else:
            kept.append((sha256, _joined(files)))
    truth = np.array([[one.known.get(label, untold) for label in labels] for _, one in kept], np.float32)
    return ProductImages(
        paths=tuple(one.path for _, one in kept),
        sha256=tuple(sha256 for sha256, _ in kept),
        truth=truth.reshape(len(kept), len(labels)),
        groups=tuple(one.group for _, one in kept),
        held_out=np.array([one.held_out for _, one in kept], bool),
        labels=labels,
        failures=tuple(failed),
    )


def _disputed(files: Sequence[Listed]) -> list[str]:
    """Labels that one of equal files has and another has not."""
    names = dict.fromkeys(name for one in files for name in one.known)
    return [name for name in names if {0.0, 1.0} <= {one.known.get(name) for one in files}]


def _joined(files: Sequence[Listed]) -> Listed:
    """What equal files, which do not contradict each other, say together."""
    known = {name: value for one in files for name, value in one.known.items() if not np.isnan(value)}
    unknown = {name: np.nan for one in files for name in one.known}
    group = next((one.group for one in files if one.group), "")
    return Listed(files[0].path, {**unknown, **known}, group, any(one.held_out for one in files))


def _contradiction(files: Sequence[Listed], labels: Sequence[str]) -> Failure:
    places = ", ".join(display_name(one.path) for one in files)
    error = TableError(f"expected one truth of equal files, got both of {', '.join(labels)} ({places}); keep one")
    return Failure.of(display_name(files[0].path), STAGE, error)
