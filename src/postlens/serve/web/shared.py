"""What the routes of the page share: the campaign of the server's store, and a page of a table or its export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from threading import Lock
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from postlens.serve.context import Context, context_of, now
from postlens.serve.errors import Problem
from postlens.serve.web.campaigns import Campaigns, Shown
from postlens.serve.web.exports import MEDIA_TYPES, exported
from postlens.serve.web.rendering import HEADERS
from postlens.serve.web.tables import Table

_MAKING = Lock()


InNow = Annotated[datetime, Depends(now)]

InContext = Annotated[Context, Depends(context_of)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
Text = Annotated[str, Query(max_length=200)]


def campaigns_of(request: Request) -> Campaigns:
    """The campaign of the server's store; made on the first request."""
    state, context = request.app.state, context_of(request)
    with _MAKING:
        if getattr(state, "web_campaigns", None) is None or state.web_campaigns[0] is not context:
            state.web_campaigns = context, Campaigns(context)
        found: Campaigns = state.web_campaigns[1]
    return found


def shown_of(campaigns: Annotated[Campaigns, Depends(campaigns_of)]) -> Shown:
    """The campaign as it is; raises `StillReadingError` while it is read for the first time."""
    return campaigns.latest()


InCampaigns = Annotated[Campaigns, Depends(campaigns_of)]
InShown = Annotated[Shown, Depends(shown_of)]


async def in_turn(context: InContext) -> AsyncIterator[None]:
    """Wait for the turn to change the store, as the API's changes do; a dependency of routes that change it."""
    async with context.turn():
        yield


def export_asked(request: Request, *tables: Table) -> Response | None:
    """The file of a table where the request asks for one: `?export=csv&table=creators`. Raises `Problem`."""
    kind = request.query_params.get("export")
    if not kind:
        return None
    wanted = request.query_params.get("table") or tables[0].name
    table = next((table for table in tables if table.name == wanted), None)
    if table is None:
        raise Problem("not-found", f"there is no table {wanted!r} here; known: {', '.join(one.name for one in tables)}")
    if kind not in ("csv", "xlsx"):
        raise Problem("invalid", f"expected export=csv or export=xlsx, got {kind!r}")
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{table.name}.{kind}"'}
    data = exported(table, "csv" if kind == "csv" else "xlsx")
    return Response(data, headers=headers, media_type=MEDIA_TYPES["csv" if kind == "csv" else "xlsx"])
