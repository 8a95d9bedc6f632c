"""A folder to its media files, in a stable order, safe against link loops."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from postlens.errors import MediaError, SourceError
from postlens.media.probe import IMAGE_SUFFIXES, VIDEO_SUFFIXES, display_name, kind_of
from postlens.sources.protocol import absolute, failure
from postlens.types import Failure

# Files that come along with media and are no posts. Anything else that is no media is reported.
SIDECAR_SUFFIXES: Final = frozenset(
    {".json", ".jsonl", ".ndjson", ".txt", ".csv", ".tsv", ".xlsx", ".xls", ".ods", ".parquet", ".md", ".xml", ".xmp"}
    | {".html", ".htm", ".log", ".ini", ".toml", ".yaml", ".yml", ".srt", ".vtt", ".aae", ".thm", ".xz", ".pdf"}
    | {".db", ".db-wal", ".db-shm", ".db-journal"}  # a store that stands among the media
)
_SYSTEM_FOLDERS: Final = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"})


class FoundFile(NamedTuple):
    """A media file in a folder."""

    path: str  # absolute; bytes that are no UTF-8 as surrogates
    group: str | None  # name of the first folder below the root; None directly in the root


class _Folder(NamedTuple):
    path: str
    group: str | None


def media_files(root: str) -> Iterator[FoundFile | Failure]:
    """All media files below `root`, sorted by name, files before folders; hidden ones and side files are left out.

    Links to folders are followed after all real folders, each real folder once: so a file keeps its place in the tree
    whatever links lead to it. A link to a folder that contains it is a failure, as is an unreadable folder. A file
    whose suffix is not known is looked into: it is found if it is media, and else a failure.
    """
    seen: set[tuple[int, int]] = set()
    folders, links = [_Folder(absolute(root), None)], deque[_Folder]()
    while folders or links:
        if not folders:
            link = links.popleft()
            problem = _loop(link.path)
            if problem is not None:
                yield failure(display_name(link.path), problem)
                continue
            folders.append(link)
        below: list[_Folder] = []
        yield from _list(folders.pop(), seen, below, links)
        folders.extend(reversed(below))


def _loop(link: str) -> SourceError | None:
    """Why a link must not be followed, or None."""
    target = Path(link).resolve()
    if Path(link).parent.resolve().is_relative_to(target):
        return SourceError(
            f"{display_name(link)}: expected a folder, got a link to a folder that contains it "
            f"({display_name(target)}); the link is not followed, remove it"
        )
    return None


def _list(
    folder: _Folder, seen: set[tuple[int, int]], below: list[_Folder], links: deque[_Folder]
) -> Iterator[FoundFile | Failure]:
    """The files of one folder; real folders in it go to `below`, links to folders to `links`."""
    try:
        status = Path(folder.path).stat()
        with os.scandir(folder.path) as found:
            entries = sorted((entry for entry in found if not _is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        yield failure(display_name(folder.path), _unreadable(folder.path, error))
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        try:
            is_folder = entry.is_dir()
        except OSError as error:  # a link that leads to itself
            yield failure(display_name(entry.path), _unreadable(entry.path, error))
            continue
        if is_folder:
            (links if entry.is_symlink() else below).append(_Folder(entry.path, folder.group or entry.name))
        else:
            yield from _file(entry.path, folder.group)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_FOLDERS or name.lower() in ("thumbs.db", "desktop.ini")


def _file(path: str, group: str | None) -> Iterator[FoundFile | Failure]:
    suffix = Path(path).suffix.lower()
    if suffix in SIDECAR_SUFFIXES:
        return
    if suffix not in IMAGE_SUFFIXES and suffix not in VIDEO_SUFFIXES:
        try:
            kind_of(path)
        except MediaError as error:
            yield failure(display_name(path), error)
            return
    yield FoundFile(path, group)


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(
        f"{display_name(path)}: expected a folder or file, but it cannot be read ({error.strerror}); "
        "check its permissions or links"
    )
