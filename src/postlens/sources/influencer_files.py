"""Names in the influencer layout's mapping to the files on disk.

As published, the mapping says `1188.info` and `['1188.jpg']` for files at `info/<username>-1188.info` and
`image/<username>-1188.jpg`. Copies of it also have the names as they stand, or a folder for each account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postlens.sources.influencer_tables import MappedPost

IMAGE_FOLDERS: Final = ("image", "images")
METADATA_FOLDERS: Final = ("info", "json")
METADATA_SUFFIXES: Final = (".info", ".json")
# Instagram's media ids have 17 digits and more and are one's own; a shorter number may be any account's first post.
_MEDIA_ID: Final = re.compile(r"\d{15,}")


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The folders of a dataset that hold files of posts."""

    images: tuple[Path, ...]  # empty: there is none
    metadata: tuple[Path, ...]
    has_metadata_folder: bool  # else `metadata` are the places beside the tables and images

    @classmethod
    def of(cls, folder: Path) -> DatasetFiles:
        """Looks for image/, info/ and json/ in the dataset's folder."""
        images = tuple(folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir())
        metadata = tuple(folder / name for name in METADATA_FOLDERS if (folder / name).is_dir())
        return cls(images, metadata or (folder, *images), bool(metadata))

    def image(self, post: MappedPost, name: str) -> Path | None:
        """The file of one of the post's images, or None where there is none."""
        return _first_file(self.images, post.username, (name,))

    def metadata_of(self, post: MappedPost) -> Path | None:
        """The post's metadata file, or None where there is none; `.info` and `.json` stand for each other."""
        if post.metadata is None:
            return None
        stem, suffix = _split(post.metadata)
        others = [f"{stem}{other}" for other in METADATA_SUFFIXES if other != suffix.lower()]
        return _first_file(self.metadata, post.username, (post.metadata, *others))


def post_key(post: MappedPost) -> str | None:
    """The platform's id of a post, from the name of its metadata file, whether that file is there or not.

    A number as long as Instagram's media ids is one's own; any other name counts per account. None without a name.
    """
    if post.metadata is None:
        return None
    stem = _split(post.metadata)[0].replace("\\", "/").rpartition("/")[2].removeprefix(f"{post.username}-")
    return stem if _MEDIA_ID.fullmatch(stem) else f"{post.username.casefold()}-{stem}"


def _split(name: str) -> tuple[str, str]:
    """A metadata file's name without and with only its suffix; a point elsewhere in the name is none."""
    suffix = Path(name).suffix
    return (name.removesuffix(suffix), suffix) if suffix.lower() in METADATA_SUFFIXES else (name, "")


def _first_file(folders: tuple[Path, ...], username: str, names: tuple[str, ...]) -> Path | None:
    places = (folder / spelled for folder in folders for name in names for spelled in _spellings(username, name))
    return next((place for place in places if _is_file(place)), None)


def _spellings(username: str, name: str) -> Iterator[str]:
    """Where a file may lie in its folder; with the account's name first, since a short one may be another's file."""
    yield f"{username}-{name}"
    yield f"{username}/{name}"
    yield name


def _is_file(path: Path) -> bool:
    """Whether a file is there; a name that cannot be one, too long or with a NUL, names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
