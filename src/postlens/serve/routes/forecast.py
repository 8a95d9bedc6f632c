"""New photos of an account, or posts of the store, to what they will probably get."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from postlens.pipelines.answers import Answerer
from postlens.pipelines.forecast import forecast_drafts, forecast_posts
from postlens.pipelines.loose import loose_facts
from postlens.serve.answering import STORE, UPLOADS, Here, problems
from postlens.serve.context import now
from postlens.serve.errors import Problem
from postlens.serve.looking import FORECAST_STAGES, look_at_all, stages_of, uploaded
from postlens.serve.schemas_forecast import ForecastOut
from postlens.serve.security import ReadRoute
from postlens.tasks.engagement.answer import Forecast
from postlens.types import MediaFeatures

router = APIRouter(route_class=ReadRoute, tags=["forecast"])
MOST_CAPTION = 10_000  # characters; platforms take 2,200 to 5,000


@router.post("/forecast", responses=problems(*UPLOADS, "not-found"))
async def forecast(
    request: Request,
    context: Here,
    creator: Annotated[str, Query(min_length=1, max_length=500, description="Id or handle of an account.")],
) -> list[ForecastOut]:
    """What new photos (the field `file`, up to 16) of an account of the store will get, the best first.

    The field `caption` is taken as the caption of all of them. Nothing is kept.
    """

    def keep(found: MediaFeatures, _answerer: Answerer) -> MediaFeatures:
        return found

    async with uploaded(request, context) as sent:
        caption = (sent.fields.get("caption") or [""])[0][:MOST_CAPTION] or None
        names = {one.item.sha256: one.upload.name for one in sent.pictures}
        found = await look_at_all(context, sent.pictures, keep, stages=stages_of(context, FORECAST_STAGES))

    def ask(conn: Connection, answerer: Answerer) -> tuple[Forecast, ...]:
        drafts = loose_facts(found, names)
        drafts = replace(drafts, posts=tuple(replace(post, caption=caption) for post in drafts.posts))
        return forecast_drafts(conn, drafts, answerer, account=creator, now=now())

    return [ForecastOut.of(one) for one in await context.ask(ask)]


@router.get("/forecast", responses=problems(*STORE, "not-found"))
async def forecast_stored(
    context: Here, post: Annotated[str, Query(min_length=1, max_length=500, description="Id of a post.")]
) -> ForecastOut:
    """The forecast of a post of the store from what was known before it, with reasons."""

    def ask(conn: Connection, answerer: Answerer) -> tuple[Forecast, ...]:
        return forecast_posts(conn, answerer, post_ids=[post], now=now())

    found = await context.ask(ask)
    if not found:
        raise Problem("not-found", "expected the id of a post; GET /posts lists them")
    return ForecastOut.of(found[0])
