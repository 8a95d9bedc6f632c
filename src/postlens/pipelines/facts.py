"""Rows of the store to what is known about one creator's posts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from sqlalchemy import Connection

from postlens.pipelines.product_facts import ProductFacts
from postlens.store.faces import read_faces
from postlens.store.ledger import read_done
from postlens.store.media import read_media
from postlens.store.posts import PostMedia, read_post_media, read_posts, read_seen
from postlens.store.snapshots import read_snapshots
from postlens.store.vectors import read_frame_embeddings, read_measures
from postlens.types import Creator, Embeddings, EngagementSnapshot, Faces, FloatArray, MediaFile, Post

FACE_STAGE = "detect"  # by its name in `stages`


@dataclass(frozen=True, slots=True)
class CreatorFacts:
    """One creator with all posts and the features of their media, by sha256."""

    creator: Creator
    posts: tuple[Post, ...]
    post_media: Mapping[str, tuple[PostMedia, ...]]  # by post_id, files that were never read included
    media: Mapping[str, MediaFile]
    embeddings: Mapping[str, tuple[Embeddings, FloatArray]]  # with the frames' times
    faces: Mapping[str, Faces]  # media without faces are left out
    measures: Mapping[str, Mapping[str, float]]
    snapshots: Mapping[str, EngagementSnapshot]  # latest, by post_id
    niche_embeddings: Mapping[str, tuple[Embeddings, FloatArray]] | None = None  # of niche's own encoder, if it has one
    searched: Set[str] = frozenset()  # media, by sha256, in which faces were looked for, and their templates are here
    reactions: Mapping[str, FloatArray] = field(default_factory=dict)  # (8,) that a trained net read, by sha256
    seen: Mapping[str, int] = field(default_factory=dict)  # by post_id, the order of first sight
    products: ProductFacts | None = None  # None: the catalog of the settings, and nobody known as the profile's person

    @property
    def locations(self) -> dict[tuple[str, str], str]:
        """Post and sha256 to where that post's file was read: equal files of two posts keep their own places."""
        return {key: place for post_id in self.post_media for key, place in self.locations_of(post_id).items()}

    def locations_of(self, post_id: str) -> dict[tuple[str, str], str]:
        """Those of one post; none of a post that is not among these."""
        own = self.post_media.get(post_id, ())
        return {(post_id, item.sha256): item.ref.name for item in reversed(own) if item.sha256 is not None}


def places_by_content(locations: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Places by post and sha256 to those by sha256; of equal files the first by name, so that all outputs name one."""
    ordered = sorted(locations.items(), key=lambda pair: pair[1], reverse=True)
    return {sha256: place for (_, sha256), place in ordered}


def read_creator_facts(
    conn: Connection,
    creator: Creator,
    *,
    fingerprint: str,
    niche_fingerprint: str | None = None,
    only: Set[str] | None = None,
    templates: bool = False,
) -> CreatorFacts:
    """All facts about one creator.

    Args:
        fingerprint: of the encoder whose embeddings are read.
        niche_fingerprint: of the encoder whose embeddings answer niche; default: the same.
        only: post_ids whose media is read; of the others the counts alone. None: all.
        templates: read the faces' templates, most of their bytes, and which media was searched for faces.
    """
    posts = tuple(read_posts(conn, creator_id=creator.creator_id))
    post_ids = [post.post_id for post in posts]
    wanted = [post for post in posts if only is None or post.post_id in only]
    sha256s = list(dict.fromkeys(sha256 for post in wanted for sha256 in post.media))
    own: dict[str, list[PostMedia]] = defaultdict(list)
    for item in read_post_media(conn, post_ids):
        own[item.post_id].append(item)
    niche = None
    if niche_fingerprint not in (None, fingerprint):
        niche = read_frame_embeddings(conn, sha256s, str(niche_fingerprint))
    return CreatorFacts(
        creator=creator,
        posts=posts,
        post_media={post_id: tuple(items) for post_id, items in own.items()},
        media=read_media(conn, sha256s),
        embeddings=read_frame_embeddings(conn, sha256s, fingerprint),
        faces=read_faces(conn, sha256s, templates=templates),
        measures=read_measures(conn, sha256s),
        snapshots=read_snapshots(conn, post_ids),
        niche_embeddings=niche,
        seen=read_seen(conn, post_ids),
        searched=read_done(conn, sha256s, FACE_STAGE) if templates else frozenset(),
    )
