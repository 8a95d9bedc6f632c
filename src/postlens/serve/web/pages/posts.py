"""Posts, a page for each with its reaction preview, and all previews as a feed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from postlens.pipelines.report.cards import newest_first
from postlens.serve.errors import Problem
from postlens.serve.web.rendering import render
from postlens.serve.web.route import WebRoute
from postlens.serve.web.shared import InContext, InShown, PageNumber, Text, export_asked
from postlens.serve.web.tables import Order, paged
from postlens.serve.web.views.creators import chosen_metric, shown_metrics
from postlens.serve.web.views.parts import occurring
from postlens.serve.web.views.posts import of_posts, post_page, posts_table, preview, reactions_table
from postlens.types import EMOTIONS

PREVIEWS = 12  # on one page of the feed

router = APIRouter(route_class=WebRoute)


@router.get("/web/posts")
def posts(
    request: Request,
    *,
    context: InContext,
    shown: InShown,
    niche: Text = "",
    text: Text = "",
    metric: Text = "",
    sort: Text = "",
    turn: Text = "",
    page: PageNumber = 1,
) -> Response:
    """All posts, sorted and filtered."""
    chosen = chosen_metric(shown, metric, usual=context.settings.metric)
    table = of_posts(posts_table(shown, metric=chosen), niche=niche or None, text=text.strip().removeprefix("@"))
    table = table.ordered(sort, turn, default=Order("published", down=True))
    return export_asked(request, table) or render(
        request,
        "posts",
        section="posts",
        shown=shown,
        table=table,
        page=paged(table.rows, page),
        niches=occurring(one.niche for one in shown.campaign.posts),
        metric=chosen,
        metrics=shown_metrics(shown),
        n_all=len(shown.campaign.posts),
    )


@router.get("/web/posts/{post_id:anything}")
def post(request: Request, shown: InShown, post_id: str) -> Response:
    """One post."""
    found = shown.posts.get(post_id)
    if found is None:
        raise Problem("not-found", f"there is no post {post_id!r}; the list of posts shows all")
    view = post_page(found, shown)
    asked = export_asked(request, *view.tables.values()) if view.tables else None
    return asked or render(request, "post", section="posts", shown=shown, view=view)


@router.get("/web/reactions")
def reactions(request: Request, shown: InShown, emotion: Text = "", page: PageNumber = 1) -> Response:
    """Posts as their viewers see them, with only the emoji that fit."""
    read = [one for one in sorted(shown.campaign.posts, key=newest_first) if one.reaction is not None]
    found = [one for one in read if not emotion or (one.reaction and emotion in one.reaction.emotions)]
    table = reactions_table(found, shown)
    cut = paged(found, page, size=PREVIEWS)
    return export_asked(request, table) or render(
        request,
        "reactions",
        section="reactions",
        shown=shown,
        table=table,
        previews=[preview(one, shown) for one in cut.items],
        page=cut,
        emotions=[name for name in EMOTIONS if any(one.reaction and name in one.reaction.emotions for one in read)],
    )
