"""`postlens sample FOLDER --out FOLDER`: a random subset of an influencer dataset (a minute for ten million posts)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from postlens.pipelines.subset_files import Placement
    from postlens.pipelines.subset_report import SubsetReport


def sample(
    folder: Annotated[
        Path, typer.Argument(help="Folder with influencers.txt, JSON-Image_files_mapping.txt, image/ and info/.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for smallInfluencers.txt, smallMappings.txt and the report.")],
    influencers: Annotated[int, typer.Option(min=1, help="Influencers of each category, at most.")] = 50,
    posts: Annotated[int, typer.Option(min=1, help="Posts of each influencer, at most.")] = 300,
    seed: Annotated[int, typer.Option(help="Another seed draws another subset; 0 if none is given.")] = 0,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the drawn posts' images and metadata to --out.")] = False,
    link: Annotated[bool, typer.Option("--link", help="Hard-link them: no space, same file system.")] = False,
) -> int:
    """Draw a reproducible random subset of a dataset in the influencer layout, and say what was short.

    The same seed gives the same subset. Without --copy or --link the images stay where they are and --out gets links
    to their folders; either way the subset is read like the whole dataset, by analyze, preprocess and train. Exit code
    1 if there was no post to draw.
    """
    from postlens.cli.console import progress_bar
    from postlens.pipelines.subset import REPORT, draw_subset

    if copy and link:
        raise UsageError("expected --copy or --link, got both; leave one out")
    files: Placement = "copy" if copy else "link" if link else "where"
    with progress_bar("sample") as update:
        report = draw_subset(folder, out, influencers=influencers, posts=posts, seed=seed, files=files, progress=update)
    _print(report, out / REPORT)
    return EXIT_DONE if report.n_posts else EXIT_NOTHING


def _print(report: SubsetReport, path: Path) -> None:
    from postlens.cli.console import plain

    say = Console(soft_wrap=True, highlight=False).print
    say(_table(report))
    for line in _shortages(report):
        say(f"short: {plain(line)}")
    say(f"{report.n_posts} posts with {report.n_images} images; report: {plain(path)}")


def _table(report: SubsetReport) -> Table:
    from postlens.cli.console import wide_table

    names = ("category", "influencers", "found", "posts", "missing images")
    table = wide_table(*names, keep=names, title=f"seed {report.asked.seed}")
    for count in report.categories:
        numbers = (count.n_drawn, count.n_found, count.n_posts, count.n_missing_images)
        table.add_row(count.category, *map(str, numbers))
    return table


def _shortages(report: SubsetReport) -> list[str]:
    """What is less than was asked for, one sentence each."""
    asked = report.asked
    n_fewer = sum(account.n_posts < asked.posts for account in report.short_accounts)
    n_blank = sum(account.n_images == 0 for account in report.short_accounts)
    unknown = ", ".join(f"{written!r} ({n})" for written, n in sorted(report.unknown_categories.items()))
    first = f"; the first: {report.failures[0].message}" if report.failures else ""
    lines = {
        f"fewer than {asked.influencers} influencers: {', '.join(report.short_categories)}": report.short_categories,
        f"no image at all: {', '.join(report.blank_categories)}": report.blank_categories,
        f"{n_fewer} influencers have fewer than {asked.posts} posts": n_fewer,
        f"{n_blank} influencers have no image here": n_blank,
        f"unknown categories, left out: {unknown}": unknown,
        f"{report.n_missing_images} images are missing": report.n_missing_images,
        f"{report.n_missing_metadata} metadata files are missing": report.n_missing_metadata,
        f"{report.n_failures} rows or posts with failures{first}": report.n_failures,
    }
    return [line for line, is_short in lines.items() if is_short]
