"""Copies of posts to pairs that stand side by side, and to their table."""

from __future__ import annotations

from dataclasses import dataclass

from postlens.pipelines.campaign import Duplicate
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.tables import Column, Row, Table
from postlens.serve.web.views.parts import Tile, creator_href, post_href, tile
from postlens.types import PostAnalysis


@dataclass(frozen=True, slots=True)
class Side:
    """One post of a pair."""

    tile: Tile
    handle: str | None
    creator: str | None  # address of the creator's page
    published: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A copy and what it is a copy of."""

    first: Side
    copy: Side
    reason: str
    score: float


def pair(one: Duplicate, shown: Shown) -> Pair:
    """Both posts of a link."""
    return Pair(_side(one.first_post_id, shown), _side(one.post_id, shown), one.reason, one.score)


def _side(post_id: str, shown: Shown) -> Side:
    post = shown.posts.get(post_id)
    if post is None:
        return Side(tile(post_id, shown), None, None, "")
    return Side(tile(post_id, shown), post.creator.handle, creator_href(post.creator.creator_id), _published(post))


def _published(post: PostAnalysis) -> str:
    at = post.post.published_at
    return f"{at:%-d %B %Y, %H:%M}" if at else "time not known"


def duplicates_table(shown: Shown) -> Table:
    """A row for each copy."""
    columns = (
        Column("copy", "post"),
        Column("first", "is a copy of"),
        Column("by", "posted by", "handle"),
        Column("first_by", "first posted by", "handle"),
        Column("reason", "found by"),
        Column("score", "score", "score"),
    )
    return Table("duplicates", "Duplicates", columns, tuple(_row(one, shown) for one in shown.campaign.duplicates))


def _row(one: Duplicate, shown: Shown) -> Row:
    by = {key: shown.posts.get(post_id) for key, post_id in (("by", one.post_id), ("first_by", one.first_post_id))}
    cells = {
        "copy": shown.title(one.post_id),
        "first": shown.title(one.first_post_id),
        **{key: post.creator.handle if post else None for key, post in by.items()},
        "reason": one.reason,
        "score": one.score,
    }
    return Row(cells, href=post_href(one.post_id), links={"first": post_href(one.first_post_id)})
