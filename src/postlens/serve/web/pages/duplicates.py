"""Copies side by side."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute
from postlens.serve.web.shared import InShown, PageNumber, export_asked
from postlens.serve.web.tables import paged
from postlens.serve.web.views.duplicates import duplicates_table, pair

PAIRS = 12  # on one page

router = APIRouter(route_class=WebRoute)


@router.get("/web/duplicates")
def duplicates(request: Request, shown: InShown, page: PageNumber = 1) -> Response:
    """All copies with what they are copies of."""
    table, cut = duplicates_table(shown), paged(shown.campaign.duplicates, page, size=PAIRS)
    return export_asked(request, table) or render(
        request,
        "duplicates",
        section="duplicates",
        shown=shown,
        table=table,
        pairs=[pair(one, shown) for one in cut.items],
        page=cut,
    )
