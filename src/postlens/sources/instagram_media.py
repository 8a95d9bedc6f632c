"""Metadata of one Instagram post, as its web pages carry it (GraphQL media as JSON), to caption, time and counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from postlens.sources.cells import parse_caption, parse_count, parse_time, without_halves

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
    "views": ("video_view_count", "video_views"),
}
_TIMES: Final = ("taken_at_timestamp", "taken_at", "date")
_CAPTIONS: Final = ("edge_media_to_caption.edges.0.node.text", "caption.text", "caption")


@dataclass(frozen=True, slots=True)
class PostFacts:
    """What is known of a post besides its pictures."""

    caption: str | None = None
    published_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # keys out of METRICS
    problems: tuple[str, ...] = ()  # fields that are there but cannot be read, one sentence each


def parse_media(content: bytes) -> PostFacts:
    """The facts in a metadata file; fields that are absent are None, ones that cannot be read are problems.

    Raises:
        ValueError: no JSON object.
    """
    try:
        media = json.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(media, dict):
        raise ValueError(f"expected a JSON object, got a {type(media).__name__}")
    for wrapper in _WRAPPERS:
        media = media[wrapper] if isinstance(media.get(wrapper), dict) else media
    problems: list[str] = []
    counts = {name: _read(media, paths, partial(parse_count, whole=True), problems) for name, paths in _COUNTS.items()}
    return PostFacts(
        caption=_read(media, _CAPTIONS, lambda cell: parse_caption(without_halves(cell)), problems),
        published_at=_read(media, _TIMES, parse_time, problems),
        metrics={name: count for name, count in counts.items() if count is not None},
        problems=tuple(problems),
    )


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
