"""`postlens forget PERSON|CREATOR --store FILE`: delete a person's or a creator's data for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.place import OUT, ConfigOption, OutOption, SetOption, StoreOption, opened
from postlens.errors import UnknownNameError

if TYPE_CHECKING:
    from postlens.pipelines.forget import Forgotten, Subject
    from postlens.store import Store


def forget(
    name: Annotated[str, typer.Argument(help="A person's id or name, or a creator's id (platform:handle) or handle.")],
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete faces, templates, thumbnails and appearances, and leave a tombstone so that no re-run brings them back.

    Of a creator also posts, downloaded media and lines of the log. Give the settings of the analysis again. Exit code 1
    if something could not be deleted or written anew.
    """
    from postlens.pipelines.forget import forget_subject

    with opened(store, out, config, settings) as place:
        subject = _find(name, place.store)
        if not yes:
            typer.confirm(f"Delete all data of {subject.kind} {subject.title}? This cannot be undone", abort=True)
        forgotten = forget_subject(subject, store=place.store, out=out, settings=place.settings)
    _print(f"Forgotten: {subject.kind} {subject.title}", forgotten)
    if forgotten.late is not None:
        raise forgotten.late
    return EXIT_NOTHING if forgotten.errors or any(forgotten.after.values()) else EXIT_DONE


def _find(name: str, store: Store) -> Subject:
    """The subject; a name that is gone already may be one whose bytes could not be removed, so that is done now."""
    from postlens.pipelines.forget import find_subject

    try:
        return find_subject(name, store=store)
    except UnknownNameError:
        if store.finish_scrub():
            Console().print("The bytes of what was forgotten before are removed now.")
        raise


def _print(title: str, forgotten: Forgotten) -> None:
    table = Table("deleted from", "rows")
    for what, count in forgotten.counts.items():
        table.add_row(what, str(count))
    say = Console(soft_wrap=True, highlight=False, markup=False).print
    say(title)
    say(table)
    if forgotten.before:
        say(_proof(forgotten))
    for note in forgotten.notes:
        say(f"left alone: {note}")
    for error in forgotten.errors:
        say(f"not written anew: {error}")


def _proof(forgotten: Forgotten) -> Table:
    """Rows and hits by table and file, counted before and after; those that never held anything are left out."""
    table = Table("what tells of the person", "before", "after")
    for what, before in forgotten.before.items():
        after = forgotten.after.get(what, 0)
        if before or after:
            table.add_row(what, str(before), str(after))
    return table
