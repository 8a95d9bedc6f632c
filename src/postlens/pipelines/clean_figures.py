"""Rows that repeat a known post to the figures in them that are new: the clean table does not have these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from postlens.pipelines.clean_links import Entry
from postlens.store.posts import read_origins
from postlens.store.snapshots import COUNTS, Observation, read_snapshots
from postlens.types import EngagementSnapshot

Figures = Mapping[str, float]  # by name


@dataclass(frozen=True, slots=True)
class Known:
    """Posts of a store with their latest figures."""

    figures: Mapping[str, Figures] = field(default_factory=dict)  # by post id; of a post without any it is empty

    @classmethod
    def read(cls, conn: Connection) -> Known:
        """As they are now."""
        latest = read_snapshots(conn)
        ids = read_origins(conn).keys() | latest.keys()
        return cls({post_id: _figures(latest[post_id]) if post_id in latest else {} for post_id in ids})


def _figures(snapshot: EngagementSnapshot) -> dict[str, float]:
    counts = {name: getattr(snapshot, name) for name in COUNTS}
    return {name: value for name, value in (counts | dict(snapshot.other or {})).items() if value is not None}


def new_figures(entries: Sequence[Entry], before: Known, history: Iterable[EngagementSnapshot]) -> dict[int, str]:
    """By `id` of the rows of posts known before or listed in an earlier row: what is new, as "views 1000 -> 1600".

    A figure that a run before has taken from the same row is still told, with the one before it, so that a second run
    tells the same. One that is older than what is known is not new.

    Args:
        entries: rows in order.
        before: what was known before this run.
        history: observations of these posts, those of this run included.
    """
    earlier: dict[str, list[Figures]] = {}
    for snapshot in history:
        earlier.setdefault(snapshot.post_id, []).append(_figures(snapshot))
    known = {post_id: dict(values) for post_id, values in before.figures.items()}
    told: dict[int, str] = {}
    for entry in entries:
        post = entry.found.post
        if post is None:
            continue
        seen = Observation.of(post)
        values = dict(seen.values) if seen is not None else {}
        if post.post_id in known:
            changes = _changes(values, known[post.post_id], earlier.get(post.post_id, []))
            if changes:
                told[id(entry)] = "; ".join(changes)
        known.setdefault(post.post_id, {}).update(values)
    return told


def _changes(values: Figures, known: Figures, earlier: Sequence[Figures]) -> list[str]:
    found = []
    for name, value in values.items():
        series = [one[name] for one in earlier if name in one]
        if not series or series[-1] != value:
            continue  # the store keeps a later figure
        if known.get(name) != value:
            found.append(f"{name} {_number(known.get(name))} -> {_number(value)}")
        elif different := [one for one in series if one != value]:
            found.append(f"{name} {_number(different[-1])} -> {_number(value)}")
    return found


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.15g}"
