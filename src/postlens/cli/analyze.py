"""`postlens analyze SOURCE... --out DIR`: posts in, five answers and a report out (about 25 images/s on two cores)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from postlens.cli.place import CreatorOption, DownloadOption, MapOption, SourceOption
from postlens.errors import UsageError

Sources = Annotated[list[str], typer.Argument(help="Images, videos, folders (a sub-folder is a creator) or tables.")]
Out = Annotated[Path, typer.Option(help="Folder for the report, the tables and the store.")]
MetricColumns = Annotated[
    list[str] | None,
    typer.Option("--metric-column", help="Column of a table with further figures, by its name. Repeatable."),
]


def analyze(
    sources: Sources,
    out: Out = Path("postlens-out"),
    store: Annotated[str | None, typer.Option(help="Store: a file or a URL. Default: postlens.db in --out.")] = None,
    creator: CreatorOption = None,
    mapping: MapOption = None,
    metric_column: MetricColumns = None,
    source: SourceOption = None,
    allow_download: DownloadOption = None,
    niche_model: Annotated[
        Path | None, typer.Option(help="Folder of a run of `postlens train niche` that answers niche.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: postlens.toml here, if any.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: --set metric=views. Repeatable.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on the terminal.")] = False,
) -> int:
    """Answer all five questions about the posts and write a report.

    Exit code 0 if anything succeeded, 1 if nothing did, 2 for wrong usage, 130 when stopped by Ctrl-C.
    """
    from postlens.cli.console import run_and_report
    from postlens.config import Settings

    flags: dict[str, Any] = pairs(settings, "--set") | {"allow_download": allow_download}
    if metric_column:
        flags["metric_columns"] = tuple(metric_column)
    if niche_model is not None:
        flags["niche_model"] = niche_model
    return run_and_report(
        sources,
        out=out,
        store=store,
        creator=creator,
        mapping=pairs(mapping, "--map"),
        kind=source,
        settings=Settings.load(config=config, flags=flags),
        verbose=verbose,
    )


def pairs(words: list[str] | None, option: str) -> dict[str, str]:
    """`["a=b"]` to `{"a": "b"}`; a word without `=` is wrong usage."""
    found = {}
    for word in words or []:
        name, sign, value = word.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise UsageError(f"{option} expects NAME=VALUE, got {word!r}")
        found[name.strip()] = value.strip()
    return found
