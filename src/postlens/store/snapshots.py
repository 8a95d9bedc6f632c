"""Figures of posts as they were observed, and the latest known ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from postlens.store.schema import snapshots
from postlens.store.statements import select_in, upsert
from postlens.types import METRICS, EngagementSnapshot, SourcePost, as_utc

ACCOUNT = ("followers", "followees", "n_posts")  # figures of the creator when the post was looked at
COUNTS = (*METRICS, *ACCOUNT)  # figures with a column of their own; the others share `other`


@dataclass(frozen=True, slots=True)
class Observation:
    """Figures of a post with the time they were observed, `None` where the source does not say."""

    post_id: str
    values: Mapping[str, float]  # by name: COUNTS and any others
    observed_at: datetime | None = None

    @classmethod
    def of(cls, post: SourcePost) -> Observation | None:
        """What a source says about a post; `None` where it gives no number."""
        values = {name: value for name, value in post.metrics.items() if math.isfinite(value)}
        values |= {name: value for name in ACCOUNT if (value := getattr(post, name)) is not None}
        return cls(post.post_id, values, post.observed_at) if values else None


def write_observations(conn: Connection, observations: Sequence[Observation], *, now: datetime) -> int:
    """Add observations of posts; returns how many rows changed.

    One with a time is kept under that time; written again with another number, it is corrected. One without is kept as
    observed `now` if a number differs from the latest known, so that reading the same table again adds nothing. The
    order of writing does not matter for observations of different times.
    """
    dated = [_row(one.post_id, as_utc(one.observed_at), one.values) for one in observations if one.observed_at]
    n_rows = _write(conn, dated)
    undated: dict[str, dict[str, float]] = {}
    for one in observations:
        if one.observed_at is None:
            undated.setdefault(one.post_id, {}).update(one.values)
    latest = read_snapshots(conn, undated)
    new = [
        _row(post_id, as_utc(now), values)
        for post_id, values in undated.items()
        if _is_news(values, latest.get(post_id))
    ]
    return n_rows + _write(conn, new)


def _row(post_id: str, observed_at: datetime, values: Mapping[str, float]) -> dict[str, Any]:
    other = {name: value for name, value in values.items() if name not in COUNTS}
    counts = {name: values.get(name) for name in COUNTS}
    return {"post_id": post_id, "observed_at": observed_at, **counts, "other": other or None}


def _write(conn: Connection, rows: list[dict[str, Any]]) -> int:
    return upsert(conn, snapshots, _with_known_others(conn, rows), keep_known=(*COUNTS, "other"))


def _with_known_others(conn: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the other figures already known for the same time, which a new one must not erase."""
    stored = read_history(conn, {row["post_id"] for row in rows if row["other"]})
    known = {(one.post_id, one.observed_at): dict(one.other or {}) for one in stored}
    for row in rows:
        others = known.setdefault((row["post_id"], row["observed_at"]), {})
        others.update(row["other"] or {})
        row["other"] = dict(others) or None
    return rows


def _is_news(values: Mapping[str, float], latest: EngagementSnapshot | None) -> bool:
    return latest is None or any(_figure(latest, name) != value for name, value in values.items())


def _figure(snapshot: EngagementSnapshot, name: str) -> float | None:
    return getattr(snapshot, name) if name in COUNTS else (snapshot.other or {}).get(name)


def read_snapshots(conn: Connection, post_ids: Iterable[str] | None = None) -> dict[str, EngagementSnapshot]:
    """Latest known figures by post: each as last observed, with the time of the last observation."""
    found: dict[str, EngagementSnapshot] = {}
    for snapshot in read_history(conn, post_ids):
        older = found.get(snapshot.post_id)
        found[snapshot.post_id] = snapshot if older is None else _later(older, snapshot)
    return found


def _later(older: EngagementSnapshot, newer: EngagementSnapshot) -> EngagementSnapshot:
    """The newer figures, filled up with older ones where the newer observation lacks them."""
    counts = {name: getattr(older if getattr(newer, name) is None else newer, name) for name in COUNTS}
    other = {**(older.other or {}), **(newer.other or {})}
    return EngagementSnapshot(newer.post_id, newer.observed_at, **counts, other=other or None)


def read_history(conn: Connection, post_ids: Iterable[str] | None = None) -> list[EngagementSnapshot]:
    """All observations by post and time."""
    rows = list(select_in(conn, select(snapshots), snapshots.c.post_id, post_ids))
    rows.sort(key=lambda row: (row.post_id, row.observed_at))
    return [EngagementSnapshot(**row._mapping) for row in rows]
