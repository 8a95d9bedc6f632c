"""One creator to its page: what decided, who is seen, how forecasts came out, what to recommend, what fits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from postlens.pipelines.campaign import CreatorAnswer
from postlens.pipelines.campaign_figures import count_hits
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.charts import forecast_bar, forecast_history, share_bar
from postlens.serve.web.tables import Cell, Column, Row, Table
from postlens.serve.web.views.parts import Face, Tile, face, person_href, post_href, tile
from postlens.tasks.reactions.summary import ReactionSummary, summarise
from postlens.types import ItemShare, PostAnalysis, Recommendation

DECIDING_SHOWN = 6  # with pictures; all are in the table
FORECASTS_LISTED = 60  # the latest, as many as the drawing holds; all are in the export


@dataclass(frozen=True, slots=True)
class CreatorPage:
    """Everything that the page of a creator shows."""

    answer: CreatorAnswer
    deciding: tuple[tuple[Tile, float], ...]
    people: tuple[tuple[Face, int], ...]  # with the number of the creator's posts that show the person
    history: Markup
    n_inside: int  # posts whose count fell into the forecast's interval
    n_known: int  # posts with a forecast and a count
    reactions: ReactionSummary | None
    tables: dict[str, Table]
    posts: tuple[Tile, ...]


def creator_page(answer: CreatorAnswer, shown: Shown) -> CreatorPage:
    """The page of one creator."""
    posts = shown.posts_of.get(answer.creator.creator_id, [])
    attention = answer.niche.attention if answer.niche else ()
    hits = count_hits(post.forecast for post in posts)
    reactions = [post.reaction for post in posts if post.reaction is not None]
    summary = summarise(reactions) if reactions else None
    forecasts = [post.forecast for post in sorted(posts, key=_time) if post.forecast is not None]
    tables = [_deciding_table(answer, shown), _forecast_table(posts, shown), _people_table(posts, shown)]
    tables += [_items_table(answer.recommendation)] if answer.recommendation else []
    tables += [_reactions_table(summary)] if summary else []
    return CreatorPage(
        answer=answer,
        deciding=tuple((tile(post_id, shown), weight) for post_id, weight in attention[:DECIDING_SHOWN]),
        people=tuple((face(one, shown), n_posts) for one, n_posts in _seen(posts, shown).most_common()),
        history=forecast_history(forecasts, title="Forecasts and what the posts got, in the order of publication"),
        n_inside=hits.n_inside,
        n_known=hits.n_known,
        reactions=summary,
        tables={table.name: table for table in tables},
        posts=tuple(tile(post.post.post_id, shown) for post in posts),
    )


def _time(post: PostAnalysis) -> tuple[bool, datetime | str]:
    at = post.post.published_at
    return (False, at) if at else (True, post.post.post_id)


def _seen(posts: list[PostAnalysis], shown: Shown) -> Counter[str]:
    """person_id to posts; a copy is one post with what it is a copy of, as wherever posts of persons are counted."""
    first = [shown.first_of.get(post.post.post_id, post.post.post_id) for post in posts]
    return Counter(
        person_id
        for person_id, _ in dict.fromkeys(
            (person_id, own) for post, own in zip(posts, first, strict=True) for person_id in shown.people_in(post)
        )
    )


# --- tables ----------------------------------------------------------------------------------------------------------


def _deciding_table(answer: CreatorAnswer, shown: Shown) -> Table:
    columns = (
        Column("post", "post"),
        Column("weight", "share of the decision", "share"),
        Column("niche", "niche of the post"),
        Column("sure", "confidence", "share"),
    )
    rows = [
        _deciding_row(post_id, weight, shown) for post_id, weight in (answer.niche.attention if answer.niche else ())
    ]
    return Table("deciding", "The posts that decided the niche", columns, tuple(rows))


def _deciding_row(post_id: str, weight: float, shown: Shown) -> Row:
    post = shown.posts.get(post_id)
    niche = post.niche if post else None
    cells: dict[str, Cell] = {
        "post": shown.title(post_id),
        "weight": weight,
        "niche": niche.label if niche else None,
        "sure": niche.confidence if niche else None,
    }
    return Row(cells, href=post_href(post_id), drawn={"weight": share_bar(weight)})


def _forecast_table(posts: list[PostAnalysis], shown: Shown) -> Table:
    columns = (
        Column("post", "post"),
        Column("published", "published", "time"),
        Column("metric", "figure"),
        Column("expected", "expected", "count"),
        Column("lower", "from", "count"),
        Column("upper", "to", "count"),
        Column("usual", "usual", "count"),
        Column("got", "got", "count"),
        Column("note", "rests on"),
    )
    rows = [_forecast_row(post, shown) for post in posts if post.forecast is not None]
    return Table("forecasts", "Forecasts against what the posts got", columns, tuple(rows))


def _forecast_row(post: PostAnalysis, shown: Shown) -> Row:
    one = post.forecast
    assert one is not None
    cells: dict[str, Cell] = {
        "post": shown.title(post.post.post_id),
        "published": post.post.published_at,
        "metric": one.metric,
        "expected": one.median,
        "lower": one.lower,
        "upper": one.upper,
        "usual": one.baseline,
        "got": one.actual,
        "note": one.note or None,
    }
    drawn = {"expected": forecast_bar(one)} if one.median is not None else {}
    return Row(cells, href=post_href(post.post.post_id), drawn=drawn)


def _people_table(posts: list[PostAnalysis], shown: Shown) -> Table:
    columns = (Column("person", "person"), Column("posts", "posts with the person", "whole"))
    rows = [
        Row(
            {"person": shown.labels[person_id], "posts": n_posts},
            href=person_href(person_id),
            image=face(person_id, shown).image,
            is_face=True,
        )
        for person_id, n_posts in _seen(posts, shown).most_common()
    ]
    return Table("people", "People in the posts", columns, tuple(rows))


def _items_table(choice: Recommendation) -> Table:
    columns = (
        Column("item", "item"),
        Column("share", "share of the images", "share"),
        Column("images", "images that show it", "whole"),
        Column("read", "images read", "whole"),
        Column("label", "clearest"),
        Column("score", "score", "share"),
        Column("threshold", "threshold", "share"),
    )
    rows = tuple(_item_row(item) for item in choice.items)
    return Table("recommendation", "What the images show", columns, rows)


def _item_row(item: ItemShare) -> Row:
    is_read = item.n_images > 0
    cells: dict[str, Cell] = {
        "item": item.item,
        "share": item.share if is_read else None,
        "images": item.n_shown,
        "read": item.n_images,
        "label": item.label,
        "score": item.score if item.label else None,
        "threshold": item.threshold,
    }
    drawn = {"share": share_bar(item.share), "score": share_bar(item.score, mark=item.threshold)} if is_read else {}
    return Row(cells, drawn=drawn)


def _reactions_table(summary: ReactionSummary) -> Table:
    columns = (Column("emotion", "first emotion"), Column("posts", "posts", "whole"), Column("share", "share", "share"))
    rows = tuple(
        Row(
            {"emotion": name, "posts": n_posts, "share": n_posts / summary.n_posts},
            drawn={"share": share_bar(n_posts / summary.n_posts, css=f"fill e-{name}")},
        )
        for name, n_posts in summary.emotions
    )
    return Table("reactions", "First emotions of the posts", columns, rows)
