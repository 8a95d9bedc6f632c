"""A store to its campaign: the answers about every creator, post and person in it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime

from sqlalchemy import Connection

from postlens.pipelines.answers import Answerer
from postlens.pipelines.campaign import Campaign, CreatorAnswer, Duplicate
from postlens.pipelines.compile_people import compile_people
from postlens.pipelines.compile_products import compile_offer_pictures
from postlens.store.ledger import read_failures
from postlens.store.meta import read_meta
from postlens.store.people import appearances, count_waiting_tracks
from postlens.store.posts import read_creators, read_duplicates
from postlens.store.snapshots import read_snapshots
from postlens.tasks.engagement.answer import Forecast
from postlens.types import Appearance, PostAnalysis

NOTES = "notes"  # meta key: what the report says first, a JSON list
EXPLAINED_CREATORS = 60  # whose newest posts get reasons, as many as the report shows in full


def compile_campaign(conn: Connection, answerer: Answerer, *, now: datetime) -> Campaign:
    """All answers from what is stored, one creator at a time, so that memory holds one creator's vectors."""
    by_post: dict[str, list[Appearance]] = defaultdict(list)
    for one in appearances(conn, duplicates=True, hidden=False):
        by_post[one.post_id].append(one)
    failures = read_failures(conn)
    by_subject = {failure.subject: failure for failure in failures}
    creators: list[CreatorAnswer] = []
    posts: list[PostAnalysis] = []
    locations: dict[tuple[str, str], str] = {}
    forecasts: dict[str, Forecast] = {}
    for creator in read_creators(conn):
        facts = answerer.read_facts(conn, creator)
        creator_answer, post_answers = answerer.answer(facts, appearances=by_post, failures=by_subject, now=now)
        creators.append(creator_answer)
        posts += post_answers
        if len(creators) <= EXPLAINED_CREATORS:
            forecasts |= answerer.explain(facts, creator_answer.niche, post_answers, now=now)
        locations |= facts.locations
    return Campaign(
        creators=tuple(creators),
        posts=tuple(posts),
        snapshots=read_snapshots(conn),
        locations=locations,
        forecasts=forecasts,
        people=compile_people(conn, weighting=answerer.settings.people_weighting),
        duplicates=tuple(
            Duplicate(one.post_id, one.first_post_id, one.reason, one.score) for one in read_duplicates(conn)
        ),
        failures=(*failures, *answerer.recommender.notes),
        n_waiting_faces=count_waiting_tracks(conn),
        created_at=now,
        notes=tuple(json.loads(read_meta(conn, NOTES) or "[]")),
        offer_pictures=compile_offer_pictures(conn, creators, answerer.settings),
        policy=answerer.settings.product_policy,
        audience=answerer.settings.audience,
        product_order=answerer.settings.product_order,
        reaction_policy=answerer.settings.reaction_policy,
        models={name: f"{spec.version} {spec.fingerprint}" for name, spec in answerer.models().items()},
    )
