"""A path or URL to the source that reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from postlens.errors import SourceNotFoundError, UnknownNameError
from postlens.media.probe import StrPath, display_name
from postlens.sources import (
    folder,
    instagram,
    instagram_export,
    instaloader,
    labelled_folders,
    likes_list,
    single,
    table,
)
from postlens.sources.columns import check_mapping
from postlens.sources.protocol import Item, Source, SourceOptions, clean_handle, failure

# In the order in which they are asked whether they accept a path; `single` accepts the rest.
SOURCES: Final[Mapping[str, Source]] = {
    source.name: source
    for source in (
        table.SOURCE,
        instagram.SOURCE,
        likes_list.SOURCE,
        instagram_export.SOURCE,
        instaloader.SOURCE,
        folder.SOURCE,
        labelled_folders.SOURCE,
        single.SOURCE,
    )
}


def open_source(
    spec: StrPath,
    *,
    creator: str | None = None,
    mapping: Mapping[str, str] | None = None,
    kind: str | None = None,
    metric_columns: Sequence[str] = (),
) -> Iterator[Item]:
    """The posts of a source, one by one, and failures for what could not be read. Nothing is opened before the first.

    Args:
        spec: a file, a folder, a table or a URL of a media file.
        creator: whose posts these are. In a folder it stands for all sub-folders; in a table it fills empty cells.
        mapping: a table's own column names, `{"likes": "Gefällt"}`.
        metric_columns: further columns of a table to read as metrics, beside the known ones.
        kind: name of the source in `SOURCES`; None picks it by the path.

    Raises:
        UnknownNameError: no source `kind`, or a column in `mapping` that posts do not have.
    """
    if kind is not None and kind not in SOURCES:
        raise UnknownNameError(f"there is no source {kind!r}; sources: {', '.join(SOURCES)}")
    check_mapping(mapping or {})
    options = SourceOptions(
        creator=clean_handle(display_name(creator)) if creator else None,
        mapping=dict(mapping or {}),
        metric_columns=tuple(metric_columns),
    )
    return _items(os.fspath(spec), options, kind)


def _items(spec: str, options: SourceOptions, kind: str | None) -> Iterator[Item]:
    """Looks at the path only when asked for the first item."""
    if not single.is_url(spec) and not os.path.lexists(spec):
        name = display_name(spec)
        yield failure(name, SourceNotFoundError(f"{name}: there is no such file or folder; check the path"))
        return
    source = SOURCES[kind] if kind else next(source for source in SOURCES.values() if source.accepts(spec))
    yield from source.read(spec, options)
