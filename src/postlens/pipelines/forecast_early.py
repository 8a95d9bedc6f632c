"""Stored observations of one account to the growth that makes an early count tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from postlens.pipelines.facts import CreatorFacts
from postlens.store.snapshots import read_history
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.early import HOUR_S, LATEST_H, EarlyCount, log_growth, with_early
from postlens.types import EngagementForecast, EngagementSnapshot, as_utc


@dataclass(frozen=True, slots=True)
class EarlyBook:
    """What was counted of one account's posts, and when."""

    seen: Mapping[str, Sequence[EngagementSnapshot]]  # by post_id, oldest first
    published_at: Mapping[str, datetime | None]
    metric: str

    @classmethod
    def read(cls, conn: Connection, facts: CreatorFacts, *, metric: str) -> EarlyBook:
        """All observations of the creator's posts."""
        seen: dict[str, list[EngagementSnapshot]] = defaultdict(list)
        for one in read_history(conn, [post.post_id for post in facts.posts]):
            seen[one.post_id].append(one)
        return cls(seen, {post.post_id: post.published_at for post in facts.posts}, metric)

    def sharpen(self, one: EngagementForecast, row: PostFacts, early: EarlyCount | None) -> EngagementForecast:
        """The forecast with the early count that is given, or stored as the post's only one; else as it is."""
        given = early if early is not None and not row.counts else self._stored(row)
        if given is None:
            return one
        before = {post_id: seen for post_id, seen in self.seen.items() if self._is_before(post_id, row)}
        growth = log_growth(before, self.published_at, metric=self.metric, age_h=given.age_h)
        sharper = with_early(one, given, growth)
        if early is None:
            return replace(sharper, actual=None) if sharper.method == "early" else one
        return sharper

    def _stored(self, row: PostFacts) -> EarlyCount | None:
        """The latest count of a post that was only counted soon after it was published."""
        latest = self.seen.get(row.post_id, ())[-1:]
        if row.published_at is None or not latest or latest[0].observed_at is None:
            return None
        age_h = (as_utc(latest[0].observed_at) - as_utc(row.published_at)).total_seconds() / HOUR_S
        count = row.counts.get(self.metric)
        return EarlyCount(count, age_h) if count is not None and 0 < age_h <= LATEST_H and count >= 0 else None

    def _is_before(self, post_id: str, row: PostFacts) -> bool:
        at = self.published_at.get(post_id)
        if post_id == row.post_id or at is None:
            return False
        return row.published_at is None or as_utc(at) < as_utc(row.published_at)
