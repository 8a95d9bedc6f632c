"""A campaign to its overview: how much there is, what it is about, how it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from postlens.pipelines.campaign_figures import count_hits
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.charts import share_bar
from postlens.serve.web.tables import Column, Order, Row, Table
from postlens.serve.web.views.creators import creators_table
from postlens.serve.web.views.parts import Face, face
from postlens.types import EMOTIONS, NICHES

CREATORS_SHOWN = 5  # with the highest median; the others are a click away
FACES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Tally:
    """A number that leads to a page."""

    number: int
    label: str
    href: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the first page shows."""

    tallies: tuple[Tally, ...]
    period: str
    faces: tuple[Face, ...]
    tables: dict[str, Table]
    n_inside: int  # posts whose figure fell into the forecast's interval
    n_judged: int


def overview(shown: Shown, *, metric: str, n_failures: int) -> Overview:
    """The first page."""
    hits = count_hits(post.forecast for post in shown.campaign.posts)
    best = creators_table(shown, metric=metric).ordered("median", "down", default=Order("median", down=True))
    tables = [_niche_table(shown), _emotion_table(shown), best]
    return Overview(
        tallies=_tallies(shown, n_failures),
        period=_period(shown),
        faces=tuple(face(person.person_id, shown) for person in shown.campaign.people[:FACES_SHOWN]),
        tables={table.name: table for table in tables},
        n_inside=hits.n_inside,
        n_judged=hits.n_known,
    )


def _tallies(shown: Shown, n_failures: int) -> tuple[Tally, ...]:
    campaign = shown.campaign
    return (
        Tally(len(campaign.creators), "creators", "/web/creators"),
        Tally(len(campaign.posts), "posts", "/web/posts"),
        Tally(sum(one.n_images for one in campaign.creators), "photos", "/web/posts"),
        Tally(sum(one.n_videos for one in campaign.creators), "videos", "/web/posts"),
        Tally(len(campaign.people), "people", "/web/people"),
        Tally(len(campaign.duplicates), "duplicates", "/web/duplicates"),
        Tally(n_failures, "failures", "/web/failures", is_warning=n_failures > 0),
    )


def _period(shown: Shown) -> str:
    times = [post.post.published_at for post in shown.campaign.posts if post.post.published_at]
    return f"{_day(min(times))} to {_day(max(times))}" if times else ""


def _day(at: datetime) -> str:
    return f"{at:%-d %B %Y}"


def _niche_table(shown: Shown) -> Table:
    counts = Counter(post.niche.label for post in shown.campaign.posts if post.niche)
    return _counted("niches", "What the posts are about", "niche", [(name, counts[name]) for name in NICHES], css="n")


def _emotion_table(shown: Shown) -> Table:
    counts = Counter(
        post.reaction.emotions[0] for post in shown.campaign.posts if post.reaction and post.reaction.emotions
    )
    found = sorted(((name, counts[name]) for name in EMOTIONS), key=lambda pair: -pair[1])
    return _counted("emotions", "What the posts convey", "emotion", found, css="e")


def _counted(name: str, caption: str, title: str, counts: list[tuple[str, int]], *, css: str) -> Table:
    known = [(label, number) for label, number in counts if number]
    total = sum(number for _, number in known)
    columns = (Column("label", title), Column("posts", "posts", "whole"), Column("share", "share", "share"))
    rows = tuple(
        Row(
            {"label": label, "posts": number, "share": number / total},
            drawn={"share": share_bar(number / total, css=f"fill {css}-{label}")},
        )
        for label, number in known
    )
    return Table(name, caption, columns, rows)
