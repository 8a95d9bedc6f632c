"""Which of the posts that are forecast takes an early count that is given: one that has no count, and no other."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from postlens.errors import UsageError
from postlens.store.snapshots import read_snapshots
from postlens.tasks.engagement.early import EarlyCount


def count_new(conn: Connection, post_ids: Sequence[str]) -> int:
    """How many of the posts have no count yet."""
    known = read_snapshots(conn, set(post_ids))
    return sum(post_id not in known or not known[post_id].values for post_id in set(post_ids))


def check_early(early: EarlyCount | None, n_new: int) -> tuple[str, ...]:
    """What to tell where no post takes the count. Raises `UsageError` where several would: it is of one post."""
    if early is None or n_new == 1:
        return ()
    said = f"the early count of {early.count:g} at {early.age_h:g} h"
    if n_new:
        raise UsageError(f"expected one new post for {said}, got {n_new}; forecast that photo on its own")
    return (f"{said} is not used: all posts have counts of their own; name the new photo with --account",)
