"""Posts of invented accounts, and a model that repeats its anchor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement import PostFacts
from postlens.types import ModelSpec

START = datetime(2024, 3, 1, 12, tzinfo=UTC)


def make_post(day: float | None, likes: float | None = None, **changes: Any) -> PostFacts:
    """A post `day` days after START (None: without a date) with the given likes (None: hidden)."""
    values: dict[str, Any] = {
        "post_id": f"post-{day}",
        "published_at": None if day is None else START + timedelta(days=day),
        "counts": {} if likes is None else {"likes": likes},
        "followers": None,
        "caption": None,
        "media": None,
        "measures": None,
    }
    return PostFacts(**(values | changes))


class AnchorModel:
    """Answers the anchor, half below and half above on the log scale."""

    spec = ModelSpec(
        name="engagement",
        version="0",
        task="engagement",
        file="",
        sha256="",
        licence="none",
        source="tests",
        paper="none",
        thresholds={"spread_prior": 0.6, "spread_worth_posts": 2.0, "spread_factor": 1.8},
    )

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        anchor = inputs["features"][:, :1]
        return {"lower": anchor - np.float32(0.5), "median": anchor, "upper": anchor + np.float32(0.5)}
