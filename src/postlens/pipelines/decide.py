"""A user's word on persons to a numbered decision that can be taken back.

A decision is kept as the rows it changed: what they were before and what they are after. Taking it back writes the rows
of before and draws the conclusions again. So that this is always possible, a decision is only taken back after all
later ones about the same persons or tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from postlens.config import Settings
from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.conclude import conclude_people
from postlens.store import Store
from postlens.store.decisions import Decision, add_decision, mark_undone, persons_of, read_decisions, tracks_of
from postlens.store.gallery import GalleryTrack, delete_gallery, read_gallery, unsettle, write_gallery
from postlens.store.media import drop_unused_media
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    delete_constraints,
    delete_person_tracks,
    delete_persons,
    read_constraints,
    read_owners,
    read_persons,
    write_constraints,
    write_person_tracks,
    write_persons,
)
from postlens.store.schema import tracks
from postlens.store.statements import select_in

# Table to its rows by key: persons (id to name, hidden), gallery (track to person, kind), links ("kind a b" to 1) and
# tracks (track to person). JSON-ready; `None` stands for a row that is not there.
State = dict[str, dict[str, Any]]
PARTS = ("persons", "gallery", "links", "tracks")


@dataclass(slots=True)
class Edit:
    """A decision in the making, or made."""

    conn: Connection
    now: datetime
    before: State
    settings: Settings
    number: int = 0
    change: dict[str, State] = field(default_factory=dict)  # "before" and "after": the rows that differ

    def conclude(self) -> None:
        """Assign tracks to persons by the words as they are now; may be called more than once."""
        unsettle(self.conn, tracks_of(_difference(self.before, read_state(self.conn))))
        conclude_people(self.conn, settings=self.settings, now=self.now)

    @property
    def people(self) -> dict[str, str]:
        """Track to person as they are now."""
        return read_owners(self.conn)


@contextmanager
def deciding(store: Store, verb: str, said: Mapping[str, Any], *, settings: Settings, now: datetime) -> Iterator[Edit]:
    """One transaction for a user's word: the body changes rows and concludes, then the decision is written.

    `said` is what the user asked for, JSON-ready. Raises `UsageError` when the words contradict each other; nothing is
    changed then.
    """
    with store.write() as conn:
        edit = Edit(conn, now, read_state(conn), settings)
        yield edit
        edit.change = _difference(edit.before, read_state(conn))
        edit.number = add_decision(conn, verb, {"said": dict(said), **edit.change}, now=now)


def undo(store: Store, number: int | None = None, *, settings: Settings, now: datetime) -> Decision:
    """Take a decision back, the last one by default; returns it.

    Raises:
        UnknownNameError: there is no such decision, or none to take back.
        UsageError: it was taken back already, or later decisions are about the same persons or tracks.
    """
    with store.write() as conn:
        decision = _to_undo(read_decisions(conn), number)
        write_state(conn, decision.payload["before"], now=now)
        mark_undone(conn, decision.number, now=now)
        if drop_unused_media(conn):
            unsettle(conn)
        unsettle(conn, tracks_of(decision.payload))
        conclude_people(conn, settings=settings, now=now)
    return decision


def _to_undo(every: list[Decision], number: int | None) -> Decision:
    active = [one for one in every if one.undone_at is None]
    if number is None:
        if not active:
            raise UnknownNameError("expected a decision to take back, got none; `postlens people log` lists them")
        return active[-1]
    chosen = next((one for one in every if one.number == number), None)
    if chosen is None:
        raise UnknownNameError(f"expected the number of a decision, got {number}; `postlens people log` lists them")
    if chosen.undone_at is not None:
        raise UsageError(f"decision {number} was taken back already")
    own = _touched(chosen)
    later = [one.number for one in active if one.number > number and own & _touched(one)]
    if later:
        raise UsageError(
            f"decision {number} is what later ones about the same persons or tracks build on; take those back first:"
            f" {', '.join(map(str, reversed(later)))}"
        )
    return chosen


def _touched(decision: Decision) -> set[str]:
    """Ids of the persons and tracks that a decision is about."""
    return persons_of(decision.payload) | tracks_of(decision.payload)


# --- states ----------------------------------------------------------------------------------------------------------


def read_state(conn: Connection) -> State:
    """All rows that a user's word can change."""
    return {
        "persons": {one.person_id: [one.name, one.hidden] for one in read_persons(conn)},
        "gallery": {one.track_id: [one.person_id, one.kind] for one in read_gallery(conn)},
        "links": {f"{one.kind} {one.track_a} {one.track_b}": 1 for one in read_constraints(conn)},
        "tracks": read_owners(conn),
    }


def _difference(before: State, after: State) -> dict[str, State]:
    """The rows that differ, as they were and as they are."""
    keys = {
        part: sorted(
            key for key in before[part].keys() | after[part].keys() if before[part].get(key) != after[part].get(key)
        )
        for part in PARTS
    }
    sides = {"before": before, "after": after}
    return {
        side: {part: {key: rows[part].get(key) for key in keys[part]} for part in PARTS} for side, rows in sides.items()
    }


def write_state(conn: Connection, rows: State, *, now: datetime) -> None:
    """Make these rows as given; those about tracks that are not there any more are left out."""
    there = _existing(conn, tracks_of({"before": rows, "after": rows}))
    kept = {key: value for key, value in rows["persons"].items() if value is not None}
    write_persons(conn, [Person(key, now, *value) for key, value in kept.items()])
    _write_links(conn, [key for key in rows["links"] if there.issuperset(key.split(" ")[1:])], rows["links"], now=now)
    delete_gallery(conn, [key for key, value in rows["gallery"].items() if value is None])
    known = {person.person_id for person in read_persons(conn)}
    words = {key: value for key, value in rows["gallery"].items() if value and key in there and value[0] in known}
    write_gallery(conn, [GalleryTrack(key, value[0], value[1], now) for key, value in words.items()])
    delete_person_tracks(conn, [key for key, value in rows["tracks"].items() if value is None])
    shown = {key: value for key, value in rows["tracks"].items() if value is not None and key in there}
    write_person_tracks(conn, [PersonTrack(key, value, None) for key, value in shown.items() if value in known])
    delete_persons(conn, rows["persons"].keys() - kept.keys())


def _existing(conn: Connection, track_ids: Iterable[str]) -> set[str]:
    return {row.track_id for row in select_in(conn, select(tracks.c.track_id), tracks.c.track_id, track_ids)}


def _write_links(conn: Connection, keys: Iterable[str], rows: Mapping[str, Any], *, now: datetime) -> None:
    new: list[Constraint] = []
    gone: list[Constraint] = []
    for key in keys:
        kind, first, second = key.split(" ")
        link = Constraint("must_link" if kind == "must_link" else "cannot_link", first, second, now)
        (gone if rows[key] is None else new).append(link)
    delete_constraints(conn, gone)
    write_constraints(conn, new)
