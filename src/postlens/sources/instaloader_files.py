"""The names in a folder of instaloader's to posts: media, metadata and caption of each by their common stem."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from postlens.media.probe import IMAGE_SUFFIXES, VIDEO_SUFFIXES

# Instaloader's own pattern of names; another one can be set, then the metadata beside says what belongs together.
DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}_UTC")
_METADATA: Final = re.compile(r"(.+)\.json(?:\.xz)?", re.DOTALL)
_PART: Final = re.compile(r"(.+)_(\d{1,3})", re.DOTALL)
_ASIDE: Final = ("_profile_pic", "_cover", "_comments", "_location", "_old")  # ends of names that are no posts
_STORY: Final = "_story"
_RESUME: Final = re.compile(r"(resume_info|iterator)_")
_LOOKED_AT: Final = 1_000  # names of a folder, to tell whether instaloader made it; more: slower for other folders
_FOLDERS_LOOKED_AT: Final = 16


@dataclass(slots=True)
class PostFiles:
    """What is there of one post."""

    stem: str
    images: dict[int, str] = field(default_factory=dict)  # by position; of videos the covers
    videos: dict[int, str] = field(default_factory=dict)
    metadata: str | None = None
    caption: str | None = None
    is_story: bool = False

    @property
    def media(self) -> list[str]:
        """Paths in order, without covers of videos."""
        return [path for _, path in sorted({**self.images, **self.videos}.items())]

    @property
    def published_at(self) -> datetime | None:
        """The time in the name."""
        match = DATED.match(Path(self.stem).name)
        try:
            return datetime.strptime(match[0], "%Y-%m-%d_%H-%M-%S_UTC").replace(tzinfo=UTC) if match else None
        except ValueError:  # a thirteenth month
            return None


@dataclass(slots=True)
class FolderFiles:
    """One folder, sorted out."""

    path: str
    posts: list[PostFiles]  # those with media, by stem
    others: list[PostFiles]  # metadata without media: of the profile, of posts that were not downloaded
    folders: list[str]
    unknown: list[str]  # media without date and metadata


def is_made_by_instaloader(folder: str) -> bool:
    """Whether the folder, or one of the first few in it, has files with instaloader's names."""
    try:
        names, folders = _glance(folder)
    except (OSError, ValueError):
        return False
    if _has_dated(names):
        return True
    for inner in folders[:_FOLDERS_LOOKED_AT]:
        try:
            if _has_dated(_glance(inner)[0]):
                return True
        except OSError:
            continue
    return False


def _glance(folder: str) -> tuple[list[str], list[str]]:
    """Names of the first files, and paths of the first folders."""
    with os.scandir(folder) as entries:
        found = list(islice(entries, _LOOKED_AT))
    folders = sorted(entry.path for entry in found if entry.is_dir(follow_symlinks=False))
    return [entry.name for entry in found if not entry.is_dir(follow_symlinks=False)], folders


def _has_dated(names: Iterable[str]) -> bool:
    return any(DATED.match(name) and Path(name).suffix.lower() in _OURS for name in names)


_OURS: Final = frozenset({".xz", ".json", ".txt"}) | IMAGE_SUFFIXES | VIDEO_SUFFIXES


def list_folder(folder: str) -> FolderFiles:
    """The files of a folder by post. Raises `OSError` where it cannot be read."""
    with os.scandir(folder) as entries:
        found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    names = [entry.name for entry in found if not entry.is_dir()]
    stems = {match[1] for name in names if (match := _METADATA.fullmatch(name))}
    posts: dict[str, PostFiles] = {}
    unknown: list[str] = []
    for name in names:
        _sort_in(str(Path(folder, name)), posts, stems, unknown)
    whole = [post for post in posts.values() if post.media]
    return FolderFiles(
        path=folder,
        posts=sorted(whole, key=lambda post: post.stem),
        others=sorted((post for post in posts.values() if not post.media), key=lambda post: post.stem),
        folders=[entry.path for entry in found if entry.is_dir(follow_symlinks=False)],
        unknown=unknown,
    )


def _sort_in(path: str, posts: dict[str, PostFiles], stems: set[str], unknown: list[str]) -> None:
    """Put one file to its post."""
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if match := _METADATA.fullmatch(name):
        if not match[1].endswith(_ASIDE) and not _RESUME.match(name):
            _post(posts, match[1]).metadata = path
    elif suffix == ".txt":
        if not Path(name).stem.endswith(_ASIDE):
            _post(posts, Path(name).stem).caption = path
    elif suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not Path(name).stem.endswith(_ASIDE):
        stem, position = _place(Path(name).stem, stems)
        if not DATED.match(stem) and stem not in stems:
            unknown.append(path)
            return
        post = _post(posts, stem)
        files = post.videos if suffix in VIDEO_SUFFIXES else post.images
        files[position if position not in files else max(files) + 1] = path


def _post(posts: dict[str, PostFiles], stem: str) -> PostFiles:
    """The post of a stem; stories have their own, as they may have the second of a post."""
    return posts.setdefault(stem, PostFiles(stem, is_story=DATED.match(stem) is not None and _STORY in stem))


def _place(stem: str, stems: set[str]) -> tuple[str, int]:
    """Stem of the post and position in it: `..._UTC_2` is the second of `..._UTC`, unless it has its own metadata."""
    match = _PART.fullmatch(stem)
    if match is None or stem in stems:
        return stem, 0
    dated = DATED.match(match[1]) is not None
    return (match[1], int(match[2])) if dated or match[1] in stems else (stem, 0)


def walk_folders(root: str) -> Iterator[FolderFiles | tuple[str, OSError]]:
    """The root and all folders below, files before folders, by name; links to folders are not followed."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            found = list_folder(folder)
        except OSError as error:
            yield folder, error
            continue
        yield found
        waiting.extend(reversed(found.folders))
