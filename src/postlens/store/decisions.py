"""What a user did to persons, numbered in order, each with what is needed to take it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from postlens.store.schema import decisions
from postlens.store.statements import delete_in


@dataclass(frozen=True, slots=True)
class Decision:
    """One action of a user."""

    number: int  # running, from 1
    verb: str
    payload: Mapping[str, Any]  # JSON: what was asked, what changed
    created_at: datetime
    undone_at: datetime | None = None


def add_decision(conn: Connection, verb: str, payload: Mapping[str, Any], *, now: datetime) -> int:
    """Note an action; returns its number."""
    number = (conn.execute(select(func.max(decisions.c.number))).scalar_one() or 0) + 1
    row = {"number": number, "verb": verb, "payload": dict(payload), "created_at": now, "undone_at": None}
    conn.execute(insert(decisions).values(row))
    return number


def read_decisions(conn: Connection) -> list[Decision]:
    """All actions in order, those that were undone included."""
    rows = conn.execute(select(decisions).order_by(decisions.c.number))
    return [Decision(**row._mapping) for row in rows]


def write_payload(conn: Connection, number: int, payload: Mapping[str, Any]) -> None:
    """Replace what is noted of an action, as when its tracks got other ids."""
    conn.execute(update(decisions).where(decisions.c.number == number).values(payload=dict(payload)))


def mark_undone(conn: Connection, number: int, *, now: datetime) -> None:
    """Note that an action was taken back."""
    conn.execute(update(decisions).where(decisions.c.number == number).values(undone_at=now))


def delete_decisions(conn: Connection, numbers: Iterable[int]) -> int:
    """Drop actions for good; returns how many there were."""
    return delete_in(conn, decisions, "number", numbers)
