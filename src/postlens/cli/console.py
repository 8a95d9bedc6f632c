"""What the verbs share on the terminal: the progress bar, the log, the run with its summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.media.probe import display_name

if TYPE_CHECKING:
    from rich.table import Table

    from postlens.config import Settings
    from postlens.pipelines.analyze import Summary

N_REASONS = 5  # failures told in the summary; all are in failures.csv


def wide_table(*names: str, keep: Sequence[str] = (), title: str | None = None) -> Table:
    """A table that cuts no text: columns in `keep` stay on one line, the others wrap."""
    from rich.table import Column, Table

    return Table(*(Column(name, no_wrap=name in keep, overflow="fold") for name in names), title=title)


def plain(text: object) -> str:
    """The text as it stands, for rich: no markup, and names that are no UTF-8 with their bytes as `\\xNN`."""
    return escape(display_name(str(text)))


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar with count, rate and time left on standard error; nothing when that is no terminal.

    Yields a function of (done, total); a total of None is not known yet.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:.1f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def run_and_report(
    sources: Sequence[str],
    *,
    out: Path,
    settings: Settings,
    store: str | None = None,
    creator: str | None = None,
    mapping: Mapping[str, str] | None = None,
    kind: str | None = None,
    verbose: bool = False,
    notes: tuple[str, ...] = (),
) -> int:
    """Analyze with a progress bar, print the summary, return the exit code."""
    from postlens.pipelines.analyze import Request, analyze

    request = Request(
        sources=tuple(sources),
        out=out,
        store=store,
        creator=creator,
        mapping=mapping or {},
        kind=kind,
        verbose=verbose,
        notes=notes,
    )
    with progress_bar("analyze") as update:
        try:
            summary = analyze(request, settings=settings, progress=update)
        except KeyboardInterrupt:
            Console(stderr=True).print(
                "Stopped. What was done is stored; run the same command again to go on from there."
            )
            raise
    _print_summary(summary)
    return EXIT_DONE if summary.succeeded else EXIT_NOTHING


def _print_summary(summary: Summary) -> None:
    say = Console(soft_wrap=True, highlight=False).print
    say(
        f"{summary.n_done} done, {summary.n_skipped} unchanged, {summary.n_failed} failed"
        f" in {summary.seconds:.1f} s" + (f" ({summary.rate:.1f} files/s)" if summary.n_done else "")
    )
    for failure in summary.failures[:N_REASONS]:
        say(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(summary.failures) > N_REASONS:
        say(f"  and {len(summary.failures) - N_REASONS} more in failures.csv")
    say(f"report: {plain(summary.report)}")
