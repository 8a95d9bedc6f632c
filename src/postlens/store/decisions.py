"""What a user did to persons, numbered in order, each with what is needed to take it back.

The payload has what was said, and the rows that changed as they were before and are after, by part: `persons` by id,
`gallery` and `tracks` by track, `links` by "kind track track".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from postlens.store.schema import decisions
from postlens.store.statements import delete_in

SIDES = ("before", "after")


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


def tracks_of(payload: Mapping[str, Any]) -> set[str]:
    """Ids of the tracks that a decision is about."""
    found: set[str] = set()
    for rows in _sides(payload):
        found |= rows["gallery"].keys() | rows["tracks"].keys()
        found |= {name for key in rows["links"] for name in key.split(" ")[1:]}
    return found


def given_photos(every: Iterable[Decision], *, to: Collection[str] | None = None) -> set[str]:
    """sha256 of the photos that standing decisions give for persons, for any or for these: undoing may need them."""
    standing = (one for one in every if one.undone_at is None)
    rows = (item for one in standing for side in _sides(one.payload) for item in side["gallery"].items())
    given = {name: row for name, row in rows if row and row[1] == "enrolled"}
    return {name.rpartition(":")[0] for name, (person_id, _) in given.items() if to is None or person_id in to}


def persons_of(payload: Mapping[str, Any]) -> set[str]:
    """Ids of the persons that a decision is about."""
    found: set[str] = set()
    for rows in _sides(payload):
        found |= rows["persons"].keys() | {value for value in rows["tracks"].values() if value}
        found |= {value[0] for value in rows["gallery"].values() if value}
    return found


def owners_of(payload: Mapping[str, Any], track_ids: Collection[str]) -> set[str]:
    """Ids of the persons that a decision took these tracks from or gave them to."""
    found = {rows["tracks"][name] for rows in _sides(payload) for name in rows["tracks"].keys() & track_ids}
    known = [rows["gallery"][name] for rows in _sides(payload) for name in rows["gallery"].keys() & track_ids]
    return {name for name in (*found, *(row[0] for row in known if row)) if name}


def _sides(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [payload[side] for side in SIDES]


def renamed(payload: Mapping[str, Any], moved: Mapping[str, str | None]) -> dict[str, Any]:
    """The payload with tracks under their new ids, without the rows of tracks whose new id is `None`."""
    return {**payload, **{side: _renamed_rows(payload[side], moved) for side in SIDES}}


def _renamed_rows(rows: Mapping[str, Any], moved: Mapping[str, str | None]) -> dict[str, Any]:
    found = dict(rows)
    for part in ("gallery", "tracks"):
        names = {key: moved.get(key, key) for key in rows[part]}
        found[part] = {name: rows[part][key] for key, name in names.items() if name is not None}
    found["links"] = {}
    for key, value in rows["links"].items():
        kind, *ends = key.split(" ")
        names_of_ends = [moved.get(end, end) for end in ends]
        if None not in names_of_ends:
            found["links"][" ".join([kind, *sorted(map(str, names_of_ends))])] = value
    return found


def texts_in(value: Any) -> set[str]:
    """All texts in a JSON-ready value, keys included; ids in keys of links by themselves."""
    if isinstance(value, str):
        return {value, *value.split(" ")} if value.startswith(("must_link ", "cannot_link ")) else {value}
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    return set().union(*map(texts_in, value)) if isinstance(value, list | tuple) else set()
