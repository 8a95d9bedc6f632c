"""A folder of folders to labelled posts: `root/<label>/photo.jpg`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from postlens.errors import SourceError
from postlens.media.probe import display_name
from postlens.sources.folder import empty
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.sources.walk import FoundFile, media_files
from postlens.types import UNKNOWN, Failure, MediaRef, SourcePost


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """Each file with the name of the first folder below the root as its label; the creator is named after the root."""
    handle = options.creator or clean_handle(display_name(Path(absolute(spec)).name)) or UNKNOWN
    n_posts = 0
    for found in media_files(spec):
        item = _item(found, handle)
        n_posts += isinstance(item, SourcePost)
        yield item
    if n_posts == 0:
        yield empty(spec)


def _item(found: FoundFile | Failure, handle: str) -> Item:
    if isinstance(found, Failure):
        return found
    origin = display_name(found.path)
    if found.group is None:
        return failure(
            origin, SourceError(f"{origin}: expected the file in a folder named after its label; move it into one")
        )
    return SourcePost(handle=handle, media=(MediaRef(path=found.path),), label=found.group, origin=origin)


SOURCE = Source("labelled_folders", "a folder; each sub-folder is a label", lambda spec: False, read)
