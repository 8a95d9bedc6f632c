"""Metadata of one Instagram post, as its pages or its app carry it (media as JSON), to caption, time and counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from postlens.sources.cell_numbers import parse_count
from postlens.sources.cell_times import parse_time
from postlens.sources.cells import parse_caption, parse_text, without_halves

_T = TypeVar("_T")
# Wrappers that different exports put around the media, outermost first.
_WRAPPERS: Final = ("data", "graphql", "shortcode_media", "xdt_shortcode_media", "media", "node")
# Where the counts lie, the best first: the form changed over the years.
_COUNTS: Final = {
    "likes": ("edge_media_preview_like.count", "edge_liked_by.count", "likes.count", "like_count"),
    "comments": (
        "edge_media_to_comment.count",
        "edge_media_to_parent_comment.count",
        "edge_media_preview_comment.count",
        "comments.count",
        "comment_count",
    ),
    "views": ("video_view_count", "video_views", "view_count", "play_count", "ig_play_count", "video_play_count"),
}
_TIMES: Final = ("taken_at_timestamp", "taken_at", "date")
_CAPTIONS: Final = ("edge_media_to_caption.edges.0.node.text", "caption.text", "caption")
_ALT_TEXTS: Final = (
    "accessibility_caption",
    "edge_sidecar_to_children.edges.0.node.accessibility_caption",
    "carousel_media.0.accessibility_caption",
)
# Lists of tagged accounts: web pages have one for the post, the app one for each picture.
_TAGS: Final = ("edge_media_to_tagged_user.edges", "usertags.in")
_OWNERS: Final = ("owner.username", "user.username")
_IDS: Final = ("pk", "id")
_HIDING: Final = "like_and_view_counts_disabled"  # what is given as likes then counts some of them only


@dataclass(frozen=True, slots=True)
class PostFacts:
    """What is known of a post besides its pictures."""

    caption: str | None = None
    published_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # keys out of METRICS
    alt_text: str | None = None
    n_tagged: int | None = None
    has_location: bool | None = None
    owner: str | None = None  # handle of the account
    media_id: str | None = None  # the platform's number
    problems: tuple[str, ...] = ()  # fields that are there but cannot be read, one sentence each


def parse_media(content: bytes) -> PostFacts:
    """The facts in a metadata file; fields that are absent are None, ones that cannot be read are problems.

    Raises:
        ValueError: no JSON object.
    """
    return facts_of(media_of(load_object(content)))


def load_object(content: bytes) -> dict[str, Any]:
    """The object in a JSON file in UTF-8; raises `ValueError` where there is none."""
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object, got a {type(found).__name__}")
    return found


def media_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The media within the wrappers that exports put around it."""
    media = document
    for wrapper in _WRAPPERS:
        media = inner if isinstance(inner := media.get(wrapper), dict) else media
    return media


def facts_of(media: Mapping[str, Any]) -> PostFacts:
    """The facts of one media object of either structure; likes of a post that hides them are left out."""
    problems: list[str] = []
    counts = {name: _read(media, paths, partial(parse_count, whole=True), problems) for name, paths in _COUNTS.items()}
    if media.get(_HIDING) is True:
        counts["likes"] = None
    return PostFacts(
        caption=_read(media, _CAPTIONS, lambda cell: parse_caption(without_halves(cell)), problems),
        published_at=_read(media, _TIMES, parse_time, problems),
        metrics={name: count for name, count in counts.items() if count is not None},
        alt_text=_read(media, _ALT_TEXTS, lambda cell: parse_caption(without_halves(cell)), problems),
        n_tagged=_n_tagged(media),
        has_location=media["location"] is not None if "location" in media else None,
        owner=_read(media, _OWNERS, lambda cell: parse_text(without_halves(cell)), problems),
        media_id=_media_id(media),
        problems=tuple(problems),
    )


def _n_tagged(media: Mapping[str, Any]) -> int | None:
    """How many accounts are tagged, over all pictures where each has its own list; None where there is no list."""
    children = media.get("carousel_media")
    parts = [part for part in children if isinstance(part, dict)] if isinstance(children, list) else []
    found = [tags for part in (media, *parts) for path in _TAGS if isinstance(tags := _at(part, path), list)]
    return len({_tagged(tag) for tags in found for tag in tags}) if found else None


def _tagged(tag: Any) -> str:
    """Which account a tag is of: tags of one account in several pictures are one."""
    names = (_at(tag, path) for path in ("node.user.username", "user.username"))
    return next((name for name in names if isinstance(name, str)), json.dumps(tag, sort_keys=True))


def _media_id(media: Mapping[str, Any]) -> str | None:
    """The number alone: the app writes the account's number behind it, as in `123_45`."""
    texts = (str(media[key]).partition("_")[0] for key in _IDS if media.get(key) is not None)
    return next((text for text in texts if text.isdecimal() and text.isascii()), None)


def _read(
    media: Mapping[str, Any], paths: tuple[str, ...], parse: Callable[[Any], _T | None], problems: list[str]
) -> _T | None:
    """The first of the fields that is there and says something."""
    for path in paths:
        cell = _at(media, path)
        if cell is None or (path == "caption" and isinstance(cell, dict)):
            continue
        try:
            return parse(cell)
        except ValueError as error:
            problems.append(f"{path}: {error}; correct it (the post is kept without it)")
            return None
    return None


def _at(media: Any, path: str) -> Any:
    """The value at a path of keys and list positions, or None."""
    value = media
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
