"""Posts of sources to rows and back: creators, posts and where their media is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from postlens.errors import ForgottenError, ShapeError
from postlens.store.schema import creators, post_media, posts
from postlens.store.snapshots import Observation, write_observations
from postlens.store.statements import delete_keys, select_in, upsert
from postlens.store.tombstones import forgotten_ids
from postlens.types import Creator, MediaRef, Post, SourcePost


@dataclass(frozen=True, slots=True)
class LocatedPost:
    """A post of a source with what became of its media."""

    post: SourcePost
    media: tuple[str | None, ...]  # sha256 of each of `post.media`; None: could not be read

    def __post_init__(self) -> None:
        if len(self.media) != len(self.post.media):
            raise ShapeError(f"media must have {len(self.post.media)} entries as the post has, got {len(self.media)}")


@dataclass(frozen=True, slots=True)
class PostMedia:
    """One media file of a post."""

    post_id: str
    position: int
    sha256: str | None  # None: never read so far
    ref: MediaRef


@dataclass(frozen=True, slots=True)
class DuplicateLink:
    """A post whose media was published before."""

    post_id: str
    first_post_id: str
    reason: str
    score: float


def write_post(conn: Connection, post: SourcePost, media: Sequence[str | None], *, now: datetime) -> int:
    """`write_posts` of one post: `media` is the sha256 of each of its files, `None` where it could not be read."""
    return write_posts(conn, [LocatedPost(post, tuple(media))], now=now)


def write_posts(conn: Connection, located: Iterable[LocatedPost], *, now: datetime) -> int:
    """Insert or update posts with creator, media and counts; returns how many rows changed, 0 if all was known.

    What a source does not say (`None`) erases nothing that is known. Of two texts for one post the later written wins,
    but `origin` stays the first one, and so does `seen`, a running number over new posts. Counts without a time of
    observation count as observed `now`, see `write_observations`. Raises `ForgottenError` if a creator was forgotten:
    ask `forgotten_ids` before.
    """
    batch = list(located)
    _refuse_forgotten(conn, [one.post.creator_id for one in batch])
    n_rows = upsert(conn, creators, [_creator_row(one.post) for one in batch], keep_known=["display_name"])
    known = ["published_at", "caption", "label", "alt_text", "n_tagged", "has_location"]
    seen = _seen_numbers(conn, [one.post.post_id for one in batch])
    rows = [{**_post_row(one.post), "seen": seen.get(one.post.post_id)} for one in batch]
    n_rows += upsert(conn, posts, rows, keep_known=known, keep_first=["origin", "seen"])
    n_rows += _write_media(conn, {one.post.post_id: one for one in batch}.values())
    observed = [Observation.of(one.post) for one in batch]
    return n_rows + write_observations(conn, [one for one in observed if one is not None], now=now)


def _seen_numbers(conn: Connection, post_ids: Sequence[str]) -> dict[str, int]:
    """The next running numbers for posts that are not stored yet, in their order."""
    chosen = select(posts.c.post_id)
    known = {row.post_id for row in select_in(conn, chosen, posts.c.post_id, post_ids)}
    new = [post_id for post_id in dict.fromkeys(post_ids) if post_id not in known]
    last = conn.execute(select(func.max(posts.c.seen))).scalar() or 0
    return {post_id: number for number, post_id in enumerate(new, start=last + 1)}


def _refuse_forgotten(conn: Connection, creator_ids: Iterable[str]) -> None:
    for creator_id in forgotten_ids(conn, "creator", creator_ids):
        raise ForgottenError(f"creator {creator_id} was forgotten on request; leave its posts out of the source")


def _creator_row(post: SourcePost) -> dict[str, Any]:
    return {
        "creator_id": post.creator_id,
        "platform": post.platform,
        "handle": post.handle,
        "display_name": None,
    }


def _post_row(post: SourcePost) -> dict[str, Any]:
    return {
        "post_id": post.post_id,
        "creator_id": post.creator_id,
        "platform": post.platform,
        "published_at": post.published_at,
        "caption": post.caption,
        "label": post.label,
        "origin": post.origin or None,
        "alt_text": post.alt_text,
        "n_tagged": post.n_tagged,
        "has_location": post.has_location,
    }


def _write_media(conn: Connection, located: Iterable[LocatedPost]) -> int:
    """Media rows as the posts have them now; a file that can no longer be read keeps the sha256 it had."""
    batch = list(located)
    old = {(row.post_id, row.position): row for row in read_post_media(conn, [one.post.post_id for one in batch])}
    rows: list[dict[str, Any]] = []
    for one in batch:
        for position, (ref, sha256) in enumerate(zip(one.post.media, one.media, strict=True)):
            known = old.pop((one.post.post_id, position), None)
            kept = known.sha256 if known is not None and known.ref == ref else None
            key = {"post_id": one.post.post_id, "position": position}
            rows.append({**key, "sha256": sha256 or kept, "path": ref.path, "url": ref.url})
    return upsert(conn, post_media, rows) + delete_keys(conn, post_media, list(old))


def read_creators(conn: Connection) -> list[Creator]:
    """All creators by id."""
    rows = conn.execute(select(creators).order_by(creators.c.creator_id))
    return [Creator(row.creator_id, row.platform, row.handle, row.display_name) for row in rows]


def read_posts(conn: Connection, *, creator_id: str | None = None, post_ids: Iterable[str] | None = None) -> list[Post]:
    """Posts by id, duplicates included; of one creator, or with these ids. Media that was never read is left out."""
    chosen = select(posts)
    if creator_id is not None:
        chosen = chosen.where(posts.c.creator_id == creator_id)
    rows = sorted(select_in(conn, chosen, posts.c.post_id, post_ids), key=lambda row: str(row.post_id))
    everything = creator_id is None and post_ids is None
    media: dict[str, list[str]] = {row.post_id: [] for row in rows}
    for item in read_post_media(conn, None if everything else list(media)):
        if item.sha256 is not None:
            media[item.post_id].append(item.sha256)
    return [_post(row, tuple(media[row.post_id])) for row in rows]


def _post(row: Row[Any], media: tuple[str, ...]) -> Post:
    return Post(
        row.post_id,
        row.creator_id,
        row.platform,
        media,
        published_at=row.published_at,
        caption=row.caption,
        alt_text=row.alt_text,
        n_tagged=row.n_tagged,
        has_location=row.has_location,
    )


def read_seen(conn: Connection, post_ids: Iterable[str] | None = None) -> dict[str, int]:
    """By post id, the running number of first sight; posts that were stored before it was counted are left out."""
    chosen = select(posts.c.post_id, posts.c.seen).where(posts.c.seen.is_not(None))
    return {row.post_id: row.seen for row in select_in(conn, chosen, posts.c.post_id, post_ids)}


def read_origins(conn: Connection) -> dict[str, str]:
    """By post id, the file and row that it was first read from; posts without are left out."""
    chosen = select(posts.c.post_id, posts.c.origin).where(posts.c.origin.is_not(None))
    return {row.post_id: row.origin for row in conn.execute(chosen)}


def read_post_media(conn: Connection, post_ids: Iterable[str] | None = None) -> list[PostMedia]:
    """Media of posts with their locations, by post and position."""
    rows = select_in(conn, select(post_media), post_media.c.post_id, post_ids)
    found = [PostMedia(row.post_id, row.position, row.sha256, MediaRef(row.path, row.url)) for row in rows]
    return sorted(found, key=lambda item: (item.post_id, item.position))


def write_duplicates(conn: Connection, links: Iterable[DuplicateLink]) -> int:
    """Make these the links from posts to the first post with their content; returns how many posts changed.

    Posts that are not among them become first posts again: a link is a conclusion from all media known now.
    """
    new = {link.post_id: link for link in links}
    gone = [link.post_id for link in read_duplicates(conn) if link.post_id not in new]
    rows: list[tuple[str, str | None, str | None, float | None]] = [(post_id, None, None, None) for post_id in gone]
    rows += [(link.post_id, link.first_post_id, link.reason, link.score) for link in new.values()]
    return _update_links(conn, rows)


def _update_links(conn: Connection, rows: Sequence[tuple[str, str | None, str | None, float | None]]) -> int:
    names = ("duplicate_of", "duplicate_reason", "duplicate_score")
    n_rows = 0
    for post_id, *values in rows:
        wanted = dict(zip(names, values, strict=True))
        differs = [posts.c[name].is_distinct_from(value) for name, value in wanted.items()]
        chosen = posts.update().where(posts.c.post_id == post_id, differs[0] | differs[1] | differs[2])
        n_rows += conn.execute(chosen.values(wanted)).rowcount
    return n_rows


def read_duplicates(conn: Connection) -> list[DuplicateLink]:
    """All links from a post to the first one with its content, by post id."""
    rows = conn.execute(select(posts).where(posts.c.duplicate_of.is_not(None)).order_by(posts.c.post_id))
    return [DuplicateLink(row.post_id, row.duplicate_of, row.duplicate_reason, row.duplicate_score) for row in rows]
