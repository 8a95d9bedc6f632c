"""A store to its people: who appears where, and how those posts perform."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain

import numpy as np
from sqlalchemy import Connection

from postlens.pipelines.campaign import PersonAnswer
from postlens.store.media import read_media
from postlens.store.people import appearances, read_person_thumbnails, read_persons
from postlens.store.posts import read_duplicates, read_posts
from postlens.store.snapshots import read_snapshots
from postlens.tasks.people.performance import Known, by_person, performance
from postlens.tasks.people.screen import screen_shares, screen_time_s
from postlens.types import Appearance, PeopleWeighting, PersonPerformance

SEED = 0  # of the bootstrap: the same store gives the same answers


def compile_people(conn: Connection, *, weighting: PeopleWeighting = "post") -> tuple[PersonAnswer, ...]:
    """Persons with the most posts first, hidden ones left out; a person in a copy alone is one of the first post.

    Everything is asked from the stored facts: nothing of it is kept, so that a new post, a corrected figure or a new
    duplicate changes the answers that rest on it and no others. Hidden persons still count for how far lifts are
    drawn, so that hiding someone changes nobody else.
    """
    shown = appearances(conn, duplicates=True)
    known = read_known(conn, shown)
    names = {person.person_id: person.name for person in read_persons(conn) if not person.hidden}
    faces = read_person_thumbnails(conn)
    rows: dict[str, list[PersonPerformance]] = defaultdict(list)
    for row in performance(shown, known, weighting=weighting, rng=np.random.default_rng(SEED)):
        rows[row.person_id].append(row)
    found = []
    for person_id, counted in by_person(shown, known.duplicate_of).items():
        if person_id not in names:
            continue
        seen = list(chain.from_iterable(counted.values()))
        shares = screen_shares(seen, known.durations_s)
        answer = PersonAnswer(
            person_id=person_id,
            name=names[person_id],
            n_posts=len(counted),
            n_videos=len({one.media for one in seen} & known.durations_s.keys()),
            screen_time_s=screen_time_s(seen),
            screen_share=float(np.mean(list(shares.values()))) if shares else None,
            appearances=tuple(seen),
            performance=tuple(rows[person_id]),
            thumbnail=faces.get(person_id),
        )
        found.append(answer)
    return tuple(sorted(found, key=lambda person: (-person.n_posts, person.person_id)))


def read_known(conn: Connection, shown: list[Appearance]) -> Known:
    """What is known about all posts, and about the videos in which someone appears."""
    media = read_media(conn, {one.media for one in shown})
    return Known(
        figures={post_id: snapshot.values for post_id, snapshot in read_snapshots(conn).items()},
        duplicate_of={link.post_id: link.first_post_id for link in read_duplicates(conn)},
        published_at={post.post_id: post.published_at for post in read_posts(conn) if post.published_at is not None},
        durations_s={sha256: one.duration_s for sha256, one in media.items() if one.kind == "video"},
    )
