"""`postlens predict SOURCE --out FOLDER`: what creators and posts are about (25 to 60 photos/s on two cores)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar, wide_table
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.config import Settings
    from postlens.tasks.niche.influencer import Categories
    from postlens.types import Failure

FEATURES = (".npz", ".parquet")  # what `postlens extract` writes
N_SHOWN = 20  # creators listed on the terminal; all are in the files


def predict(
    source: Annotated[
        list[str],
        typer.Argument(help="A file of `postlens extract` (.npz, .parquet), a store, or what `analyze` reads."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for predictions.json and confidence_scores.csv.")],
    model: Annotated[
        Path | None,
        typer.Option(
            help="Run of `postlens train creator` or `train niche`. Default: setting niche_model, else what ships."
        ),
    ] = None,
    creator: Annotated[
        str | None, typer.Option(help="Of a store: this creator only. Of media: all posts are by this creator.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: postlens.toml here, if any.")] = None,
) -> int:
    """Predict the category of every creator and post, and nothing else.

    Media are looked at once, for niche alone; what was found is kept in postlens.db in the folder, from where `analyze`
    goes on. Exit code 0 if any creator was answered, 1 if none.
    """
    from postlens.config import Settings
    from postlens.pipelines.predict import write_categories

    settings = Settings.load(config=config, flags={"niche_model": model})
    found, failures = _predict(source, out, settings=settings, creator=creator)
    paths = write_categories(found, out)
    _print(found, failures, paths)
    return EXIT_DONE if found.creators else EXIT_NOTHING


def _predict(
    sources: list[str], out: Path, *, settings: Settings, creator: str | None
) -> tuple[Categories, tuple[Failure, ...]]:
    from postlens.pipelines.predict import is_store, predict_media, predict_store

    special = [source for source in sources if Path(source).suffix.lower() in FEATURES or is_store(source)]
    if special and len(sources) > 1:
        raise UsageError(f"expected one file of features or one store, or media only, got {len(sources)} sources")
    if special and is_store(sources[0]):
        return predict_store(sources[0], settings=settings, creator=creator), ()
    if special and is_features(Path(sources[0])):
        from postlens.train.predict_creators import predict_features

        if creator is not None:
            raise UsageError("--creator is for stores and media; a file of features names the creators itself")
        return predict_features(Path(sources[0]), run=settings.niche_model, threshold=settings.niche_threshold), ()
    with progress_bar("predict") as update:
        return predict_media(sources, out, settings=settings, creator=creator, progress=update)


def is_features(path: Path) -> bool:
    """Whether a table holds vectors; a Parquet file may also be a table of posts."""
    if path.suffix.lower() == ".npz":
        return True
    import polars as pl

    return path.suffix.lower() == ".parquet" and path.is_file() and "vectors" in pl.read_parquet_schema(path)


def _print(found: Categories, failures: tuple[Failure, ...], paths: tuple[Path, Path]) -> None:
    say = Console(soft_wrap=True, highlight=False)
    table = wide_table("creator", "category", "confidence", "posts", keep=("category", "confidence", "posts"))
    for one in found.creators[:N_SHOWN]:
        table.add_row(plain(one.subject_id), one.label, f"{one.confidence:.2f}", str(one.n_posts))
    if found.creators:
        say.print(table)
    if len(found.creators) > N_SHOWN:
        say.print(f"and {len(found.creators) - N_SHOWN} more creators in the files")
    for name in found.without[:N_REASONS]:
        say.print(f"  no vectors: {plain(name)}; analyze its media with the same model")
    for failure in failures[:N_REASONS]:
        say.print(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(failures) > N_REASONS:
        say.print(f"  and {len(failures) - N_REASONS} more failures")
    say.print(f"{len(found.creators)} creators, {len(found.posts)} posts: {plain(paths[0])}, {plain(paths[1])}")
