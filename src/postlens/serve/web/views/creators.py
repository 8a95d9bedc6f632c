"""Creators to the table that is sorted and filtered by niche, performance and confidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from postlens.pipelines.campaign import CreatorAnswer
from postlens.pipelines.report.people import person_metrics
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.charts import share_bar
from postlens.serve.web.tables import Cell, Column, Drawing, Row, Table
from postlens.serve.web.views.parts import creator_href, post_image
from postlens.types import EngagementForecast, PostAnalysis


@dataclass(frozen=True, slots=True)
class Wanted:
    """What creators are looked for."""

    niche: str | None = None
    least_sure: float = 0.0  # share, of the niche's probability
    least: float | None = None  # of the median of the metric
    text: str = ""  # in the handle

    def keeps(self, row: Row) -> bool:
        """Whether a row of `creators_table` is wanted."""
        niche, sure, usual = (row.cells[key] for key in ("niche", "sure", "median"))
        return (
            (self.niche is None or niche == self.niche)
            and (not self.least_sure or (isinstance(sure, float) and sure >= self.least_sure))
            and (self.least is None or (isinstance(usual, int | float) and usual >= self.least))
            and self.text.casefold().removeprefix("@") in str(row.cells["creator"]).casefold()
        )


def shown_metrics(shown: Shown) -> tuple[str, ...]:
    """Metrics that a page can be asked for: those of persons first, as the most widely known."""
    return tuple(dict.fromkeys((*person_metrics(shown.campaign.people), *shown.campaign.metrics)))


def chosen_metric(shown: Shown, asked: str | None, *, usual: str) -> str:
    """The metric asked for where it is known, else the one that is forecast, else any."""
    known = shown_metrics(shown)
    return next((name for name in (asked, usual, *known) if name in known), usual)


def creators_table(shown: Shown, *, metric: str) -> Table:
    """A row for each creator; performance by one metric."""
    columns = (
        Column("creator", "creator", "handle"),
        Column("niche", "niche"),
        Column("sure", "confidence", "share"),
        Column("posts", "posts", "whole"),
        Column("followers", "followers", "count"),
        Column("median", f"median {metric}", "count"),
        Column("rate", f"{metric} per follower", "share"),
        Column("against", "against forecast", "lift"),
        Column("offer", "recommended"),
    )

    def make() -> tuple[Row, ...]:
        return tuple(_row(answer, shown, metric) for answer in shown.campaign.creators)

    return Table("creators", "Creators", columns, shown.kept(f"creators {metric}", make))


def filtered(table: Table, wanted: Wanted) -> Table:
    """The rows that are wanted."""
    return replace(table, rows=tuple(row for row in table.rows if wanted.keeps(row)))


def _row(answer: CreatorAnswer, shown: Shown, metric: str) -> Row:
    creator_id, niche, usual = answer.creator.creator_id, answer.niche, answer.medians.get(metric)
    posts = shown.posts_of.get(creator_id, [])
    product = answer.recommendation.product if answer.recommendation else None
    cells: dict[str, Cell] = {
        "creator": answer.creator.handle,
        "niche": niche.label if niche else None,
        "sure": niche.confidence if niche else None,
        "posts": answer.n_posts,
        "followers": answer.followers,
        "median": usual,
        "rate": usual / answer.followers if usual is not None and answer.followers else None,
        "against": against_forecast(posts, metric),
        "offer": product.title if product else None,
    }
    deciding = niche.attention[0][0] if niche and niche.attention else None
    return Row(
        cells,
        href=creator_href(creator_id),
        image=post_image(shown.posts.get(deciding) if deciding else next(iter(posts), None), shown),
        notes={"creator": answer.creator.platform},
        drawn={"sure": Drawing(partial(share_bar, niche.confidence))} if niche else {},
    )


def against_forecast(posts: list[PostAnalysis], metric: str) -> float | None:
    """Median over the posts of what they got / what was expected - 1; None where neither is known of any."""
    ratios = [ratio for post in posts if (ratio := _ratio(post.forecast, metric)) is not None]
    return median(ratios) - 1 if ratios else None


def _ratio(forecast: EngagementForecast | None, metric: str) -> float | None:
    if forecast is None or forecast.metric != metric or forecast.actual is None or not forecast.median:
        return None
    return forecast.actual / forecast.median
