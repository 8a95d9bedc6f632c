"""Posts to a table, to previews with the emoji that fit, and to their pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from postlens.pipelines.report.reactions import told_by
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.charts import forecast_bar, share_bar
from postlens.serve.web.names import failed_why
from postlens.serve.web.tables import Cell, Column, Drawing, Row, Table
from postlens.serve.web.views.parts import (
    Face,
    Tile,
    creator_href,
    face,
    joined,
    post_href,
    post_image,
    signs,
    tile,
)
from postlens.types import EngagementForecast, PostAnalysis, ReactionForecast


@dataclass(frozen=True, slots=True)
class Preview:
    """A post as its viewers see it, with the reactions that fit it."""

    tile: Tile
    handle: str
    platform: str
    creator: str  # address of the creator's page
    caption: str | None
    published_at: datetime | None
    reaction: ReactionForecast | None
    decided: str


@dataclass(frozen=True, slots=True)
class PostPage:
    """Everything that the page of a post shows."""

    post: PostAnalysis
    preview: Preview
    pictures: tuple[Tile, ...]
    people: tuple[Face, ...]
    first: Tile | None  # where this is a copy
    figures: dict[str, float]
    problems: tuple[str, ...]
    is_strongest: bool  # no emotion reached its threshold, and the strongest is told
    tables: dict[str, Table]


def posts_table(shown: Shown, *, metric: str) -> Table:
    """A row for each post."""
    columns = (
        Column("post", "post"),
        Column("creator", "creator", "handle"),
        Column("published", "published", "time"),
        Column("niche", "niche"),
        Column("sure", "confidence", "share"),
        Column("got", metric, "count"),
        Column("expected", "expected", "count"),
        Column("people", "people"),
        Column("emotion", "emotion"),
        Column("emoji", "emoji that fit", "emoji"),
        Column("copy", "copy of"),
    )

    def make() -> tuple[Row, ...]:
        return tuple(_row(post, shown, metric) for own in shown.posts_of.values() for post in own)

    return Table("posts", "Posts", columns, shown.kept(f"posts {metric}", make))


def of_posts(table: Table, *, niche: str | None, text: str) -> Table:
    """The rows of a niche with a text in the names of file or creator."""
    found = text.casefold()
    rows = (row for row in table.rows if niche in (None, row.cells["niche"]))
    kept = (row for row in rows if found in f"{row.cells['post']} {row.cells['creator']}".casefold())
    return replace(table, rows=tuple(kept))


def _row(post: PostAnalysis, shown: Shown, metric: str) -> Row:
    post_id, snapshot = post.post.post_id, shown.campaign.snapshots.get(post.post.post_id)
    forecast = post.forecast if post.forecast and post.forecast.metric == metric else None
    first = shown.first_of.get(post_id)
    cells: dict[str, Cell] = {
        "post": shown.title(post_id),
        "creator": post.creator.handle,
        "published": post.post.published_at,
        "niche": post.niche.label if post.niche else None,
        "sure": post.niche.confidence if post.niche else None,
        "got": snapshot.values.get(metric) if snapshot else None,
        "expected": forecast.median if forecast else None,
        "people": joined(shown.people_in(post).values()),
        "emotion": post.reaction.emotions[0] if post.reaction and post.reaction.emotions else None,
        "emoji": signs(post.reaction.allowed) if post.reaction else None,
        "copy": shown.title(first) if first else None,
    }
    return Row(
        cells,
        href=post_href(post_id),
        image=post_image(post, shown),
        drawn={"expected": Drawing(partial(forecast_bar, forecast))}
        if forecast and forecast.median is not None
        else {},
        links={"creator": creator_href(post.creator.creator_id), **({"copy": post_href(first)} if first else {})},
    )


def reactions_table(posts: Sequence[PostAnalysis], shown: Shown) -> Table:
    """A row for each post whose emotions could be read."""
    columns = (
        Column("post", "post"),
        Column("creator", "creator", "handle"),
        Column("emotions", "emotions"),
        Column("fits", "emoji that fit", "emoji"),
        Column("not", "emoji that do not", "emoji"),
        Column("decided", "decided by"),
    )
    rows = tuple(_reaction_row(post, post.reaction, shown) for post in posts if post.reaction is not None)
    return Table("reactions", "Reactions", columns, rows)


def _reaction_row(post: PostAnalysis, reaction: ReactionForecast, shown: Shown) -> Row:
    cells: dict[str, Cell] = {
        "post": shown.title(post.post.post_id),
        "creator": post.creator.handle,
        "emotions": joined(reaction.emotions),
        "fits": signs(reaction.allowed),
        "not": signs(reaction.blocked),
        "decided": told_by(reaction),
    }
    return Row(cells, href=post_href(post.post.post_id))


def preview(post: PostAnalysis, shown: Shown) -> Preview:
    """A post with the emoji that fit."""
    return Preview(
        tile=tile(post.post.post_id, shown),
        handle=post.creator.handle,
        platform=post.creator.platform,
        creator=creator_href(post.creator.creator_id),
        caption=post.post.caption,
        published_at=post.post.published_at,
        reaction=post.reaction,
        decided=told_by(post.reaction) if post.reaction else "",
    )


def post_page(post: PostAnalysis, shown: Shown) -> PostPage:
    """The page of one post."""
    post_id, first = post.post.post_id, shown.first_of.get(post.post.post_id)
    snapshot, own = shown.campaign.snapshots.get(post_id), tile(post_id, shown)
    tables = [_niche_table(post)] if post.niche else []
    tables += [_emotion_table(post.reaction)] if post.reaction else []
    tables += [_forecast_table(post.forecast)] if post.forecast else []
    return PostPage(
        post=post,
        preview=preview(post, shown),
        pictures=tuple(
            replace(own, image=f"/web/media/{media.sha256}.jpg", is_video=media.kind == "video")
            for media in post.media
            if media.sha256 in shown.pictured
        ),
        people=tuple(face(person_id, shown) for person_id in shown.people_in(post)),
        first=tile(first, shown) if first else None,
        figures=dict(snapshot.values) if snapshot else {},
        problems=tuple(failed_why(failure) for failure in post.failures),
        is_strongest=post.reaction is not None and not _reached(post.reaction, post.reaction.emotions),
        tables={table.name: table for table in tables},
    )


def _niche_table(post: PostAnalysis) -> Table:
    assert post.niche is not None
    order = sorted(post.niche.probs.items(), key=lambda pair: -pair[1])
    rows = tuple(
        Row({"niche": name, "prob": prob}, drawn={"prob": share_bar(prob, css=f"fill n-{name}")})
        for name, prob in order
    )
    return Table("niche", "Niche", (Column("niche", "niche"), Column("prob", "probability", "share")), rows)


def _emotion_table(reaction: ReactionForecast) -> Table:
    columns = (
        Column("emotion", "emotion"),
        Column("prob", "probability", "share"),
        Column("threshold", "threshold", "share"),
        Column("found", "counts"),
    )
    order = sorted(reaction.probs.items(), key=lambda pair: -pair[1])
    return Table("emotions", "Emotions", columns, tuple(_emotion_row(reaction, *pair) for pair in order))


def _emotion_row(reaction: ReactionForecast, name: str, prob: float) -> Row:
    limit, found = reaction.thresholds.get(name), name in reaction.emotions
    told = "no" if not found else "yes" if _reached(reaction, [name]) else "as the strongest"
    cells: dict[str, Cell] = {"emotion": name, "prob": prob, "threshold": limit, "found": told}
    return Row(cells, drawn={"prob": share_bar(prob, mark=limit, css=f"fill e-{name}" if found else "fill off")})


def _reached(reaction: ReactionForecast, names: Sequence[str]) -> bool:
    """Whether any of these emotions is as probable as its threshold asks; one without a threshold is."""
    return any(reaction.probs[name] >= reaction.thresholds.get(name, 0.0) for name in names)


def _forecast_table(one: EngagementForecast) -> Table:
    titles = {"expected": "expected", "lower": "from", "upper": "to", "usual": "usual for the account", "got": "got"}
    cells = {"expected": one.median, "lower": one.lower, "upper": one.upper, "usual": one.baseline, "got": one.actual}
    columns = tuple(Column(key, title, "count") for key, title in titles.items())
    drawn = {"expected": forecast_bar(one)} if one.median is not None else {}
    row = Row({"metric": one.metric, **cells}, drawn=drawn)
    return Table("forecast", f"Forecast of {one.metric}", (Column("metric", "figure"), *columns), (row,))
