"""Creators, and a page for each."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from postlens.serve.errors import Problem
from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute
from postlens.serve.web.shared import InContext, InShown, PageNumber, Text, export_asked
from postlens.serve.web.tables import Order, paged
from postlens.serve.web.views.creator import FORECASTS_LISTED, creator_page
from postlens.serve.web.views.creators import Wanted, chosen_metric, creators_table, filtered, shown_metrics
from postlens.serve.web.views.parts import occurring

POSTS_PER_PAGE = 24  # pictures on one page of a creator: four rows on a desk, twelve on a phone

router = APIRouter(route_class=WebRoute)


@router.get("/web/creators")
def creators(
    request: Request,
    *,
    context: InContext,
    shown: InShown,
    niche: Text = "",
    sure: Text = "",
    least: Text = "",
    text: Text = "",
    metric: Text = "",
    sort: Text = "",
    turn: Text = "",
    page: PageNumber = 1,
) -> Response:
    """All creators, sorted and filtered; `sure` is in percent."""
    chosen = chosen_metric(shown, metric, usual=context.settings.metric)
    least_sure, least_figure = _number("confidence", sure), _number("performance", least)
    wanted = Wanted(niche or None, (least_sure or 0) / 100, least_figure, text.strip())
    table = filtered(creators_table(shown, metric=chosen), wanted)
    table = table.ordered(sort, turn, default=Order("median", down=True))
    return export_asked(request, table) or render(
        request,
        "creators",
        section="creators",
        shown=shown,
        table=table,
        page=paged(table.rows, page),
        niches=occurring(one.niche for one in shown.campaign.creators),
        metric=chosen,
        metrics=shown_metrics(shown),
        n_all=len(shown.campaign.creators),
    )


def _number(name: str, text: str) -> float | None:
    """A number from a form; None for an empty field. Raises `Problem`."""
    try:
        return float(text.strip().replace(",", "")) if text.strip() else None
    except ValueError as error:
        raise Problem("invalid", f"expected a number for {name}, got {text!r}") from error


@router.get("/web/creators/{creator_id:anything}")
def creator(request: Request, shown: InShown, creator_id: str, page: PageNumber = 1) -> Response:
    """One creator."""
    answer = shown.creators.get(creator_id)
    if answer is None:
        raise Problem("not-found", f"there is no creator {creator_id!r}; the list of creators shows all")
    view = creator_page(answer, shown)
    return export_asked(request, *view.tables.values()) or render(
        request,
        "creator",
        section="creators",
        shown=shown,
        view=view,
        posts=paged(view.posts, page, size=POSTS_PER_PAGE),
        n_forecasts=FORECASTS_LISTED,
    )
