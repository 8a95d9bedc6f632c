"""A person's id to the deletion of the person, and what became of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from postlens.pipelines.forget import Forgotten, Subject, find_subject, forget_subject
from postlens.serve.context import Context
from postlens.serve.errors import Problem

NO_FOLDER = "postlens-out"  # of a store that is no file: where outputs stand unless another folder was said


def forgettable(context: Context, person_id: str) -> Subject:
    """The person to be forgotten. Raises `UnknownNameError`, and `Problem` for a creator."""
    subject = find_subject(person_id, store=context.store)
    if subject.kind != "person" or subject.key != person_id:
        raise Problem("not-found", f"there is no person {person_id!r}; the gallery shows all")
    return subject


def forget(context: Context, person_id: str, *, now: datetime) -> Forgotten:
    """Delete a person from the store and from all outputs of it."""
    subject = forgettable(context, person_id)
    return forget_subject(subject, store=context.store, out=folder_of(context), settings=context.settings, now=now)


def folder_of(context: Context) -> Path:
    """Where outputs of the store stand beside those that it remembers: the folder of its file."""
    name = context.store.name
    return Path(NO_FOLDER) if "://" in name else Path(name).parent
