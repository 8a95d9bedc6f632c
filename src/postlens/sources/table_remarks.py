"""A table as a whole to what is odd about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postlens.errors import TableError
from postlens.media.probe import display_name
from postlens.sources.columns import COUNTS, find_columns, find_metrics, repeated
from postlens.sources.protocol import SourceOptions, failure
from postlens.sources.sheets import Sheet
from postlens.types import UNKNOWN, Failure


def table_remarks(sheet: Sheet, path: str, options: SourceOptions) -> Iterator[Failure]:
    """What is odd about the table as a whole."""
    name = display_name(path)
    told = (*_oddities(sheet), *_absent_columns(sheet.names, options), *_repeated_columns(sheet.names, options))
    for message in told:
        yield failure(name, TableError(f"{name}: {message}"))


def _oddities(sheet: Sheet) -> Iterator[str]:
    if sheet.others:
        others = ", ".join(sheet.others)
        yield f"only sheet {sheet.title!r} is read; save others with posts as their own files: {others}"
    if sheet.merged:
        rows = ", ".join(map(str, sheet.merged))
        yield f"numbers in merged cells (from row {rows}) are read for their first row only; give each row its own"


def _absent_columns(names: Sequence[str], options: SourceOptions) -> Iterator[str]:
    """What the user named and the table lacks, and a column of creators."""
    found, metrics = find_columns(names, options.mapping), find_metrics(names, options.metric_columns)
    columns = ", ".join(name for name in names if name)
    for ours in sorted(set(options.mapping) - set(found)):
        yield f"expected column {options.mapping[ours]!r} for {ours}, got columns: {columns}; change --map"
    for wanted in options.metric_columns:
        if wanted not in metrics and wanted not in COUNTS:
            yield f"expected a column {wanted!r} of figures, got columns: {columns}; change --metric-column"
    if "creator" not in found and options.creator is None:
        yield (
            f"expected a column creator, got columns: {columns}; all posts go to {UNKNOWN!r}, "
            "name it with --map creator=COLUMN or give --creator NAME"
        )


def _repeated_columns(names: Sequence[str], options: SourceOptions) -> Iterator[str]:
    found = find_columns(names, options.mapping) | find_metrics(names, options.metric_columns)
    for again in repeated(names, found):
        yield f"column {again!r} is there more than once; the first is read, rename it"
