"""Rows of tables and what is known of other tables to first occurrences and links to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from postlens.errors import FetchError
from postlens.media.urls import normalise_url
from postlens.sources.table import Table, TableRow
from postlens.tasks.people.repeats import Duplicate
from postlens.types import MediaRef

URL, PATH, ID = "url", "path", "id"  # reasons that need no look at the content: same address, same file, same post
_ROW: Final = re.compile(r"(?P<table>.*), row (?P<row>\d+)", re.DOTALL)

Urls = tuple[str, ...]


class Place(NamedTuple):
    """Where a post is listed."""

    table: str  # file, and sheet where it has several
    row: int | None

    @classmethod
    def of(cls, origin: str) -> Place | None:
        """Of the origin of a post; `None` where that is no row of a table."""
        match = _ROW.fullmatch(origin)
        return None if match is None else cls(match["table"], int(match["row"]))


class Link(NamedTuple):
    """A later occurrence to the first."""

    first: Place
    media: str  # address or path of the first
    reason: str
    score: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a table on its way through cleaning."""

    table: Table
    found: TableRow

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.table.name, self.found.row.number if self.found.row is not None else None)

    @property
    def media(self) -> tuple[MediaRef, ...]:
        """What the row names."""
        return self.found.post.media if self.found.post is not None else ()

    @property
    def urls(self) -> Urls:
        """Its addresses in normal form: of the column url, else those that stand where paths are expected."""
        return normal_urls(self.found.urls or self.media)

    @property
    def is_usable(self) -> bool:
        """Whether it names a file, or an address that is one."""
        return any(ref.path is not None for ref in self.media) or bool(normal_urls(self.media))


def normal_urls(refs: Iterable[MediaRef]) -> Urls:
    """The addresses in normal form; what is none is left out."""
    return tuple(_normal(ref.url) for ref in refs if ref.url is not None and _normal(ref.url))


def _normal(url: str) -> str:
    try:
        return normalise_url(url)
    except FetchError:
        return ""


class Match(NamedTuple):
    """A post to the first of its group."""

    first_id: str
    reason: str
    score: float


def match_posts(order: Sequence[str], urls: Mapping[str, Urls], copies: Iterable[Duplicate]) -> dict[str, Match]:
    """Every post that is not the first of those linked by address or content.

    Args:
        order: ids of posts, the first occurrence of equals first.
        urls: addresses by post id, empty where it has none.
        copies: links by content between these posts.
    """
    rank = {post_id: at for at, post_id in enumerate(order)}
    found = {one.later_id: one for one in copies}
    groups = _Groups(order, rank)
    same_url: dict[Urls, str] = {}
    for post_id in order:
        if urls.get(post_id):
            groups.join(same_url.setdefault(urls[post_id], post_id), post_id)
    for one in found.values():
        groups.join(one.first_id, one.later_id)
    by_first = {one.first_id: one for one in reversed(list(found.values()))}
    later = [post_id for post_id in order if groups.first(post_id) != post_id]
    return {
        post_id: Match(groups.first(post_id), *_why(post_id, same_url.get(urls.get(post_id, ())), found, by_first))
        for post_id in later
    }


def _why(
    post_id: str, same_url: str | None, found: Mapping[str, Duplicate], by_first: Mapping[str, Duplicate]
) -> tuple[str, float]:
    """Reason and score: an equal address, else the content; of the first of its copies, theirs."""
    if same_url not in (None, post_id):
        return URL, 1.0
    one = found.get(post_id) or by_first.get(post_id)
    return (one.reason, one.score) if one is not None else (URL, 1.0)


class _Groups:
    """Posts linked directly or through others; the first of a group is the earliest."""

    def __init__(self, order: Sequence[str], rank: Mapping[str, int]) -> None:
        self._parent = {post_id: post_id for post_id in order}
        self._rank = rank

    def first(self, post_id: str) -> str:
        """The earliest post of the group."""
        while self._parent[post_id] != post_id:
            self._parent[post_id] = self._parent[self._parent[post_id]]
            post_id = self._parent[post_id]
        return post_id

    def join(self, a: str, b: str) -> None:
        """Make one group of two."""
        first, later = sorted((self.first(a), self.first(b)), key=self._rank.__getitem__)
        self._parent[later] = first


def link_rows(
    entries: Sequence[Entry], matches: Mapping[str, Match], *, origins: Mapping[str, str], media: Mapping[str, str]
) -> Iterator[Link | None]:
    """For each row in order: `None` for a first occurrence, else the link to it.

    Args:
        entries: rows with a usable address.
        matches: of the posts, see `match_posts`.
        origins: by post id, the row that lists it first, of posts in other tables.
        media: address or path by post id.
    """
    places: dict[str, Place] = {}
    for entry in entries:
        post = entry.found.post
        if post is not None:
            elsewhere = Place.of(origins.get(post.post_id, ""))
            places.setdefault(post.post_id, elsewhere or entry.place)
    places |= {post_id: place for post_id, origin in origins.items() if (place := Place.of(origin)) is not None}
    seen: dict[str, Entry] = {}
    for entry in entries:
        yield _link(entry, seen, matches, places, media)


def _link(
    entry: Entry,
    seen: dict[str, Entry],
    matches: Mapping[str, Match],
    places: Mapping[str, Place],
    media: Mapping[str, str],
) -> Link | None:
    post_id = entry.found.post.post_id if entry.found.post is not None else ""
    match, before = matches.get(post_id), seen.setdefault(post_id, entry)
    first_id = match.first_id if match is not None else post_id
    place, name = places[first_id], media.get(first_id, "")
    if before is not entry:
        return Link(place, name, _same_post(entry, before), 1.0)
    if match is not None:
        return Link(place, name, match.reason, match.score)
    return None if place == entry.place else Link(place, name, _same_post(entry, None), 1.0)


def _same_post(entry: Entry, before: Entry | None) -> str:
    """Why a row is the post of an earlier one: by its address, its file, or by its id alone."""
    if before is None:
        has_id = entry.found.post is not None and entry.found.post.post_key is not None
        return URL if entry.urls else ID if has_id else PATH
    if entry.urls and entry.urls == before.urls:
        return URL
    return PATH if entry.media == before.media else ID
