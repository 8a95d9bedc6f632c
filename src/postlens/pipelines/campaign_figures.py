"""Figures about a campaign that several outputs tell, so that all tell the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postlens.pipelines.campaign import Campaign
from postlens.types import EngagementForecast


@dataclass(frozen=True, slots=True)
class Hits:
    """How many counts fell into their forecast's interval."""

    n_inside: int
    n_known: int  # forecasts whose post has a count


def is_inside(one: EngagementForecast | None) -> bool | None:
    """Whether a count is in its forecast's interval, ends included; None where either is not known."""
    if one is None or one.actual is None or one.median is None or one.lower is None or one.upper is None:
        return None
    return one.lower <= one.actual <= one.upper


def count_hits(forecasts: Iterable[EngagementForecast | None]) -> Hits:
    """The counts that can be judged, and those inside."""
    known = [inside for one in forecasts if (inside := is_inside(one)) is not None]
    return Hits(sum(known), len(known))


def campaign_mean(campaign: Campaign, metric: str) -> float | None:
    """The mean of a figure over all posts that are no copies, as lifts are against it; None where none is known."""
    copies = {one.post_id for one in campaign.duplicates}
    known = [one.values.get(metric) for post_id, one in campaign.snapshots.items() if post_id not in copies]
    values = [value for value in known if value is not None]
    return sum(values) / len(values) if values else None
