"""Creators and posts of the store: lists with filters, and each with all that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator

from postlens.pipelines.campaign import Campaign, CreatorAnswer
from postlens.serve.answering import CACHED, NOT_MODIFIED, STORE, Here, Paged, answer, problems
from postlens.serve.context import State
from postlens.serve.errors import Problem
from postlens.serve.listing import part_of
from postlens.serve.schemas import Page
from postlens.serve.schemas_posts import CreatorOut, PostOut
from postlens.serve.security import ReadRoute
from postlens.store.media import read_thumbnails
from postlens.types import PostAnalysis, as_utc

router = APIRouter(route_class=ReadRoute)
LIST = {**problems(*STORE, "bad-cursor", "not-found"), **NOT_MODIFIED}
ONE = {**problems(*STORE, "not-found"), **NOT_MODIFIED}


def _in_utc(value: datetime) -> datetime:
    try:
        return as_utc(value)
    except OverflowError as error:
        raise ValueError("expected a time within the years 1 to 9999 in UTC") from error


Instant = Annotated[datetime, AfterValidator(_in_utc)]
Word = Annotated[str | None, Query(max_length=200)]


@router.get("/creators", tags=["creators"], response_model=Page[CreatorOut], responses=LIST)
async def creators(
    request: Request,
    context: Here,
    paging: Paged,
    niche: Annotated[str | None, Query(max_length=200, description="Only those about this.")] = None,
    platform: Word = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of the handle or the name.")] = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1, description="Of the niche.")] = None,
    min_posts: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """All creators. Sorted by `id`, `handle`, `n_posts`, `followers`, `confidence`, or the median of a metric."""

    def fits(one: CreatorAnswer) -> bool:
        confidence = 0.0 if one.niche is None else one.niche.confidence
        text = f"{one.creator.handle} {one.creator.display_name or ''}".lower()
        return all(
            (
                niche is None or (one.niche is not None and one.niche.label == niche),
                platform is None or one.creator.platform == platform,
                q is None or q.lower() in text,
                min_confidence is None or confidence >= min_confidence,
                min_posts is None or one.n_posts >= min_posts,
            )
        )

    def make(state: State) -> Page[CreatorOut]:
        rows = [one for one in state.campaign.creators if fits(one)]
        sorts: dict[str, Callable[[CreatorAnswer], Any]] = {
            "id": lambda one: one.creator.creator_id,
            "handle": lambda one: one.creator.handle.lower(),
            "n_posts": lambda one: one.n_posts,
            "followers": lambda one: one.followers,
            "confidence": lambda one: None if one.niche is None else one.niche.confidence,
            **{name: _median_of(name) for name in state.campaign.metrics},
        }
        part = part_of(rows, paging, key=lambda one: one.creator.creator_id, sorts=sorts, default="id")
        return Page(items=[CreatorOut.of(one) for one in part.rows], total=part.total, next_cursor=part.next_cursor)

    return await answer(request, context, make)


def _median_of(name: str) -> Callable[[CreatorAnswer], float | None]:
    return lambda one: one.medians.get(name)


@router.get("/creators/{creator_id:path}", tags=["creators"], response_model=CreatorOut, responses=ONE)
async def creator(request: Request, context: Here, creator_id: str) -> Response:
    """A creator by id (`platform:handle`) or handle; its posts are at /posts?creator=."""
    return await answer(request, context, lambda state: CreatorOut.of(find_creator(state.campaign, creator_id)))


def find_creator(campaign: Campaign, who: str) -> CreatorAnswer:
    """The creator of this id, else the one of this handle. Raises `Problem` for none, or several."""
    by_id = [one for one in campaign.creators if one.creator.creator_id == who]
    found = by_id or [one for one in campaign.creators if one.creator.handle == who.removeprefix("@")]
    if not found:
        raise Problem("not-found", "expected the id or the handle of a creator; GET /creators lists them")
    if len(found) > 1:
        raise Problem("invalid", "expected one creator, several have this handle; use the id, platform:handle")
    return found[0]


@router.get("/posts", tags=["posts"], response_model=Page[PostOut], responses=LIST)
async def posts(
    request: Request,
    context: Here,
    paging: Paged,
    creator: Annotated[str | None, Query(max_length=500, description="Id or handle.")] = None,
    platform: Word = None,
    niche: Word = None,
    emotion: Word = None,
    person: Annotated[str | None, Query(max_length=200, description="Id of a person who is seen in it.")] = None,
    kind: Annotated[str | None, Query(pattern="^(image|video)$", description="Of any of its media.")] = None,
    since: Annotated[Instant | None, Query(description="Published then or later.")] = None,
    until: Annotated[Instant | None, Query(description="Published before.")] = None,
    duplicates: Annotated[bool, Query(description="With posts whose media was published before.")] = True,
    failed: Annotated[bool, Query(description="Only those of which something could not be read.")] = False,
) -> Response:
    """All posts. Sorted by `id`, `published_at`, `confidence` (of the niche), `forecast`, or a metric."""

    def fits(one: PostAnalysis, copies: set[str]) -> Iterator[bool]:
        at = one.post.published_at
        yield platform is None or one.post.platform == platform
        yield niche is None or (one.niche is not None and one.niche.label == niche)
        yield emotion is None or (one.reaction is not None and emotion in one.reaction.emotions)
        yield person is None or any(seen.person_id == person for seen in one.appearances)
        yield kind is None or any(media.kind == kind for media in one.media)
        yield since is None or (at is not None and at >= since)
        yield until is None or (at is not None and at < until)
        yield duplicates or one.post.post_id not in copies
        yield bool(one.failures) or not failed

    def make(state: State) -> Page[PostOut]:
        campaign = state.campaign
        owner = None if creator is None else find_creator(campaign, creator).creator.creator_id
        copies = {one.post_id for one in campaign.duplicates}
        own = [one for one in campaign.posts if owner is None or one.creator.creator_id == owner]
        rows = [one for one in own if all(fits(one, copies))]
        part = part_of(rows, paging, key=lambda one: one.post.post_id, sorts=_post_sorts(campaign), default="id")
        return Page(
            items=[post_out(one, campaign) for one in part.rows], total=part.total, next_cursor=part.next_cursor
        )

    return await answer(request, context, make)


def _post_sorts(campaign: Campaign) -> dict[str, Callable[[PostAnalysis], Any]]:
    return {
        "id": lambda one: one.post.post_id,
        "published_at": lambda one: None if one.post.published_at is None else one.post.published_at.timestamp(),
        "confidence": lambda one: None if one.niche is None else one.niche.confidence,
        "forecast": lambda one: None if one.forecast is None else one.forecast.median,
        **{name: _figure_of(campaign, name) for name in campaign.metrics},
    }


def _figure_of(campaign: Campaign, name: str) -> Callable[[PostAnalysis], float | None]:
    def figure(one: PostAnalysis) -> float | None:
        snapshot = campaign.snapshots.get(one.post.post_id)
        return None if snapshot is None else snapshot.values.get(name)

    return figure


def post_out(one: PostAnalysis, campaign: Campaign) -> PostOut:
    """A post with its latest figures."""
    return PostOut.of(one, campaign.snapshots.get(one.post.post_id))


@router.get("/posts/{post_id:path}", tags=["posts"], response_model=PostOut, responses=ONE)
async def post(request: Request, context: Here, post_id: str) -> Response:
    """A post by id."""

    def make(state: State) -> PostOut:
        found = next((one for one in state.campaign.posts if one.post.post_id == post_id), None)
        if found is None:
            raise Problem("not-found", "expected the id of a post; GET /posts lists them")
        return post_out(found, state.campaign)

    return await answer(request, context, make)


@router.get(
    "/media/{sha256}/thumbnail",
    tags=["posts"],
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(*STORE, "not-found"),
    },
)
async def thumbnail(context: Here, sha256: str) -> Response:
    """The small picture (JPEG) of a media file of the store."""

    def read() -> bytes | None:
        with context.store.read() as conn:
            return read_thumbnails(conn, [sha256]).get(sha256)

    found = await context.run(read)
    if found is None:
        raise Problem("not-found", "expected the sha256 of a media file of the store")
    return Response(found, media_type="image/jpeg", headers={"Cache-Control": CACHED})
