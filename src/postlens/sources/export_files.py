"""The folder of an Instagram export to its lists, whatever their place in this year's layout; their texts mended."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from postlens.errors import SourceError
from postlens.media.probe import display_name
from postlens.sources.cells import without_halves
from postlens.sources.json_files import MAX_LIST_BYTES, read_json_bytes

# Where the lists were, the newest first.
_CONTENT: Final = ("your_instagram_activity/media", "your_instagram_activity/content", "content")
_INSIGHTS: Final = ("logged_information/past_instagram_insights", "past_instagram_insights")
_ACCOUNT: Final = ("personal_information/personal_information", "personal_information", "account_information")
_FOLLOWERS: Final = ("connections/followers_and_following", "followers_and_following")
_NUMBER: Final = re.compile(r"_(\d{1,4})\.json$")


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """The lists that are there."""

    root: str
    posts: tuple[Path, ...]
    reels: tuple[Path, ...]
    stories: tuple[Path, ...]
    insights: tuple[Path, ...]
    account: tuple[Path, ...]
    followers: tuple[Path, ...]
    following: tuple[Path, ...]


def find_files(root: str) -> ExportFiles:
    """The lists of an export; of several layouts in one folder the newest is read."""
    return ExportFiles(
        root=root,
        posts=_found(root, _CONTENT, "posts_*.json"),
        reels=_found(root, _CONTENT, "reels.json", "reels_*.json", "igtv_videos.json"),
        stories=_found(root, _CONTENT, "stories.json", "stories_*.json"),
        insights=_found(root, _INSIGHTS, "posts.json", "reels.json"),
        account=_found(root, _ACCOUNT, "personal_information.json"),
        followers=_found(root, _FOLLOWERS, "followers.json", "followers_*.json"),
        following=_found(root, _FOLLOWERS, "following.json"),
    )


def _found(root: str, folders: Sequence[str], *patterns: str) -> tuple[Path, ...]:
    for folder in folders:
        found = {path for pattern in patterns for path in Path(root, folder).glob(pattern) if path.is_file()}
        if found:
            return tuple(sorted(found, key=_order))
    return ()


def _order(path: Path) -> tuple[str, int, str]:
    """posts_10 after posts_9."""
    match = _NUMBER.search(path.name)
    return _NUMBER.sub("", path.name), int(match[1]) if match else 0, path.name


def load(path: Path) -> Any:
    """What a file of the export holds.

    Raises:
        SourceError: it cannot be read, is too large, or is no JSON.
    """
    content = read_json_bytes(path, max_bytes=MAX_LIST_BYTES)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        name = display_name(path)
        raise SourceError(f"{name}: expected JSON, got damaged data ({error}); export the data again") from error


def load_list(path: Path) -> list[Any]:
    """The entries of a file: a list, or an object around one (`{"ig_reels_media": [...]}`); one post alone is a list.

    Raises:
        SourceError: as `load`, or there is no list.
    """
    found = load(path)
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = [found] if "media" in found or "uri" in found else lists[0] if len(lists) == 1 else found
    if not isinstance(found, list):
        name = display_name(path)
        raise SourceError(f"{name}: expected a list, got {type(found).__name__}; export the data again as JSON")
    return found


def mend(text: str) -> str:
    """A text of an export as it was written: Instagram spells the bytes of UTF-8 as if each were a character.

    One that is no such spelling stays as it is: "Grüße" in a list that was mended before is no UTF-8 when its
    characters are taken for bytes.
    """
    try:
        return str(without_halves(text.encode("latin-1").decode("utf-8")))
    except UnicodeError:
        return str(without_halves(text))
