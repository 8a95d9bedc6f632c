"""A data set of emotions, in any of six layouts, to images with what is known of our eight emotions.

Layouts: affectnet, fi, emoset, fer2013, folders, csv (`emotion_layouts`). What their labels mean is told by a table
for each (`emotion_map`), which a table of the user's can replace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.errors import EmptySourceError, NotEnoughDataError, SourceNotFoundError, UnknownNameError
from postlens.media.probe import display_name
from postlens.train.emotion_layouts import LAYOUTS, find_layout
from postlens.train.emotion_listing import Listed, Listing
from postlens.train.emotion_map import EmotionMap, load_map
from postlens.types import EMOTIONS, Columns, Failure, FloatArray

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class EmotionImages(Columns):
    """Images with what is known of each emotion; sliced by rows as all columns are."""

    paths: tuple[str, ...]  # absolute; of pictures in a table its name and the row
    truth: FloatArray  # (N, 8) 1, 0, or NaN where not known, in the order of EMOTIONS
    groups: tuple[str, ...]  # person, account or shoot; never in two parts
    parts: tuple[str, ...]  # that the data set gives: train, val, test, or "" for none
    pixels: NDArray[np.uint8] | None  # (N, 48, 48) grey, of pictures in a table
    map: EmotionMap  # of labels
    n_skipped: int = 0  # images whose label the table leaves out
    failures: tuple[Failure, ...] = ()  # what could not be used, and why

    @property
    def shared(self) -> tuple[str, ...]:
        """The table and what was left out are of all rows."""
        return ("map", "n_skipped", "failures")

    @property
    def n_positive(self) -> dict[str, int]:
        """Images with each emotion."""
        return dict(zip(EMOTIONS, (self.truth == 1).sum(axis=0).tolist(), strict=True))


def read_emotion_images(data: Path, *, layout: str = AUTO, labels: Path | None = None) -> EmotionImages:
    """The images of a data set and what is known of their emotions.

    An image with one label has the emotions of that label, and none of the others that labels of the data set can mean;
    of an emotion that none can mean nothing is known. Files are not opened but for tables and annotations.

    Args:
        layout: "auto" or a name out of `LAYOUTS`.
        labels: TOML file that replaces the layout's table of labels.

    Raises:
        SourceNotFoundError, TableError: the folder or a table in it cannot be read.
        UnknownNameError: no such layout, or a label that is not in the table; all such are named.
        SettingsError: the table of labels cannot be used.
        EmptySourceError: no labelled image at all.
        NotEnoughDataError: no emotion that some images have and others have not.
    """
    if not data.exists():
        raise SourceNotFoundError(
            f"{display_name(data)}: expected a folder or table of labelled images; check the name"
        )
    name = find_layout(data) if layout == AUTO else layout
    if name not in LAYOUTS:
        raise UnknownNameError(f"expected a layout out of {AUTO}, {', '.join(LAYOUTS)}, got {layout!r}")
    meaning = load_map(labels or name)
    listing = LAYOUTS[name](data)
    _check_labels(listing, meaning, where=display_name(data))
    found = _as_columns(listing, meaning)
    _check_enough(found, where=display_name(data))
    return found


def learnable(truth: FloatArray) -> tuple[str, ...]:
    """Emotions that some of the images have and others are known not to have; truth (N, 8)."""
    both = (truth == 1).any(axis=0) & (truth == 0).any(axis=0)
    return tuple(name for name, is_there in zip(EMOTIONS, both.tolist(), strict=True) if is_there)


def _check_labels(listing: Listing, meaning: EmotionMap, *, where: str) -> None:
    """Raise `UnknownNameError` for labels that the table does not have."""
    unknown: Counter[str] = Counter()
    first = ""
    for one in listing.files:
        for label in one.marks:
            if not meaning.knows(label):
                unknown[label] += 1
                first = first or one.path
    if unknown:
        told = ", ".join(f"{label!r} ({n} images)" for label, n in unknown.most_common(5))
        raise UnknownNameError(
            f"{where}: expected labels out of {', '.join(meaning.known)} (table {meaning.name}, version "
            f"{meaning.version}), got {told}, the first: {display_name(first)}; correct them, name another "
            "--layout, or say what they mean in a table of your own (--labels FILE)"
        )


def _as_columns(listing: Listing, meaning: EmotionMap) -> EmotionImages:
    rows = [_truth(one, meaning) for one in listing.files]
    kept = [i for i, row in enumerate(rows) if row is not None and not np.isnan(row).all()]
    files = [listing.files[i] for i in kept]
    return EmotionImages(
        paths=tuple(one.path for one in files),
        truth=np.array([rows[i] for i in kept], np.float32).reshape(len(kept), len(EMOTIONS)),
        groups=tuple(one.group or one.path for one in files),
        parts=tuple(one.part for one in files),
        pixels=None if listing.pixels is None else listing.pixels[kept],
        map=meaning,
        n_skipped=len(rows) - len(kept),
        failures=tuple(listing.failures),
    )


def _truth(one: Listed, meaning: EmotionMap) -> FloatArray | None:
    """(8,) 1, 0 or NaN; None for an image that the table leaves out."""
    if any(meaning.skips(label) for label, value in one.marks.items() if value == 1):
        return None
    row = np.full(len(EMOTIONS), np.nan, np.float32)
    if one.whole:
        row[[EMOTIONS.index(name) for name in meaning.reachable]] = 0
    for label, value in sorted(one.marks.items(), key=lambda mark: mark[1]):  # of two words for an emotion a yes counts
        if not np.isnan(value) and not meaning.skips(label):
            row[[EMOTIONS.index(name) for name in meaning.meaning(label)]] = value
    return row


def _check_enough(images: EmotionImages, *, where: str) -> None:
    n_failed = len(images.failures)
    first = f", the first: {images.failures[0].subject}: {images.failures[0].message}" if n_failed else ""
    left_out = f"{n_failed} were unusable{first}; {images.n_skipped} have a label that is left out"
    if not images.paths:
        raise EmptySourceError(f"{where}: expected labelled images, got none ({left_out}); name another --layout?")
    if not learnable(images.truth):
        present = ", ".join(f"{name} ({n})" for name, n in images.n_positive.items() if n) or "none at all"
        raise NotEnoughDataError(
            f"{where}: expected images with an emotion and others without it, got {present} ({left_out}); add images "
            "of other emotions"
        )


def columns_of(emotions: Sequence[str]) -> list[int]:
    """Columns of these emotions in a truth (N, 8)."""
    return [EMOTIONS.index(name) for name in emotions]
