"""What a forecast with its reasons looks like on the wire."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from postlens.serve.names import shown_name
from postlens.serve.schemas import Schema, rounded
from postlens.serve.schemas_answers import Forecast
from postlens.tasks.engagement.answer import Change
from postlens.tasks.engagement.answer import Forecast as Answer


class ReasonOut(Schema):
    """What one group of features did to the forecast."""

    group: str
    text: str
    change: float = Field(description="0.12: 12 % more than without knowing it.")


class SimilarOut(Schema):
    """An earlier post whose pictures look alike, and what it got."""

    post_id: str
    similarity: float
    count: float


class WhatIf(Schema):
    """One thing that could be done otherwise, and what that goes along with."""

    kind: str
    option: str
    change: float | None = Field(description="0.12: 12 % more; null: the data does not support a figure.")
    low: float | None
    high: float | None
    n_posts: int | None
    is_now: bool
    note: str

    @classmethod
    def of(cls, one: Change) -> Self:
        """With its interval, where it has one."""
        low, high = one.interval or (None, None)
        return cls(
            kind=one.kind,
            option=one.option,
            change=rounded(one.change, 4),
            low=rounded(low, 4),
            high=rounded(high, 4),
            n_posts=one.n_posts,
            is_now=one.is_now,
            note=one.note,
        )


class ForecastOut(Schema):
    """A forecast with all that is said of it."""

    creator_id: str
    files: list[str]
    rank: int | None = Field(description="Of several new photos, 1: probably the most.")
    forecast: Forecast
    start: float | None = Field(description="Count that reasons start from; times 1 + change of each it is the median.")
    start_text: str = Field(description="What draws the start away from the account's median.")
    reasons: list[ReasonOut]
    similar: list[SimilarOut]
    what_if: list[WhatIf]
    fallback: str = Field(description="What of the answer is weaker than asked for, and why.")

    @classmethod
    def of(cls, one: Answer) -> Self:
        """Figures rounded."""
        return cls(
            creator_id=one.creator_id,
            files=[shown_name(name) for name in one.files],
            rank=one.rank,
            forecast=Forecast.of(one.forecast),
            start=rounded(one.start, 1),
            start_text=one.start_text,
            reasons=[ReasonOut(group=r.group, text=r.text, change=round(r.change, 4)) for r in one.reasons],
            similar=[
                SimilarOut(post_id=s.post_id, similarity=round(s.similarity, 4), count=s.count) for s in one.similar
            ],
            what_if=[WhatIf.of(change) for change in one.what_if],
            fallback=one.fallback,
        )
