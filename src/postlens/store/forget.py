"""Forgetting on request: everything about a person or creator is deleted, and a tombstone keeps it from coming back.

Within `Store.write` these functions also ask for the deleted bytes to be removed from the database's files after the
commit. A tombstone holds a hashed id; for a person also where the forgotten faces were, but no template. So the person
is not brought back by a re-run over the same media, with any model, nor by copies of these, see
`pipelines.forgotten_copies`; in other media it is a stranger. What was exported (reports, tables) and the source files
are not the store's to delete.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, select

from postlens.errors import UnknownNameError
from postlens.store.columns import unpack
from postlens.store.copies import unsettle_copies
from postlens.store.database import scrub_after_commit, scrub_later
from postlens.store.decisions import delete_decisions, persons_of, read_decisions, texts_in, tracks_of
from postlens.store.gallery import unsettle
from postlens.store.jobs import delete_finished
from postlens.store.media import read_unused
from postlens.store.people import is_start
from postlens.store.person_traces import PersonTraces, read_person_traces
from postlens.store.posts import read_post_media
from postlens.store.schema import (
    constraints,
    creators,
    embeddings,
    faces,
    failures,
    files,
    gallery,
    hashes,
    ledger,
    looks,
    measures,
    media,
    person_tracks,
    persons,
    post_media,
    posts,
    readings,
    settled_tracks,
    snapshots,
    tracks,
)
from postlens.store.statements import chunks, delete_in, delete_keys, select_in
from postlens.store.tombstones import write_forgotten_faces, write_tombstone

Counts = dict[str, int]  # table to rows removed


@dataclass(frozen=True, slots=True)
class Traces:
    """What files beside the database may hold of a creator."""

    words: frozenset[str] = frozenset()  # id and handle: they may stand within a text
    names: frozenset[str] = frozenset()  # ids of posts, paths and URLs of their media
    urls: frozenset[str] = frozenset()  # of media that no other creator's post has


def read_traces(conn: Connection, creator_id: str) -> Traces:
    """What `forget_creator` makes unknown to the store. Raises `UnknownNameError` for an unknown id."""
    _expect(conn, creators, "creator_id", creator_id)
    handle = conn.execute(select(creators.c.handle).where(creators.c.creator_id == creator_id)).scalar_one()
    post_ids = _post_ids(conn, creator_id)
    items = read_post_media(conn, post_ids)
    urls = {item.ref.url for item in items if item.ref.url}
    users = select_in(conn, select(post_media.c.url, post_media.c.post_id), post_media.c.url, urls)
    shared = {row.url for row in users if row.post_id not in post_ids}
    return Traces(
        words=frozenset({creator_id, handle}),
        names=frozenset({*post_ids, *(item.ref.name for item in items)}),
        urls=frozenset(urls - shared),
    )


def _post_ids(conn: Connection, creator_id: str) -> set[str]:
    return set(conn.execute(select(posts.c.post_id).where(posts.c.creator_id == creator_id)).scalars())


def forget_person(conn: Connection, person_id: str, *, now: datetime) -> Counts:
    """Delete a person with all faces, templates, tracks, face thumbnails, appearances, and the user's words on them.

    Photos that were given for the person go as media, unless a post has them; decisions that mention the person, its
    tracks or a name it had can no longer be taken back. Returns the rows removed by table, "thumbnails" among them.
    Raises `UnknownNameError` for an id that is not there. Thumbnails of whole images stay: they show the post.
    """
    _expect(conn, persons, "person_id", person_id)
    traces = read_person_traces(conn, person_id)
    places = select(faces.c.sha256, faces.c.box, faces.c.pts_s)
    rows = select_in(conn, places, faces.c.track_id, traces.track_ids)
    write_forgotten_faces(conn, [(row.sha256, unpack([row.box])[0], row.pts_s) for row in rows])
    write_tombstone(conn, "person", person_id, now=now)
    removed = {"decisions": _delete_decisions_about(conn, [traces])}
    removed |= _delete_tracks(conn, traces.track_ids)
    removed |= {"persons": delete_in(conn, persons, "person_id", [person_id])}
    shown = _in_posts(conn, traces.given)
    given = [sha256 for sha256 in traces.given if sha256 not in shown]
    removed["files"] = delete_in(conn, files, "sha256", given) + delete_in(conn, files, "path", _beside(conn, shown))
    removed["ledger"] = delete_in(conn, ledger, "input_sha256", given)
    removed["media"] = delete_in(conn, media, "sha256", given)
    delete_finished(conn)  # receipts, which may name what goes
    unsettle(conn)
    scrub_after_commit(conn)
    return removed


def forget_faces(conn: Connection, face_ids: Iterable[str], *, guessed: bool) -> Counts:
    """Delete faces with all of their tracks and the user's words on these, and remember where they were.

    `guessed`: some may be others' than those of whom was asked to be forgotten. Returns the rows removed by table. The
    bytes are removed from the database's files by the next `Store.finish_scrub`.
    """
    asked = set(face_ids)
    found = select_in(conn, select(faces.c.track_id), faces.c.face_id, asked)
    track_ids = {row.track_id for row in found if row.track_id is not None}
    own = select(faces.c.face_id, faces.c.sha256, faces.c.box, faces.c.pts_s)
    rows = {
        row.face_id: row
        for column, values in ((faces.c.track_id, track_ids), (faces.c.face_id, asked))
        for row in select_in(conn, own, column, values)
    }
    if not rows:
        return {}
    places = [(row.sha256, unpack([row.box])[0], row.pts_s) for _, row in sorted(rows.items())]
    write_forgotten_faces(conn, places, guessed=guessed)
    removed = {"decisions": _delete_decisions(conn, track_ids, ())}
    removed |= _sum(_delete_tracks(conn, track_ids), _delete_faces(conn, "face_id", rows))
    unsettle(conn)
    scrub_later(conn)
    return removed


def _delete_decisions_about(conn: Connection, people: Iterable[PersonTraces]) -> int:
    """Delete decisions about persons who go."""
    asked = [(one, person_id) for one in people for person_id in sorted(one.ids)]
    return sum(_delete_decisions(conn, one.track_ids, one.words, person_id=name) for one, name in asked)


def _delete_decisions(
    conn: Connection, track_ids: Collection[str], words: Collection[str], *, person_id: str | None = None
) -> int:
    """Delete decisions about the tracks or the person, or in which a user said a word or a start of the id."""
    phrase = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words)))
    gone = []
    for one in read_decisions(conn):
        about = tracks_of(one.payload) | persons_of(one.payload)
        said = texts_in(list(one.payload["said"].values()))
        named = any((words and phrase.search(text)) or (person_id and is_start(person_id, text)) for text in said)
        if named or person_id in about or not about.isdisjoint(track_ids):
            gone.append(one.number)
    return delete_decisions(conn, gone)


def _expect(conn: Connection, table: Table, column: str, name: str) -> None:
    if conn.execute(select(table.c[column]).where(table.c[column] == name)).first() is None:
        raise UnknownNameError(f"expected a known {column}, got {name!r}; `postlens info` shows what the store holds")


def _delete_tracks(conn: Connection, track_ids: Collection[str]) -> Counts:
    """Delete tracks, their faces, and what was said about them."""
    return {
        "gallery": delete_in(conn, gallery, "track_id", track_ids),
        "settled_tracks": delete_in(conn, settled_tracks, "track_id", track_ids),
        **_delete_faces(conn, "track_id", track_ids),
        "constraints": sum(delete_in(conn, constraints, side, track_ids) for side in ("track_a", "track_b")),
        "person_tracks": delete_in(conn, person_tracks, "track_id", track_ids),
        "tracks": delete_in(conn, tracks, "track_id", track_ids),
    }


def _delete_faces(conn: Connection, column: str, values: Collection[str]) -> Counts:
    """Delete the faces whose column is one of the values, with their looks and what nets read out of them."""
    pictured = faces.c.thumbnail.is_not(None).label("pictured")
    chosen = select(faces.c.face_id, faces.c.sha256, faces.c.number, pictured)
    rows = list(select_in(conn, chosen, faces.c[column], values))
    places, media_of = {(row.sha256, row.number) for row in rows}, {row.sha256 for row in rows}
    read = select(readings.c.sha256, readings.c.number, readings.c.fingerprint)
    keys = [tuple(row) for row in select_in(conn, read, readings.c.sha256, media_of) if tuple(row[:2]) in places]
    return {
        "looks": delete_in(conn, looks, "face_id", [row.face_id for row in rows]),
        "readings": delete_keys(conn, readings, keys),
        "thumbnails": sum(row.pictured for row in rows),
        "faces": delete_in(conn, faces, "face_id", [row.face_id for row in rows]),
    }


def _sum(*counts: Counts) -> Counts:
    """Counts by table of several deletions together."""
    return {name: sum(one.get(name, 0) for one in counts) for name in dict.fromkeys(k for one in counts for k in one)}


def forget_creator(conn: Connection, creator_id: str, *, now: datetime) -> Counts:
    """Delete a creator with all posts and counts, and with the media that no other creator uses and all facts of it.

    Media that no post uses any more goes too: an earlier version of a file may be the creator's; photos that were given
    for a person stay. Decisions about what goes can no longer be taken back. Persons seen nowhere
    else go with their tracks. Returns the rows removed by table. Raises `UnknownNameError` for an unknown id.
    """
    traces, post_ids = read_traces(conn, creator_id), _post_ids(conn, creator_id)
    items = read_post_media(conn, post_ids)
    write_tombstone(conn, "creator", creator_id, now=now)
    removed = _delete_posts(conn, post_ids)
    removed["creators"] = delete_in(conn, creators, "creator_id", [creator_id])
    used = {item.sha256 for item in items if item.sha256 is not None}
    unused = _unused(conn, used)
    removed["files"] = delete_in(conn, files, "sha256", {*used, *unused})
    removed["files"] += delete_in(conn, files, "path", [item.ref.path for item in items if item.ref.path])
    removed["failures"] = _delete_failures(conn, traces.words | traces.names)
    track_ids = _tracks_in(conn, unused)
    removed["decisions"] = _delete_decisions_about(conn, _seen_only_in(conn, track_ids))
    removed["decisions"] += _delete_decisions(conn, track_ids, traces.words | traces.names)
    removed |= _delete_media(conn, unused)
    delete_finished(conn)
    unsettle(conn)
    scrub_after_commit(conn)
    return removed


def _delete_posts(conn: Connection, post_ids: Collection[str]) -> Counts:
    """Delete posts; duplicates of them become first posts."""
    freed = {"duplicate_of": None, "duplicate_reason": None, "duplicate_score": None}
    for part in chunks(post_ids):
        conn.execute(posts.update().where(posts.c.duplicate_of.in_(part)).values(freed))
    return {table.name: delete_in(conn, table, "post_id", post_ids) for table in (snapshots, post_media, posts)}


def _delete_failures(conn: Connection, names: Collection[str]) -> int:
    """Delete failures that name the creator anywhere: the next run notes again what still fails."""
    rows = conn.execute(select(failures.c.subject, failures.c.stage, failures.c.message))
    keys = [(row.subject, row.stage) for row in rows if any(n in row.subject or n in row.message for n in names)]
    return delete_keys(conn, failures, keys)


def _unused(conn: Connection, sha256s: Iterable[str]) -> list[str]:
    """Those of the media that no post uses, and all stored media that no post uses."""
    wanted = dict.fromkeys(sha256s)
    elsewhere = _in_posts(conn, wanted)
    return sorted({*read_unused(conn), *(sha256 for sha256 in wanted if sha256 not in elsewhere)})


def _in_posts(conn: Connection, sha256s: Iterable[str]) -> set[str]:
    """Those of the media that a post has."""
    chosen = select(post_media.c.sha256).where(post_media.c.sha256.is_not(None))
    return {row.sha256 for row in select_in(conn, chosen, post_media.c.sha256, sha256s)}


def _beside(conn: Connection, sha256s: Collection[str]) -> set[str]:
    """Paths of files with the content of these media that no post names: photos that were given for a person."""
    found = {row.path for row in select_in(conn, select(files.c.path), files.c.sha256, sha256s)}
    return found - {row.path for row in select_in(conn, select(post_media.c.path), post_media.c.path, found)}


def _tracks_in(conn: Connection, sha256s: Iterable[str]) -> list[str]:
    return [row.track_id for row in select_in(conn, select(tracks.c.track_id), tracks.c.sha256, sha256s)]


def _delete_media(conn: Connection, sha256s: Collection[str]) -> Counts:
    """Delete media, all facts of them, and persons who are seen nowhere else."""
    track_ids = _tracks_in(conn, sha256s)
    chosen = select(person_tracks.c.person_id)
    person_ids = {row.person_id for row in select_in(conn, chosen, person_tracks.c.track_id, track_ids)}
    removed = _sum(_delete_tracks(conn, track_ids), _delete_faces(conn, "sha256", sha256s))
    removed["readings"] += delete_in(conn, readings, "sha256", sha256s)  # of whole images
    removed |= unsettle_copies(conn, sha256s)
    removed |= {
        table.name: delete_in(conn, table, "sha256", sha256s) for table in (embeddings, measures, hashes, media)
    }
    removed["ledger"] = delete_in(conn, ledger, "input_sha256", sha256s)
    removed["persons"] = _delete_unseen(conn, person_ids)
    return removed


def _seen_only_in(conn: Connection, track_ids: Collection[str]) -> list[PersonTraces]:
    """What is known of the persons that only these tracks show and that decisions are about."""
    chosen = select(person_tracks.c.person_id)
    found = {row.person_id for row in select_in(conn, chosen, person_tracks.c.track_id, track_ids)}
    decided = {name for one in read_decisions(conn) for name in persons_of(one.payload)}
    shown = [read_person_traces(conn, person_id) for person_id in sorted(found & decided)]
    return [one for one in shown if one.track_ids.issubset(track_ids)]


def _delete_unseen(conn: Connection, person_ids: Collection[str]) -> int:
    """Delete those of the persons who have no track left."""
    n_persons = 0
    for part in chunks(person_ids):
        unseen = persons.c.person_id.not_in(select(person_tracks.c.person_id))
        n_persons += conn.execute(delete(persons).where(persons.c.person_id.in_(part), unseen)).rowcount
    return n_persons
