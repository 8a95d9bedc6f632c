"""Stored facts to reactions: what the scene and the faces of a post say together, and the emoji that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from postlens.config import Settings
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.reaction_stage import read_reaction_probs
from postlens.tasks.reactions.emoji import load_table
from postlens.tasks.reactions.features import (
    AFFECT_HEAD,
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    SCENE_HEAD,
    SceneReading,
    read_scene,
)
from postlens.tasks.reactions.fuse import FUSION
from postlens.tasks.reactions.model import load_reaction_model
from postlens.tasks.reactions.predict import predict as predict_reaction
from postlens.types import Embeddings, Faces, FloatArray, ModelSpec, Post, ReactionForecast
from postlens.vision.encoder import ENCODER
from postlens.vision.search import join_faces
from postlens.vision.zoo import load_spec, open_model

MODELS = (ENCODER, SCENE_HEAD, AFFECT_HEAD, EXPRESSION_NET, EXPRESSION_HEAD, FUSION)
FrameVectors = Mapping[str, tuple[Embeddings, FloatArray]]  # by sha256, with the frames' times


class Reactor:
    """Heads and emoji table, opened once; reads one post at a time. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` for an emoji table or a reaction model that cannot be used, `ModelError`."""
        self.settings = settings
        self.table = load_table(settings.emoji_table)
        self._scene = open_model(SCENE_HEAD)
        self._affect = open_model(AFFECT_HEAD)
        self.model = load_reaction_model(settings.reaction_model)

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """The card of the net of a training that answers, as `reaction_model/<name>`."""
        return {} if self.model is None else {f"reaction_model/{self.model.spec.name}": self.model.spec}

    def with_facts(self, conn: Connection, facts: CreatorFacts) -> CreatorFacts:
        """With what the net of a training read in the creator's media, if there is one."""
        if self.model is None:
            return facts
        return replace(facts, reactions=read_reaction_probs(conn, list(facts.media), self.model))

    def models(self) -> dict[str, str]:
        """Name to version and fingerprint of all models that a reaction rests on."""
        specs = [load_spec(name) for name in MODELS]
        named = {spec.name: spec for spec in specs} | self.specs
        return {name: f"{spec.version} {spec.fingerprint}" for name, spec in named.items()}

    def react(self, post: Post, facts: CreatorFacts, *, vectors: FrameVectors | None = None) -> ReactionForecast | None:
        """The post's emotions over all its media; `None` when neither a frame nor a face of it was read.

        `vectors`: the frames' embeddings where others than the facts' count.
        """
        scene = self._read_scene(post, facts.embeddings if vectors is None else vectors)
        faces = shown_faces(post, facts)
        probs = _mean_probs(post, facts)
        if scene is None and not len(faces) and probs is None:
            return None
        return predict_reaction(
            post.post_id,
            scene,
            faces,
            thresholds=self._thresholds(by_model=probs is not None),
            table=self.table,
            policy=self.settings.reaction_policy,
            model_probs=probs,
        )

    def _thresholds(self, *, by_model: bool) -> float | Mapping[str, float] | None:
        """The user's one for all, else those of the net that answers; none for emotions that it has not learnt."""
        given = self.settings.reaction_threshold
        if self.model is None or not by_model:
            return given
        return self.model.thresholds if given is None else dict.fromkeys(self.model.spec.labels, given)

    def _read_scene(self, post: Post, vectors: FrameVectors) -> SceneReading | None:
        frames = [vectors[sha256][0].vectors for sha256 in post.media if sha256 in vectors]
        return read_scene(np.concatenate(frames), self._scene, self._affect) if frames else None


def _mean_probs(post: Post, facts: CreatorFacts) -> FloatArray | None:
    """Mean over the post's media of what the net of a training read.

    `None` where it has not looked at any, or not at all whose frames were encoded: a part would answer for the whole.
    """
    found = [facts.reactions[sha256] for sha256 in post.media if sha256 in facts.reactions]
    if any(sha256 in facts.embeddings and sha256 not in facts.reactions for sha256 in post.media):
        return None
    return np.asarray(np.mean(found, axis=0), np.float32) if found else None


def shown_faces(post: Post, facts: CreatorFacts) -> Faces:
    """The faces of all media of a post whose expressions were read; tracks of two files have different numbers."""
    read = [facts.faces[sha256] for sha256 in post.media if sha256 in facts.faces]
    return join_faces(_numbered_on([faces for faces in read if faces.expression is not None]))


def _numbered_on(parts: Sequence[Faces]) -> list[Faces]:
    """Tracks count from 0 in every file: here they go on from one file to the next; untracked faces are one each."""
    found, first = [], 0
    for part in parts:
        own = np.arange(len(part)) if part.track_id is None else part.track_id
        found.append(replace(part, track_id=own + first))
        first += int(own.max(initial=-1)) + 1
    return found
