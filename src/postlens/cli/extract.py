"""`postlens extract SOURCE --out features.npz`: images to vectors for own models (some 115 images/s on each core)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar

SHIPPED = "shipped"


def extract(
    source: Annotated[
        str,
        typer.Argument(help="What `analyze` reads, a folder with influencers.txt or manifest.csv, or a cache."),
    ],
    out: Annotated[Path, typer.Option(help="File to write: features.npz or features.parquet.")],
    model: Annotated[
        str, typer.Option(help="Folder of a run of `postlens train niche`, or `shipped`: the encoder that ships.")
    ] = SHIPPED,
    projected: Annotated[
        bool, typer.Option("--projected", help="Through the run's learned projection (feature_dim wide).")
    ] = False,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Sub-folders of SOURCE are labels. Default: they are creators.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Threads. Default: usable cores.")] = None,
) -> int:
    """Write the vector of every image, with its post, creator and label where known.

    The columns are ids, posts, paths, creators, labels, likes, published_at_s, caption_length, vectors (float32) and
    fingerprint (of the encoder). Images that cannot be read are listed in a table beside the file. Needs no torch.
    Exit code 0 if anything was written, 1 if no image could be read.
    """
    from postlens.config import Settings
    from postlens.train.extract import extract as run_extract

    with progress_bar("extract") as update:
        found = run_extract(
            source,
            out,
            run=None if model == SHIPPED else Path(model),
            projected=projected,
            labelled=labelled,
            settings=Settings.load(flags={"workers": workers}),
            progress=update,
        )
    say = Console(soft_wrap=True, highlight=False).print
    say(
        f"{found.n} vectors of {found.dim} numbers (encoder {found.fingerprint}) in {plain(found.out)},"
        f" {len(found.failures)} failed, {found.seconds:.1f} s"
    )
    for failure in found.failures[:N_REASONS]:
        say(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if found.failures_file is not None:
        say(f"  all {len(found.failures)}: {plain(found.failures_file)}")
    return EXIT_DONE if found.n else EXIT_NOTHING
