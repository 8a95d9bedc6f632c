"""`postlens forget PERSON|CREATOR --store FILE`: delete a person's or a creator's data for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from postlens.errors import UsageError


def forget(
    name: Annotated[str, typer.Argument(help="A person's id or name, or a creator's id (platform:handle) or handle.")],
    store: Annotated[str | None, typer.Option(help="Store: a file or a URL. Default: postlens.db in --out.")] = None,
    out: Annotated[Path, typer.Option(help="Output folder of the analysis; its files are made anew.")] = Path(
        "postlens-out"
    ),
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: postlens.toml here, if any.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete faces, templates, thumbnails and appearances, and leave a tombstone so that no re-run brings them back."""
    from postlens.config import Settings
    from postlens.pipelines.analyze import STORE_FILE
    from postlens.pipelines.forget import find_subject, forget_subject
    from postlens.store import Store

    settings = Settings.load(config=config)
    with Store.open(existing(store or str(out / STORE_FILE))) as opened:
        subject = find_subject(name, store=opened)
        if not yes:
            typer.confirm(f"Delete all data of {subject.kind} {subject.title}? This cannot be undone", abort=True)
        counts = forget_subject(subject, store=opened, out=out, settings=settings)
    table = Table("deleted from", "rows")
    for what, count in counts.items():
        table.add_row(what, str(count))
    Console().print(f"Forgotten: {subject.kind} {subject.title}", markup=False)
    Console().print(table)
    return 0


def existing(location: str) -> str:
    """The location, unless it is a path without a store: deleting must not create one."""
    if "://" not in location and not Path(location).is_file():
        raise UsageError(f"expected a store at {location}, found none; name it with --store or --out")
    return location
