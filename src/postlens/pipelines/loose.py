"""Media files that are in no store to answers: what was read of them is kept in memory, and gone with the answer.

Each file is taken as a post of its own, all of one creator. Nobody is known in it, and nothing was counted of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from postlens.pipelines.answers import Answerer
from postlens.pipelines.answers_reactions import Reactor
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.product_facts import ProductFacts
from postlens.pipelines.recommend import Offered, recommend_creator
from postlens.store.looks import Looks
from postlens.store.posts import PostMedia
from postlens.tasks.reactions.emoji import Policy
from postlens.types import (
    UNKNOWN,
    WHOLE,
    Creator,
    Embeddings,
    Faces,
    FloatArray,
    MediaFeatures,
    MediaRef,
    Post,
    PostAnalysis,
    ReactionForecast,
)

PLATFORM = "upload"
NOBODY = Creator(f"{PLATFORM}:{UNKNOWN}", PLATFORM, UNKNOWN)
Named = Mapping[str, str]  # sha256 to what the file is called in answers


def react_loose(
    found: MediaFeatures, reactor: Reactor, *, name: str, threshold: float | None = None, policy: Policy | None = None
) -> ReactionForecast | None:
    """The emotions of one file; `None` where neither a frame nor a face of it was read.

    `threshold`, `policy`: instead of those of the settings.
    """
    facts = loose_facts([found], {found.media.sha256: name})
    asked = {"reaction_threshold": threshold, "reaction_policy": policy}
    changed = {key: value for key, value in asked.items() if value is not None}
    if changed:
        reactor = copy(reactor)  # the same opened models
        reactor.settings = reactor.settings.model_copy(update=changed)
    return reactor.react(facts.posts[0], _with_reactions(facts, [found], reactor))


def analyze_loose(found: MediaFeatures, answerer: Answerer, conn: Connection, *, name: str) -> PostAnalysis:
    """All five answers about one file, with the products of the store."""
    facts = _with_all(loose_facts([found], {found.media.sha256: name}), [found], answerer, conn)
    _, (post,) = answerer.answer(facts, appearances={}, failures={})
    return post


def recommend_loose(
    found: Sequence[MediaFeatures], answerer: Answerer, conn: Connection, *, names: Named
) -> tuple[list[Offered], list[Offered]]:
    """One product for all files together, as of one creator, and one for each; with the products of the store."""
    facts = _with_all(loose_facts(found, names), found, answerer, conn)
    return recommend_creator(facts, answerer.recommender)


def loose_facts(found: Sequence[MediaFeatures], names: Named) -> CreatorFacts:
    """What was read of the files, as if it had been read from a store; equal files are one post."""
    by_id = {one.media.sha256: replace(one.media, path=names[one.media.sha256]) for one in found}
    posts = tuple(Post(f"{PLATFORM}:{sha256[:16]}", NOBODY.creator_id, PLATFORM, (sha256,)) for sha256 in by_id)
    places = zip(posts, by_id.items(), strict=True)
    faces = {one.media.sha256: one.faces for one in found if one.faces is not None}
    return CreatorFacts(
        creator=NOBODY,
        posts=posts,
        post_media={
            post.post_id: (PostMedia(post.post_id, 0, sha256, MediaRef(path=media.path)),)
            for post, (sha256, media) in places
        },
        media=by_id,
        embeddings=_vectors(found, "embeddings"),
        faces={sha256: own for sha256, own in faces.items() if len(own)},
        measures={one.media.sha256: one.measures for one in found if one.measures is not None},
        snapshots={},
        niche_embeddings=_vectors(found, "niche_embeddings") or None,
        searched=frozenset(faces),
    )


def _vectors(found: Sequence[MediaFeatures], name: str) -> dict[str, tuple[Embeddings, FloatArray]]:
    rows = ((one.media.sha256, getattr(one, name), one.pts_s) for one in found)
    return {sha256: (vectors, at) for sha256, vectors, at in rows if vectors is not None and at is not None}


def _with_all(
    facts: CreatorFacts, found: Sequence[MediaFeatures], answerer: Answerer, conn: Connection
) -> CreatorFacts:
    """With what recommending and reactions read beside the rest."""
    recommender = answerer.recommender
    products = ProductFacts(
        shelf=recommender.read_shelf(conn),
        looks={one.media.sha256: looks for one in found if (looks := _looks(one.faces)) is not None},
        readings={
            model.fingerprint: {
                one.media.sha256: reading
                for one in found
                for reading in one.readings
                if reading.fingerprint == model.fingerprint
            }
            for model in recommender.models
        },
    )
    return replace(_with_reactions(facts, found, answerer.reactor), products=products)


def _with_reactions(facts: CreatorFacts, found: Sequence[MediaFeatures], reactor: Reactor) -> CreatorFacts:
    """With what the net of the settings read, if there is one."""
    if reactor.model is None:
        return facts
    fingerprint = reactor.model.fingerprint
    read = {
        one.media.sha256: reading.probs[0]
        for one in found
        for reading in one.readings
        if reading.fingerprint == fingerprint and WHOLE in reading.rows
    }
    return replace(facts, reactions=read)


def _looks(faces: Faces | None) -> Looks | None:
    """The looks of the faces that were looked at, with their rows."""
    if faces is None or faces.looks is None:
        return None
    rows = np.flatnonzero(np.isfinite(faces.looks).all(axis=1))
    return (rows, faces.looks[rows]) if len(rows) else None
