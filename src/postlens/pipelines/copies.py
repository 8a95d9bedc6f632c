"""Stored hashes and embeddings of all posts to the links from copies to the first post with their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from postlens.store.media import read_media
from postlens.store.posts import DuplicateLink, read_posts, read_seen, write_duplicates
from postlens.store.vectors import read_frame_embeddings, read_hashes
from postlens.tasks.people.duplicates import Content, find_duplicates
from postlens.types import Post
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec


def link_copies(conn: Connection) -> None:
    """Make the links between posts those that follow from all media known now."""
    posts = in_order_of_publication(read_posts(conn), seen=read_seen(conn))
    found = find_duplicates(contents(conn, posts))
    write_duplicates(conn, [DuplicateLink(one.later_id, one.first_id, one.reason, one.score) for one in found])


def in_order_of_publication(posts: Sequence[Post], *, seen: Mapping[str, int]) -> list[Post]:
    """Earliest published first, equal times by id; then those without a time, as they were first seen.

    So which of several posts without a time is kept depends on the order in which they came; all else does not.
    """

    def key(post: Post) -> tuple[bool, float, int, str]:
        at = post.published_at
        known = at is not None
        return not known, at.timestamp() if at else 0.0, 0 if known else seen.get(post.post_id, 0), post.post_id

    return sorted(posts, key=key)


def contents(conn: Connection, posts: Sequence[Post]) -> list[Content]:
    """What is compared of each post: its first media file."""
    firsts = {post.post_id: post.media[0] for post in posts if post.media}
    wanted = list(dict.fromkeys(firsts.values()))
    media, hashes = read_media(conn, wanted), read_hashes(conn, wanted)
    vectors = read_frame_embeddings(conn, wanted, load_spec(ENCODER).fingerprint)
    return [
        Content(
            content_id=post_id,
            order=order,
            sha256=sha256,
            kind=media[sha256].kind,
            aspect=media[sha256].width_px / media[sha256].height_px,
            hashes=hashes.get(sha256),
            vectors=vectors[sha256][0].vectors if sha256 in vectors else None,
        )
        for order, (post_id, sha256) in enumerate(firsts.items())
        if sha256 in media
    ]
