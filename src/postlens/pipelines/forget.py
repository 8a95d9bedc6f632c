"""A person's or creator's name to its deletion from a store and from the outputs made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from postlens.config import Settings
from postlens.errors import StoreError, UnknownNameError, UsageError
from postlens.pipelines.answers import load_tables
from postlens.pipelines.exports import remove_leftovers
from postlens.pipelines.folder import (
    LOG,
    STATE,
    remove_clean_tables,
    remove_downloads,
    remove_features,
    remove_forecasts,
    remove_log_lines,
    remove_reactions,
    remove_recommendations,
)
from postlens.pipelines.forgotten_copies import forget_in_copies
from postlens.pipelines.outputs import OUTPUTS
from postlens.pipelines.refresh import find_folders, refresh_outputs
from postlens.pipelines.traces import find_traces
from postlens.store import Store
from postlens.store.forget import Counts, Traces, forget_creator, forget_person, read_traces
from postlens.store.people import read_persons
from postlens.store.person_traces import PersonTraces, read_person_traces
from postlens.store.posts import read_creators
from postlens.store.tombstones import forgotten_ids

LEFTOVERS = (*OUTPUTS, STATE, LOG)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of a subject's data."""

    counts: Counts  # rows removed by table; of a creator also "downloads" and "log lines"
    notes: tuple[str, ...] = ()  # folders that may still hold the subject and that are not there, or not to be touched
    errors: tuple[str, ...] = ()  # folders that still hold the subject since they could not be written
    late: StoreError | None = None  # the rows are deleted, but their bytes are not yet
    before: Counts = field(default_factory=dict)  # of a person: rows by table and hits by file that tell of it
    after: Counts = field(default_factory=dict)  # the same, counted again: all 0


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
) -> Forgotten:
    """Delete a person or creator from the store for good, and clean all folders that the store's outputs are in.

    Those are `out` and all that the store remembers: outputs are written anew with these settings; of a creator also
    downloads and lines of the log go. A tombstone without biometric data keeps a re-run from bringing them back. The
    source files are not touched. Of a person, what tells of it is counted before and after. Raises `SettingsError`,
    before anything is deleted, when the settings would keep the outputs from being written anew, and `StoreError` when
    nothing could be deleted.
    """
    load_tables(settings)
    at = now or datetime.now(UTC)
    folders, person = find_folders(store, out), _person_traces(subject, store)
    before = {} if person is None else find_traces(store, folders.own, person)
    counts, traces, late = _delete(subject, store=store, now=at)

    def clean(folder: Path) -> None:
        _clean(folder, traces, counts)

    refreshed = refresh_outputs(store, out, settings=settings, now=at, folders=folders, clean=clean, force=True)
    after = {} if person is None else dict.fromkeys(before, 0) | find_traces(store, folders.own, person)
    return Forgotten(counts, refreshed.notes, refreshed.errors, late, before, after)


def _person_traces(subject: Subject, store: Store) -> PersonTraces | None:
    if subject.kind != "person":
        return None
    with store.read() as conn:
        return read_person_traces(conn, subject.key)


def _delete(subject: Subject, *, store: Store, now: datetime) -> tuple[Counts, Traces | None, StoreError | None]:
    """Rows removed, what else names a creator, and why the bytes could not be removed, if so."""
    counts: Counts = {}
    traces: Traces | None = None
    try:
        with store.write() as conn:
            if subject.kind == "creator":
                traces = read_traces(conn, subject.key)
                counts = forget_creator(conn, subject.key, now=now)
            else:
                counts = forget_person(conn, subject.key, now=now)
                for name, n_rows in forget_in_copies(conn).items():
                    counts[name] = counts.get(name, 0) + n_rows
    except StoreError as error:
        with store.read() as conn:
            if not forgotten_ids(conn, subject.kind, [subject.key]):
                raise
        return counts, traces, error
    return counts, traces, None


def _clean(folder: Path, traces: Traces | None, counts: Counts) -> None:
    """Delete what killed processes left, tables of single verbs, and of a creator downloads and log lines."""
    remove_leftovers(folder, LEFTOVERS)
    if n_files := remove_recommendations(folder):
        counts["recommendations"] = counts.get("recommendations", 0) + n_files
    if n_files := remove_reactions(folder):
        counts["reactions"] = counts.get("reactions", 0) + n_files
    if n_files := remove_forecasts(folder):
        counts["forecasts"] = counts.get("forecasts", 0) + n_files
    if n_files := remove_features(folder):
        counts["features"] = counts.get("features", 0) + n_files
    if traces is not None:
        counts["downloads"] = counts.get("downloads", 0) + remove_downloads(folder, traces.urls)
        counts["log lines"] = counts.get("log lines", 0) + remove_log_lines(folder, traces)
        counts["clean tables"] = counts.get("clean tables", 0) + remove_clean_tables(folder)
