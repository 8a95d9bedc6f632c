"""`postlens clean TABLE... --out DIR`: rows without copies, what they copy, and what failed (about 10 files/s)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.analyze import MetricColumns, pairs
from postlens.cli.console import N_REASONS, plain, progress_bar

if TYPE_CHECKING:
    from postlens.pipelines.clean import CleanSummary


def clean(
    tables: Annotated[
        list[str], typer.Argument(metavar="TABLE...", help="Tables of posts: CSV, Excel, Parquet, JSON lines.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the clean table and the store.")] = Path("postlens-out"),
    store: Annotated[str | None, typer.Option(help="Store: a file or a URL. Default: postlens.db in --out.")] = None,
    format: Annotated[
        str, typer.Option(help="xlsx: one workbook; csv: clean.csv, duplicates.csv, failures.csv.")
    ] = "xlsx",
    creator: Annotated[str | None, typer.Option(help="All posts are by this creator.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="Column of a table by another name: likes=Gefällt. Repeatable.")
    ] = None,
    metric_column: MetricColumns = None,
    allow_download: Annotated[
        bool | None, typer.Option("--allow-download/--no-download", help="Fetch the URLs in tables.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: postlens.toml here, if any.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: --set video_rate_hz=2. Repeatable.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on the terminal.")] = False,
) -> int:
    """Normalise URLs, find duplicate content, and write a clean table with duplicates and failures beside it.

    Every row is in the clean table, among the duplicates or among the failures. What earlier runs on the same store
    have seen counts as seen. Exit code 0 if any row names a post, 1 if none does, 2 for wrong usage, 130 when stopped
    by Ctrl-C.
    """
    from postlens.config import Settings
    from postlens.pipelines.clean import CleanRequest
    from postlens.pipelines.clean import clean as clean_tables

    flags: dict[str, Any] = pairs(settings, "--set") | {"allow_download": allow_download}
    if metric_column:
        flags["metric_columns"] = tuple(metric_column)
    request = CleanRequest(
        tables=tuple(tables),
        out=out,
        store=store,
        creator=creator,
        mapping=pairs(mapping, "--map"),
        format=format,
        verbose=verbose,
    )
    with progress_bar("clean") as update:
        try:
            summary = clean_tables(request, settings=Settings.load(config=config, flags=flags), progress=update)
        except KeyboardInterrupt:
            Console(stderr=True).print(
                "Stopped. What was done is stored; run the same command again to go on from there."
            )
            raise
    _print(summary)
    return EXIT_DONE if summary.succeeded else EXIT_NOTHING


def _print(summary: CleanSummary) -> None:
    say = Console(soft_wrap=True, highlight=False).print
    reasons = ", ".join(f"{n} by {reason}" for reason, n in sorted(summary.duplicates.items()))
    say(
        f"{summary.n_rows} rows: {summary.n_posts} posts, {summary.n_duplicates} duplicates"
        + (f" ({reasons})" if reasons else "")
        + f", {summary.n_failed} failed in {summary.seconds:.1f} s"
    )
    say(f"{summary.n_done} media files looked at, {summary.n_skipped} unchanged")
    for table, n_rows in sorted(summary.earlier.items()):
        say(f"  {n_rows} of the duplicates are in {plain(table)} already")
    if summary.n_updated:
        say(
            f"  {summary.n_updated} known posts have new figures; analyze the table itself, or the store, to use them"
            " (column new_figures of the duplicates)"
        )
    for failure in summary.failures[:N_REASONS]:
        say(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(summary.failures) > N_REASONS:
        say(f"  and {len(summary.failures) - N_REASONS} more among the failures in {plain(summary.files[-1].name)}")
    say("written: " + ", ".join(plain(path) for path in summary.files))
