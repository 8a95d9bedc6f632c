"""The options that name a store and its outputs, and what they open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.config import Settings
    from postlens.store import Store

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store: a file or a URL. Default: postlens.db in --out.")
]
OutOption = Annotated[
    Path,
    typer.Option("--out", help="Output folder; its files, and those in other folders of the store, are made anew."),
]
ReadOutOption = Annotated[
    Path, typer.Option("--out", help="Folder that holds postlens.db, unless --store says another place; only read.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: postlens.toml here, if any.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting of the outputs: --set metric=views. Repeatable.")
]
CreatorOption = Annotated[str | None, typer.Option("--creator", help="All posts are by this creator.")]
MapOption = Annotated[
    list[str] | None, typer.Option("--map", help="Column of a table by another name: likes=Gefällt. Repeatable.")
]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Read as this kind of source, e.g. labelled_folders.")
]
DownloadOption = Annotated[
    bool | None, typer.Option("--allow-download/--no-download", help="Fetch the URLs in tables.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OUT = Path("postlens-out")


@dataclass(frozen=True, slots=True)
class Place:
    """A store and what its outputs are written with."""

    store: Store
    settings: Settings
    now: datetime


@contextmanager
def opened(
    store: str | None,
    out: Path,
    config: Path | None,
    settings: list[str] | None,
    *,
    read_only: bool = False,
    create: bool = False,
) -> Iterator[Place]:
    """The store and the settings. Raises `UsageError` where there is no store, unless it may be created."""
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.pipelines.folder import STORE_FILE
    from postlens.store import Store

    loaded = Settings.load(config=config, flags=pairs(settings, "--set"))
    location = store or str(out / STORE_FILE)
    if create and store is None:
        out.mkdir(parents=True, exist_ok=True)
    with Store.open(location if create else existing(location), read_only=read_only) as found:
        yield Place(found, loaded, datetime.now(UTC))


def refresh(place: Place, out: Path) -> int:
    """Write the outputs anew in all folders of the store; the exit code."""
    from postlens.pipelines.refresh import refresh_outputs

    done = refresh_outputs(place.store, out, settings=place.settings, now=place.now)
    say = Console(soft_wrap=True, highlight=False, markup=False).print
    for note in done.notes:
        say(f"left alone: {note}")
    for error in done.errors:
        say(f"not written anew: {error}")
    return EXIT_NOTHING if done.errors else EXIT_DONE


def existing(location: str) -> str:
    """The location, unless it is a path without a store: deleting must not create one."""
    if "://" not in location and not Path(location).is_file():
        raise UsageError(f"expected a store at {location}, found none; name it with --store or --out")
    return location
