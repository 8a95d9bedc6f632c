"""A person's id to the deletion of the person, and what became of it."""

from __future__ import annotations

from datetime import datetime

from postlens.pipelines.forget import Forgotten, Subject, find_subject, forget_subject
from postlens.serve.context import Context
from postlens.serve.errors import Problem


def forgettable(context: Context, person_id: str) -> Subject:
    """The person to be forgotten. Raises `UnknownNameError`, and `Problem` for a creator."""
    subject = find_subject(person_id, store=context.store)
    if subject.kind != "person" or subject.key != person_id:
        raise Problem("not-found", f"there is no person {person_id!r}; the gallery shows all")
    return subject


def forget(context: Context, person_id: str, *, now: datetime) -> Forgotten:
    """Delete a person from the store and from all outputs of it."""
    subject = forgettable(context, person_id)
    try:
        return forget_subject(subject, store=context.store, out=context.folder, settings=context.settings, now=now)
    finally:
        context.renew()
