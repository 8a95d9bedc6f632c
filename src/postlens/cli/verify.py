"""`postlens verify A B`: whether two photos show one person (about 1 s)."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.people_tables import print_json
from postlens.cli.place import ConfigOption, JsonOption, SetOption


def verify(
    first: Annotated[str, typer.Argument(metavar="A", help="A photo; its largest face counts.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another photo.")],
    strict: Annotated[bool, typer.Option("--strict", help="Ask for more likeness: fewer false matches.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Compare the faces of two photos. Exit code 0: the same person, 1: two people."""
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.pipelines.identify import verify as verify_photos

    loaded = Settings.load(config=config, flags=pairs(settings, "--set"))
    found = verify_photos(first, second, strict=strict, settings=loaded)
    if as_json:
        print_json(found)
    else:
        Console(soft_wrap=True, highlight=False).print(
            f"{'the same person' if found.same else 'two people'}: similarity {found.similarity:.2f}, distance"
            f" {found.distance:.2f}, threshold {found.threshold:.2f} (false matches {found.false_match_rate:.1e})"
        )
    return EXIT_DONE if found.same else EXIT_NOTHING
