"""Instagram's own export of an account's data (JSON) to posts.

    folder/your_instagram_activity/content/posts_1.json, posts_2.json, reels.json    or media/, or content/ at the top
    folder/media/posts/202301/17900000000000000.jpg                                  what their uri names
    folder/logged_information/past_instagram_insights/posts.json                     likes and impressions, where kept
    folder/personal_information/personal_information/personal_information.json       whose it is

Likes of most posts are not in an export: Instagram gives them for business and creator accounts only, in the insights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from postlens.errors import RowError, SourceError
from postlens.media.probe import display_name
from postlens.sources.cell_times import parse_time
from postlens.sources.cells import parse_caption
from postlens.sources.export_files import ExportFiles, find_files, load_list, mend
from postlens.sources.export_insights import Insights, count_entries, read_insights, read_username
from postlens.sources.folder import empty
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.sources.single import is_url, url_ref
from postlens.types import UNKNOWN, Failure, MediaRef, SourcePost

PLATFORM: Final = "instagram"
_FOLDER_NAME: Final = re.compile(r"instagram-(.+?)-\d{4}-\d{2}-\d{2}(?:-[A-Za-z0-9]+)?")


def accepts(spec: str) -> bool:
    """Whether the path is a folder with the lists of posts of an export."""
    return Path(spec).is_dir() and bool(find_files(absolute(spec)).posts)


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """A post for each entry of the lists of posts and reels, in the order of the files; carousels with all pictures.

    The creator is the account's name in the export, else `options.creator`, else the name in the folder's. Figures come
    from the insights by file, else by time; insights of no post are failures, as are entries that cannot be read.
    Stories gather no likes and are left out, which is a failure. When the figures were read is not known.
    """
    root = absolute(spec)
    files = find_files(root)
    account, problems = _account(files, options)
    yield from problems
    insights, problems = read_insights(files.insights)
    yield from problems
    n_posts = 0
    for path in (*files.posts, *files.reels):
        for item in _entries(path, root, account, insights):
            n_posts += isinstance(item, SourcePost)
            yield item
    if n_posts == 0:
        yield empty(spec)
        return
    yield from insights.unused()
    yield from _stories(files)


@dataclass(frozen=True, slots=True)
class _Account:
    handle: str
    followers: float | None = None
    followees: float | None = None


def _account(files: ExportFiles, options: SourceOptions) -> tuple[_Account, list[Failure]]:
    name, problems = read_username(files.account)
    followers, more = count_entries(files.followers)
    followees, others = count_entries(files.following)
    folder = display_name(Path(files.root).name)
    match = _FOLDER_NAME.fullmatch(folder)
    handle = name or options.creator or clean_handle(match[1] if match else folder) or UNKNOWN
    return _Account(handle, followers, followees), [*problems, *more, *others]


def _entries(path: Path, root: str, account: _Account, insights: Insights) -> Iterator[Item]:
    name = display_name(path)
    try:
        entries = load_list(path)
    except SourceError as error:
        yield failure(name, error)
        return
    for at, entry in enumerate(entries, 1):
        yield from _Entry(f"{name}, post {at}", root).read(entry, account, insights)


@dataclass(slots=True)
class _Entry:
    """One entry of a list, and what cannot be read of it."""

    origin: str
    root: str
    problems: list[str] = field(default_factory=list)

    def read(self, entry: Any, account: _Account, insights: Insights) -> Iterator[Item]:
        media = self._media(entry)
        refs = tuple(ref for item in media if (ref := self._ref(item)) is not None)
        if refs:
            yield self._post(entry, media, refs, account, insights)
        else:
            self.problems.append("expected media with a uri, got none; the post is left out")
        for text in self.problems:
            yield failure(self.origin, RowError(f"{self.origin}: {display_name(text)}"))

    def _post(
        self,
        entry: Mapping[str, Any],
        media: list[Mapping[str, Any]],
        refs: tuple[MediaRef, ...],
        account: _Account,
        insights: Insights,
    ) -> SourcePost:
        published_at = self._time(entry, media[0])
        figures = insights.take([str(item.get("uri")) for item in media], published_at)
        return SourcePost(
            handle=account.handle,
            media=refs,
            platform=PLATFORM,
            caption=self._caption(entry, media[0]),
            published_at=published_at,
            metrics=figures,
            followers=account.followers,
            followees=account.followees,
            has_location=True if any(_has_place(item) for item in media) else None,
            origin=self.origin,
        )

    def _media(self, entry: Any) -> list[Mapping[str, Any]]:
        """The media objects of an entry: several in `media`, or the entry itself (old lists)."""
        found = entry.get("media", entry) if isinstance(entry, dict) else None
        items = found if isinstance(found, list) else [found]
        return [item for item in items if isinstance(item, dict) and isinstance(item.get("uri"), str)]

    def _ref(self, item: Mapping[str, Any]) -> MediaRef | None:
        """Where a file is: within the folder, never outside."""
        uri = mend(item["uri"])
        if is_url(uri):
            return url_ref(uri)
        path = absolute(str(Path(self.root, uri)))
        if "\0" in uri or not Path(path).is_relative_to(self.root) or path == self.root:
            self.problems.append(f"expected a uri within the export, got {uri[:80]!r}; the file is left out")
            return None
        return MediaRef(path=path)

    def _time(self, *places: Mapping[str, Any]) -> datetime | None:
        for place in places:
            if place.get("creation_timestamp"):
                try:
                    return parse_time(place["creation_timestamp"])
                except ValueError as error:
                    self.problems.append(f"creation_timestamp: {error}; the post is kept without it")
                    return None
        return None

    def _caption(self, *places: Mapping[str, Any]) -> str | None:
        """The title of the post, else of its first picture: single pictures have it there."""
        for place in places:
            title = place.get("title")
            if isinstance(title, str) and title.strip():
                return parse_caption(mend(title))
        return None


def _has_place(media: Mapping[str, Any]) -> bool:
    """Whether a picture's own data holds coordinates. That it holds none does not say that the post names no place."""
    found: Any = media.get("media_metadata")
    for key in ("photo_metadata", "exif_data"):
        found = found.get(key) if isinstance(found, dict) else None
    return isinstance(found, list) and any(isinstance(one, dict) and "latitude" in one for one in found)


def _stories(files: ExportFiles) -> Iterator[Failure]:
    for path in files.stories:
        name = display_name(path)
        try:
            n_stories = len(load_list(path))
        except SourceError as error:
            yield failure(name, error)
            continue
        if n_stories:
            text = (
                f"{n_stories} stories are left out: they gather no likes; name their folder in media/ to look at them"
            )
            yield failure(name, SourceError(f"{name}: {text}"))


SOURCE = Source("instagram_export", "the data that Instagram exports (JSON)", accepts, read)
