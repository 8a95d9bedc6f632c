"""A store to its campaign: the answers about every creator, post and person in it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain

import numpy as np
from sqlalchemy import Connection

from postlens.pipelines.answers import Answerer
from postlens.pipelines.campaign import Campaign, CreatorAnswer, Duplicate, PersonAnswer
from postlens.store.ledger import read_failures
from postlens.store.meta import read_meta
from postlens.store.people import appearances, count_waiting_tracks, read_person_thumbnails, read_persons
from postlens.store.posts import read_creators, read_duplicates
from postlens.store.snapshots import read_snapshots
from postlens.tasks.people.performance import by_person, performance, screen_time_s
from postlens.types import Appearance, PersonPerformance, PostAnalysis

NOTES = "notes"  # meta key: what the report says first, a JSON list
SEED = 0  # of the bootstrap: the same store gives the same report


def compile_campaign(conn: Connection, answerer: Answerer, *, now: datetime) -> Campaign:
    """All answers from what is stored, one creator at a time, so that memory holds one creator's vectors."""
    shown = appearances(conn, duplicates=True, hidden=False)
    by_post: dict[str, list[Appearance]] = defaultdict(list)
    for one in shown:
        by_post[one.post_id].append(one)
    failures = read_failures(conn)
    by_subject = {failure.subject: failure for failure in failures}
    creators: list[CreatorAnswer] = []
    posts: list[PostAnalysis] = []
    locations: dict[tuple[str, str], str] = {}
    for creator in read_creators(conn):
        facts = answerer.read_facts(conn, creator)
        creator_answer, post_answers = answerer.answer(facts, appearances=by_post, failures=by_subject)
        creators.append(creator_answer)
        posts += post_answers
        locations |= facts.locations
    links = read_duplicates(conn)
    return Campaign(
        creators=tuple(creators),
        posts=tuple(posts),
        snapshots=read_snapshots(conn),
        locations=locations,
        people=_people(conn, shown, first={link.post_id: link.first_post_id for link in links}, videos=_videos(posts)),
        duplicates=tuple(Duplicate(one.post_id, one.first_post_id, one.reason, one.score) for one in links),
        failures=tuple(failures),
        n_waiting_faces=count_waiting_tracks(conn),
        created_at=now,
        notes=tuple(json.loads(read_meta(conn, NOTES) or "[]")),
        models={name: f"{spec.version} {spec.fingerprint}" for name, spec in answerer.models().items()},
    )


def _videos(posts: Sequence[PostAnalysis]) -> frozenset[str]:
    return frozenset(media.sha256 for post in posts for media in post.media if media.kind == "video")


def _people(
    conn: Connection, shown: Sequence[Appearance], *, first: Mapping[str, str], videos: frozenset[str]
) -> tuple[PersonAnswer, ...]:
    """Persons with the most posts first; a person in copies of a post alone is one of the first post."""
    names = {person.person_id: person.name for person in read_persons(conn)}
    faces = read_person_thumbnails(conn)
    counts = {post_id: snapshot.values for post_id, snapshot in read_snapshots(conn).items()}
    rows: dict[str, list[PersonPerformance]] = defaultdict(list)
    for row in performance(shown, posts=counts, duplicate_of=first, rng=np.random.default_rng(SEED)):
        rows[row.person_id].append(row)
    found = [
        PersonAnswer(
            person_id=person_id,
            name=names.get(person_id),
            n_posts=len(counted),
            n_videos=len({one.media for one in seen} & videos),
            screen_time_s=screen_time_s(seen),
            appearances=tuple(seen),
            performance=tuple(rows[person_id]),
            thumbnail=faces.get(person_id),
        )
        for person_id, counted in by_person(shown, first).items()
        for seen in [list(chain.from_iterable(counted.values()))]
    ]
    return tuple(sorted(found, key=lambda person: (-person.n_posts, person.person_id)))
