"""Stored features to the conclusions that span posts: which are copies of which, and who is who."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.store import Store
from postlens.store.faces import read_tracks
from postlens.store.media import drop_unused_media, read_media
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    delete_persons,
    read_constraints,
    read_person_tracks,
    read_persons,
    replace_person_tracks,
    write_persons,
)
from postlens.store.posts import DuplicateLink, read_posts, write_duplicates
from postlens.store.tombstones import forgotten_ids
from postlens.store.vectors import read_frame_embeddings, read_hashes
from postlens.tasks.people.duplicates import Content, find_duplicates
from postlens.tasks.people.identity import assign, similarities
from postlens.types import FaceTracks, Post
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

TEMPLATE_MODEL = "face_template"
MATCH_THRESHOLD = "match"  # its name on the template's card


def conclude(store: Store, *, settings: Settings, now: datetime) -> None:
    """Drop media that no post uses any more, link copies and assign tracks to persons, in one transaction.

    All follow from the stored facts and the user's links alone, whatever the order they came in. Ids and names of
    persons stay with the person that has most of their tracks.
    """
    threshold = settings.match_threshold or load_spec(TEMPLATE_MODEL).thresholds[MATCH_THRESHOLD]
    with store.write() as conn:
        drop_unused_media(conn)
        _link_copies(conn)
        _assign_people(conn, threshold=threshold, now=now)


def _link_copies(conn: Connection) -> None:
    posts = sorted(read_posts(conn), key=_published)
    found = find_duplicates(_contents(conn, posts))
    write_duplicates(conn, [DuplicateLink(one.later_id, one.first_id, one.reason, one.score) for one in found])


def _published(post: Post) -> tuple[bool, float, str]:
    """Sort key: earliest first, posts without a time last, then by id."""
    at = post.published_at
    return at is None, at.timestamp() if at else 0.0, post.post_id


def _contents(conn: Connection, posts: Sequence[Post]) -> list[Content]:
    """What is compared of each post: its first media file."""
    firsts = {post.post_id: post.media[0] for post in posts if post.media}
    wanted = list(dict.fromkeys(firsts.values()))
    media, hashes = read_media(conn, wanted), read_hashes(conn, wanted)
    videos = [sha256 for sha256 in wanted if sha256 in media and media[sha256].kind == "video"]
    vectors = read_frame_embeddings(conn, videos, load_spec(ENCODER).fingerprint)  # photos are not told by their look
    return [
        Content(
            content_id=post_id,
            order=order,
            sha256=sha256,
            kind=media[sha256].kind,
            hashes=hashes.get(sha256),
            vectors=vectors[sha256][0].vectors if sha256 in vectors else None,
        )
        for order, (post_id, sha256) in enumerate(firsts.items())
        if sha256 in media
    ]


def _assign_people(conn: Connection, *, threshold: float, now: datetime) -> None:
    tracks, links = read_tracks(conn), read_constraints(conn)
    before = {one.track_id: one.person_id for one in read_person_tracks(conn)}
    people = assign(
        tracks,
        threshold=threshold,
        must_link=_pairs(links, "must_link"),
        cannot_link=_pairs(links, "cannot_link"),
        previous=before,
    )
    _write_people(conn, tracks, _without_forgotten_ids(conn, people), threshold=threshold, now=now)


def _pairs(links: Sequence[Constraint], kind: str) -> list[tuple[str, str]]:
    return [(one.track_a, one.track_b) for one in links if one.kind == kind]


def _without_forgotten_ids(conn: Connection, people: dict[str, str | None]) -> dict[str, str | None]:
    """An id that was forgotten is not used again: the person that would get it gets the id with a mark."""
    while gone := forgotten_ids(conn, "person", {name for name in people.values() if name is not None}):
        people = {track: f"{name}b" if name in gone else name for track, name in people.items()}
    return people


def _write_people(
    conn: Connection, tracks: FaceTracks, people: dict[str, str | None], *, threshold: float, now: datetime
) -> None:
    """New persons, then the assignments, then persons that no track is left for; a named person stays."""
    known = {person.person_id: person for person in read_persons(conn)}
    found = {person_id for person_id in people.values() if person_id is not None}
    write_persons(conn, [Person(person_id, created_at=now) for person_id in sorted(found - known.keys())])
    close = similarities(tracks, people, threshold=threshold)
    rows = [PersonTrack(track, person, close[track]) for track, person in people.items() if person is not None]
    replace_person_tracks(conn, rows)
    delete_persons(conn, [name for name, person in known.items() if name not in found and person.name is None])
