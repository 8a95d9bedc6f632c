"""Stored hashes and embeddings of all posts to the links from copies to the first post with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from sqlalchemy import Connection

from postlens.store.copies import (
    CopyPair,
    CopyState,
    clear_copies,
    read_copy_pairs,
    read_copy_states,
    read_settled,
    read_unsettled_copies,
    replace_copy_pairs,
    replace_copy_states,
    write_settled,
)
from postlens.store.media import read_kinds, read_media
from postlens.store.meta import read_meta, write_meta
from postlens.store.posts import DuplicateLink, read_posts, read_seen, write_duplicates
from postlens.store.vectors import read_frame_embeddings, read_hashes
from postlens.tasks.people.compare import RULES, Content, Reason, Verdict
from postlens.tasks.people.duplicates import Known, link_files
from postlens.tasks.people.neighbours import PROJECTED
from postlens.tasks.people.repeats import Duplicate, link_posts
from postlens.types import Post
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

_RULES = "copies_rules"  # in `meta`: by which rules and of which encoder's vectors the states are

Files = list[tuple[str, list[str]]]  # ids of posts and the sha256 of their media that could be looked at


def link_copies(conn: Connection) -> None:
    """Make the links between posts those that follow from all media known now; costs little if none is new."""
    files = _files(conn, in_order_of_publication(read_posts(conn), seen=read_seen(conn)))
    digest = hashlib.sha256(repr((_rules(), files)).encode()).hexdigest()
    if read_settled(conn) == digest and not read_unsettled_copies(conn, _media(files)):
        return
    found = _find(conn, files)
    write_duplicates(conn, [DuplicateLink(one.later_id, one.first_id, one.reason, one.score) for one in found])
    write_settled(conn, digest)


def find_copies(conn: Connection, posts: Sequence[Post]) -> tuple[Duplicate, ...]:
    """Which of the posts, the first to be kept first, repeat an earlier one; keeps what was compared in the store."""
    return _find(conn, _files(conn, posts))


def in_order_of_publication(posts: Sequence[Post], *, seen: Mapping[str, int]) -> list[Post]:
    """Earliest published first, equal times by id; then those without a time, as they were first seen.

    So which of several posts without a time is kept depends on the order in which they came; all else does not.
    """

    def key(post: Post) -> tuple[bool, float, int, str]:
        at = post.published_at
        known = at is not None
        return not known, at.timestamp() if at else 0.0, 0 if known else seen.get(post.post_id, 0), post.post_id

    return sorted(posts, key=key)


def _files(conn: Connection, posts: Sequence[Post]) -> Files:
    known = read_kinds(conn, (sha256 for post in posts for sha256 in post.media))
    found = ((post.post_id, [sha256 for sha256 in post.media if sha256 in known]) for post in posts)
    return [(post_id, media) for post_id, media in found if media]


def _media(files: Files) -> list[str]:
    return list(dict.fromkeys(sha256 for _, media in files for sha256 in media))


def _rules() -> str:
    return f"{RULES} {load_spec(ENCODER).fingerprint}"


def _find(conn: Connection, files: Files) -> tuple[Duplicate, ...]:
    if read_meta(conn, _RULES) != _rules():
        clear_copies(conn)
        write_meta(conn, _RULES, _rules())
    states, pairs, wanted = read_copy_states(conn), read_copy_pairs(conn), _media(files)
    links, known = link_files(
        contents(conn, wanted, whole=False),
        _known(states, pairs),
        lambda some: {one.sha256: one for one in contents(conn, some)},
    )
    replace_copy_states(conn, {name: _state(known, name) for name in known.shorts}, before=states)
    replace_copy_pairs(
        conn, {CopyPair(*key, *(one or (None, None))) for key, one in known.verdicts.items()}, before=pairs
    )
    return link_posts(files, links)


def _known(states: Mapping[str, CopyState], pairs: set[CopyPair]) -> Known:
    return Known(
        shorts={name: np.frombuffer(one.short, np.int8).reshape(-1, PROJECTED) for name, one in states.items()},
        lists={
            name: (one.by_look, one.by_hash)
            for name, one in states.items()
            if one.by_look is not None and one.by_hash is not None
        },
        verdicts={
            (one.sha256_a, one.sha256_b): None if one.score is None else Verdict(cast(Reason, one.reason), one.score)
            for one in pairs
        },
    )


def _state(known: Known, sha256: str) -> CopyState:
    return CopyState(known.shorts[sha256].tobytes(), *known.lists.get(sha256, (None, None)))


def contents(conn: Connection, sha256s: Sequence[str], *, whole: bool = True) -> list[Content]:
    """What is compared of media, in this order; embeddings and sketches only of the `whole`."""
    media, hashes = read_media(conn, sha256s), read_hashes(conn, sha256s, sketches=whole)
    vectors = read_frame_embeddings(conn, sha256s, load_spec(ENCODER).fingerprint) if whole else {}
    return [
        Content(
            content_id=sha256,
            order=order,
            sha256=sha256,
            kind=media[sha256].kind,
            aspect=media[sha256].width_px / media[sha256].height_px,
            hashes=hashes.get(sha256),
            vectors=vectors[sha256][0].vectors if sha256 in vectors else None,
        )
        for order, sha256 in enumerate(sha256s)
    ]
