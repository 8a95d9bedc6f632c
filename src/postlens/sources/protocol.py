"""What a source of posts is: a name, a test for its paths, and a reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from postlens.types import Failure, SourcePost

Item = SourcePost | Failure
STAGE: Final = "source"  # of the failures


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user said about a source."""

    creator: str | None = None  # whose posts these are
    mapping: Mapping[str, str] = field(default_factory=dict)  # our column name -> the table's column name
    metric_columns: tuple[str, ...] = ()  # further columns of a table to read as metrics of these names


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of source.

    `read` is lazy: it opens the path when the first item is asked for, holds no more than a piece of it in memory, and
    yields the same items in the same order each time. It raises nothing about the content: what cannot be read is a
    `Failure`, and a source without any post ends with an `EmptySourceError` failure.
    """

    name: str
    summary: str  # one line for the command line's help
    accepts: Callable[[str], bool]  # whether a path is for this source when none is named
    read: Callable[[str, SourceOptions], Iterator[Item]]


def failure(subject: str, error: Exception) -> Failure:
    """A failure of the source stage."""
    return Failure.of(subject, STAGE, error)


def absolute(path: str) -> str:
    """The path from the root, without `.` and `..`; links stay as they are."""
    return os.path.normpath(Path(path).absolute())


def clean_handle(handle: str) -> str:
    """A creator's handle without spaces around it and the leading @."""
    return handle.strip().removeprefix("@").strip()
