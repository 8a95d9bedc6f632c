"""A person's or creator's name to its deletion from a store and from the outputs made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from postlens.config import Settings
from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.answers import load_tables
from postlens.pipelines.outputs import OUTPUTS, update_outputs
from postlens.store import Store
from postlens.store.forget import forget_creator, forget_person
from postlens.store.people import read_persons
from postlens.store.posts import read_creators


@dataclass(frozen=True, slots=True)
class Subject:
    """A person or creator that a user named."""

    kind: Literal["person", "creator"]
    key: str  # person_id or creator_id
    title: str


def find_subject(name: str, *, store: Store) -> Subject:
    """The one person or creator with this id, name or handle.

    Raises:
        UnknownNameError: there is none.
        UsageError: there are several; use the id.
    """
    with store.read() as conn:
        found = [
            Subject("person", person.person_id, person.name or person.person_id)
            for person in read_persons(conn)
            if name in (person.person_id, person.name)
        ]
        found += [
            Subject("creator", creator.creator_id, creator.creator_id)
            for creator in read_creators(conn)
            if name.removeprefix("@") in (creator.creator_id, creator.handle, creator.display_name)
        ]
    if not found:
        raise UnknownNameError(f"expected a person or creator of this store, got {name!r}; the report lists them")
    if len(found) > 1:
        ids = ", ".join(f"{one.kind} {one.key}" for one in found)
        raise UsageError(f"{name!r} may be any of: {ids}; use the id")
    return found[0]


def forget_subject(
    subject: Subject, *, store: Store, out: Path, settings: Settings, now: datetime | None = None
) -> dict[str, int]:
    """Delete a person or creator from the store for good, and write the outputs in the folder anew.

    Returns the rows removed by table. A tombstone without biometric data keeps a re-run from bringing them back.
    Outputs in other folders, and the source files, are not touched. Raises `SettingsError`, before anything is deleted,
    when the settings would keep the outputs from being written anew.
    """
    load_tables(settings)
    at = now or datetime.now(UTC)
    forget = forget_person if subject.kind == "person" else forget_creator
    with store.write() as conn:
        counts = forget(conn, subject.key, now=at)
    if any((out / name).is_file() for name in OUTPUTS):
        update_outputs(store, out, settings=settings, now=at, force=True)
    return counts
