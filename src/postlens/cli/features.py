"""`postlens features SOURCE --out DIR`: photos to pixels as text and posts to a table (5 s, then 10 photos/s)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar
from postlens.cli.place import ConfigOption, SetOption


def features(
    sources: Annotated[list[str], typer.Argument(help="What `analyze` reads, or a store: then nothing is looked at.")],
    out: Annotated[Path, typer.Option(help="Folder for both files and, unless --store, for the store.")],
    account: Annotated[
        str | None, typer.Option(help="Of media: all posts are by this creator. Of a store: this creator only.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="Store to keep what was found in.")] = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="Add each post's embedding to the table.")] = False,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Write X_feature_vector_data.txt (64x64x3 pixels of each photo in a line) and features.parquet (all features).

    The table says on which lines of the text a post's photos stand. Exit code 0 if any post was written, 1 if none.
    """
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.pipelines.features import FeaturesRequest, write_features

    request = FeaturesRequest(tuple(sources), out, account, store, vectors)
    loaded = Settings.load(config=config, flags=pairs(settings, "--set"))
    with progress_bar("features") as update:
        found = write_features(request, settings=loaded, progress=update)
    say = Console(soft_wrap=True, highlight=False).print
    say(f"{found.n_lines} photos in {plain(found.pixels)}")
    say(f"{found.n_posts} posts in {plain(found.table)}, {len(found.failures)} failures")
    for failure in found.failures[:N_REASONS]:
        say(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(found.failures) > N_REASONS:
        say(f"  and {len(found.failures) - N_REASONS} more")
    return EXIT_DONE if found.n_posts else EXIT_NOTHING
