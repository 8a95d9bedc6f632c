"""`postlens demo`: the main job on the bundled sample campaign (about 15 s on two cores)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NOTE = "Sample campaign: the photos are real, the accounts, captions and performance figures are invented."


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report, the tables and the store.")] = Path("postlens-demo"),
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on the terminal.")] = False,
) -> int:
    """Analyze the sample campaign that ships with postlens, and say where the report is."""
    from postlens.cli.console import run_and_report
    from postlens.config import Settings
    from postlens.pipelines.sample import POSTS_TABLE

    return run_and_report([str(POSTS_TABLE)], out=out, settings=Settings.load(), verbose=verbose, notes=(NOTE,))
