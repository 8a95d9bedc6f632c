"""What could not be read or answered."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute
from postlens.serve.web.shared import InContext, PageNumber, Text, export_asked
from postlens.serve.web.tables import Order, paged
from postlens.serve.web.views.failures import failures_table
from postlens.store.ledger import read_failures

router = APIRouter(route_class=WebRoute)


@router.get("/web/failures")
def failures(request: Request, context: InContext, sort: Text = "", turn: Text = "", page: PageNumber = 1) -> Response:
    """All failures of the latest runs."""
    with context.store.read() as conn:
        found = read_failures(conn)
    table = failures_table(found).ordered(sort, turn, default=Order("file"))
    return export_asked(request, table) or render(
        request, "failures", section="failures", table=table, page=paged(table.rows, page)
    )
