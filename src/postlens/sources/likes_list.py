"""A folder of numbered photos with their likes in a text file to posts.

    folder/1.jpg, 2.jpg, ...     or .png, .webp, .heic, ...: any image or video whose name is a number
    folder/y_likes_data.txt      a line `1: 27` for each, `#` begins a comment

The numbers give the order of the posts. They have no dates, and none is made up: see docs/engagement_data.md.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from postlens.errors import RowError, SourceError, SourceNotFoundError, TableError
from postlens.media.probe import IMAGE_SUFFIXES, VIDEO_SUFFIXES, display_name
from postlens.sources.folder import empty
from postlens.sources.likes_file import LikesLine, LineProblem, read_likes_file
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.types import UNKNOWN, Failure, MediaRef, SourcePost

LIKES_FILE: Final = "y_likes_data.txt"
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_RANGES_SHOWN: Final = 5  # of the gaps, in the message


@dataclass(frozen=True, slots=True)
class _Photo:
    """A media file of the folder."""

    path: str
    number: int | None  # None: its name is none


def accepts(spec: str) -> bool:
    """Whether the path is a folder with a likes list, or the list itself."""
    return _likes_file(absolute(spec)) is not None


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """A post for each photo by number, those whose name is no number last; then what is wrong with the list.

    Failures, each with its line where there is one: lines that cannot be read, counts that are hidden or no counts,
    lines without a photo, photos without a line, numbers with neither, two photos of one number (the first by name has
    the likes), names that are no number, and sub-folders, which are not read.
    """
    root = absolute(spec)
    likes_file = _likes_file(root)
    folder = str(Path(likes_file).parent) if likes_file else root
    try:
        photos, folders = _list(folder)
    except OSError as error:
        text = f"{display_name(folder)}: expected a folder that can be read ({error.strerror}); check its permissions"
        yield failure(display_name(folder), SourceError(text))
        return
    likes, problems = _read_likes(folder, likes_file)
    if not photos:
        yield empty(spec)
        return
    handle = options.creator or clean_handle(display_name(Path(folder).name)) or UNKNOWN
    yield from _posts(photos, likes, handle=handle, likes_file=likes_file)
    yield from problems
    if likes_file is not None:
        yield from _differences(photos, likes, likes_file)
    for name in folders:
        text = f"{name}: expected photos beside {LIKES_FILE}, got a sub-folder, which is not read; name it on its own"
        yield failure(name, SourceError(text))


def _likes_file(root: str) -> str | None:
    """The likes list of a folder, or the path itself if it is one."""
    if Path(root).name.lower() == LIKES_FILE and Path(root).is_file():
        return root
    try:
        with os.scandir(root) as entries:
            return min((entry.path for entry in entries if entry.name.lower() == LIKES_FILE), default=None)
    except (OSError, ValueError):
        return None


def _list(folder: str) -> tuple[list[_Photo], list[str]]:
    """Photos in their order, and names of sub-folders."""
    photos, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not path.is_dir():
                number = int(path.stem) if _NUMBER.fullmatch(path.stem) else None
                photos.append(_Photo(entry.path, number))
            elif path.is_dir():
                folders.append(display_name(path))
    photos.sort(key=lambda photo: (photo.number is None, photo.number or 0, photo.path))
    return photos, sorted(folders)


def _read_likes(folder: str, likes_file: str | None) -> tuple[dict[int, LikesLine], list[Failure]]:
    """The lines by number, and what is wrong with the list."""
    if likes_file is None:
        name = display_name(folder)
        text = f"{name}: expected {LIKES_FILE} beside the photos, got none; likes stay unknown, write one line for each"
        return {}, [failure(name, SourceNotFoundError(text))]
    name = display_name(likes_file)
    try:
        lines = read_likes_file(Path(likes_file))
    except TableError as error:
        return {}, [failure(name, error)]
    problems = [_told(name, line.line, line.message) for line in lines if isinstance(line, LineProblem)]
    return {line.number: line for line in lines if isinstance(line, LikesLine)}, problems


def _told(name: str, line: int, message: str) -> Failure:
    origin = f"{name}, line {line}"
    return failure(origin, RowError(f"{origin}: {message}"))


def _posts(
    photos: Sequence[_Photo], likes: Mapping[int, LikesLine], *, handle: str, likes_file: str | None
) -> Iterator[Item]:
    before: _Photo | None = None
    for photo in photos:
        name = display_name(photo.path)
        again = before is not None and photo.number is not None and photo.number == before.number
        line = None if photo.number is None or again else likes.get(photo.number)
        yield SourcePost(
            handle=handle,
            media=(MediaRef(path=photo.path),),
            post_key=_key(photo, again=again),
            metrics={} if line is None or line.likes is None else {"likes": line.likes},
            origin=name if line is None else f"{display_name(str(likes_file))}, line {line.line}",
        )
        if again and before is not None:
            text = f"photo {photo.number} is there twice ({Path(display_name(before.path)).name}, which has the likes)"
            yield failure(name, RowError(f"{name}: {text}; the post is kept without, remove one of them"))
        elif photo.number is None:
            text = "expected a number as the name, as in 1.jpg; the post is kept last, without likes"
            yield failure(name, RowError(f"{name}: {text}"))
        before = photo


def _key(photo: _Photo, *, again: bool) -> str | None:
    """An id whose order is that of the numbers: posts without times are read in the order of their ids.

    The folder's place is in it, since lists of two folders may be of one creator. None where there is no number.
    """
    if photo.number is None:
        return None
    path = Path(photo.path)
    place = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:8]
    return f"{place}-{photo.number:09d}" + (f"-{display_name(path.name)}" if again else "")


def _differences(photos: Sequence[_Photo], likes: Mapping[int, LikesLine], likes_file: str) -> Iterator[Failure]:
    """Photos without a line, lines without a photo, and numbers that have neither."""
    name = display_name(likes_file)
    there = {photo.number: photo.path for photo in reversed(photos) if photo.number is not None}
    for number in sorted(there.keys() - likes.keys()):
        shown = display_name(there[number])
        text = f"expected a line `{number}: likes` in {LIKES_FILE}, got none; the likes stay unknown"
        yield failure(shown, RowError(f"{shown}: {text}"))
    for line in sorted((likes[number] for number in likes.keys() - there.keys()), key=lambda line: line.line):
        yield _told(name, line.line, f"expected a photo {line.number}.jpg, got none; the line is left out")
    if gaps := _gaps(sorted(there.keys() | likes.keys())):
        shown = ", ".join(gaps[:_RANGES_SHOWN]) + (", ..." if len(gaps) > _RANGES_SHOWN else "")
        text = f"numbers have neither photo nor line: {shown}; the others keep their order"
        yield failure(name, RowError(f"{name}: {text}"))


def _gaps(numbers: Sequence[int]) -> list[str]:
    """Ranges of numbers that are not there, between the first and the last."""
    found = []
    for low, high in pairwise(numbers):
        if high - low == 2:
            found.append(str(low + 1))
        elif high - low > 2:
            found.append(f"{low + 1}-{high - 1}")
    return found


SOURCE = Source("likes_list", f"a folder of numbered photos with {LIKES_FILE}", accepts, read)
