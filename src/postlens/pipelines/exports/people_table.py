"""People to Parquet: a row for each person and metric."""

from __future__ import annotations

from typing import Any

from postlens.pipelines.campaign import Campaign, PersonAnswer
from postlens.tasks.people.performance import is_few
from postlens.types import PersonPerformance

PEOPLE_TABLE = "people.parquet"
PERSON_SCHEMA = {
    "person_id": "str",
    "name": "str",
    "metric": "str",  # null: no figure of the person's posts is known
    "n_posts": "i64",  # of the person with the figure; without a metric all
    "n_videos": "i64",
    "screen_time_s": "f64",
    "screen_share": "f64",
    "mean": "f64",
    "mean_low": "f64",
    "mean_high": "f64",
    "median": "f64",
    "few_posts": "bool",
    "weighting": "str",
    "n_effective": "f64",
    "lift": "f64",
    "trend": "f64",  # shares of the campaign's mean per 30 days
    "trend_low": "f64",
    "trend_high": "f64",
    "best_post_id": "str",
    "best": "f64",
    "worst_post_id": "str",
    "worst": "f64",
}


def person_rows(campaign: Campaign) -> list[dict[str, Any]]:
    """Rows with the columns of PERSON_SCHEMA; no faces and no identity vectors."""
    return [row for person in campaign.people for row in _rows(person)]


def _rows(person: PersonAnswer) -> list[dict[str, Any]]:
    about = {"person_id": person.person_id, "name": person.name}
    if not person.performance:
        seen = {"screen_time_s": person.screen_time_s, "screen_share": person.screen_share}
        return [about | seen | {"n_posts": person.n_posts, "n_videos": person.n_videos}]
    return [about | _figures(row) for row in person.performance]


def _figures(row: PersonPerformance) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    trend = row.trend
    same = ("metric", "n_posts", "n_videos", "screen_time_s", "screen_share", "mean", "median", "weighting")
    more = ("n_effective", "lift", "best_post_id", "best", "worst_post_id", "worst")
    return {name: getattr(row, name) for name in (*same, *more)} | {
        "mean_low": low,
        "mean_high": high,
        "few_posts": is_few(row),
        "trend": trend.slope if trend else None,
        "trend_low": trend.low if trend else None,
        "trend_high": trend.high if trend else None,
    }
