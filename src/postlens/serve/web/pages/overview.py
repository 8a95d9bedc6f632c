"""The first page: the campaign at a glance."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute
from postlens.serve.web.shared import InContext, InShown, Text, export_asked
from postlens.serve.web.views.creators import chosen_metric, shown_metrics
from postlens.serve.web.views.overview import CREATORS_SHOWN, overview
from postlens.store.ledger import read_failures

router = APIRouter(route_class=WebRoute)


@router.get("/")
def first_page(request: Request, context: InContext, shown: InShown, metric: Text = "") -> Response:
    """How much there is, what it is about, how it did."""
    chosen = chosen_metric(shown, metric, usual=context.settings.metric)
    with context.store.read() as conn:
        n_failures = len(read_failures(conn))
    view = overview(shown, metric=chosen, n_failures=n_failures)
    return export_asked(request, *view.tables.values()) or render(
        request,
        "overview",
        section="overview",
        shown=shown,
        view=view,
        metric=chosen,
        metrics=shown_metrics(shown),
        n_creators=CREATORS_SHOWN,
    )
