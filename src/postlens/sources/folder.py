"""A folder to posts: each file a post, each sub-folder of the root a creator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from postlens.errors import EmptySourceError
from postlens.media.probe import display_name
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.sources.walk import media_files
from postlens.types import UNKNOWN, Failure, MediaRef, SourcePost


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """The files of the folder and of all folders below; files directly in it belong to a creator of its name."""
    root_name = Path(absolute(spec)).name
    n_posts = 0
    for found in media_files(spec):
        if isinstance(found, Failure):
            yield found
            continue
        n_posts += 1
        handle = options.creator or clean_handle(display_name(found.group or root_name)) or UNKNOWN
        yield SourcePost(handle=handle, media=(MediaRef(path=found.path),), origin=display_name(found.path))
    if n_posts == 0:
        yield empty(spec)


def empty(spec: str) -> Failure:
    """The failure of a folder without media."""
    name = display_name(spec)
    return failure(
        name, EmptySourceError(f"{name}: expected images or videos in the folder, got none; name a folder with media")
    )


SOURCE = Source("folder", "a folder; each sub-folder is a creator", lambda spec: Path(spec).is_dir(), read)
