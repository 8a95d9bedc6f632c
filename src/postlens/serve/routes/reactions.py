"""Emotions of an image and the emoji that fit."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from postlens.pipelines.loose import react_loose
from postlens.serve.answering import ALWAYS, UPLOADS, Here, problems
from postlens.serve.context import Context
from postlens.serve.errors import Problem
from postlens.serve.looking import REACTION_STAGES, look, stages_of, uploaded
from postlens.serve.schemas import Schema
from postlens.serve.schemas_answers import Emojis, Reaction
from postlens.serve.security import ReadRoute
from postlens.types import EMOTIONS, ReactionForecast

router = APIRouter(route_class=ReadRoute, tags=["reactions"])
Threshold = Annotated[float | None, Query(ge=0, le=1, description="One for all emotions. Default: each emotion's own.")]
Policy = Annotated[
    Literal["strict", "union"] | None,
    Query(description="strict: without what any emotion found blocks; union: all. Default: the server's setting."),
]


class Emotion(Schema):
    """An emotion and its names."""

    name: str
    labels: dict[str, str]


class Mapping(Schema):
    """What an emotion allows and blocks."""

    emotion: str
    allowed: list[str]
    blocked: list[str]


class Mappings(Schema):
    """The emoji table."""

    version: int
    mappings: list[Mapping]


@router.post("/predict", responses=problems(*UPLOADS))
async def predict(
    request: Request,
    context: Here,
    include_scores: Annotated[bool, Query(description="With probabilities and thresholds.")] = False,
    threshold: Threshold = None,
    policy: Policy = None,
) -> Reaction:
    """Emotions of one image (the field `file`), with the emoji that may and may not stand under it."""
    found = await _react(request, context, threshold, policy)
    return Reaction.of(found, scores=include_scores)


@router.post("/predict_emojis", responses=problems(*UPLOADS))
async def predict_emojis(request: Request, context: Here, threshold: Threshold = None, policy: Policy = None) -> Emojis:
    """The emoji alone that may and may not stand under one image (the field `file`)."""
    return Emojis.of(await _react(request, context, threshold, policy))


async def _react(
    request: Request, context: Context, threshold: float | None, policy: Literal["strict", "union"] | None
) -> ReactionForecast:
    async with uploaded(request, context, most=1) as sent:
        picture, name = sent.pictures[0], sent.pictures[0].upload.name
        found = await look(
            context,
            picture,
            lambda features, answerer: react_loose(
                features, answerer.reactor, name=name, threshold=threshold, policy=policy
            ),
            stages=stages_of(context, REACTION_STAGES),
        )
    if found is None:
        raise Problem("media-damaged", f"{name}: expected an image that can be read, got none of it")
    return found


@router.get("/emotions", responses=problems(*ALWAYS))
async def emotions(context: Here) -> list[Emotion]:
    """All emotions in their order, with their names by language."""
    rules = context.emoji.rules
    return [Emotion(name=name, labels={"en": name, **rules[name].labels}) for name in EMOTIONS]


@router.get("/emotion_mappings", responses=problems(*ALWAYS))
async def emotion_mappings(context: Here) -> Mappings:
    """Which emoji each emotion allows and blocks."""
    rows = [(name, context.emoji.rules[name]) for name in EMOTIONS]
    found = [Mapping(emotion=name, allowed=list(rule.allowed), blocked=list(rule.blocked)) for name, rule in rows]
    return Mappings(version=context.emoji.version, mappings=found)
