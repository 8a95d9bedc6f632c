"""`postlens recommend SOURCE... --out FOLDER`: the one product to show for creators and posts (10 photos/s a core)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar, wide_table
from postlens.cli.place import ConfigOption, SetOption, StoreOption
from postlens.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postlens.config import Settings
    from postlens.pipelines.recommend import Offered, Recommended
    from postlens.types import Failure

N_SHOWN = 20  # creators listed on the terminal; all are in the files


def recommend(
    sources: Annotated[list[str], typer.Argument(help="What `analyze` reads, or a store: then no media is looked at.")],
    out: Annotated[Path, typer.Option(help="Folder for recommendations.json, recommendations.csv and pictures.")],
    store: StoreOption = None,
    policy: Annotated[
        str | None, typer.Option(help="matching: for what is worn (default); missing: for what is not.")
    ] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="Only products for this audience, in the catalog's words, or for all. Repeatable."),
    ] = None,
    order: Annotated[str | None, typer.Option(help="Of several products: similar (default), rotate or listed.")] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="Catalog file. Default: setting catalog, else the store's, else an example.")
    ] = None,
    product_model: Annotated[
        list[Path] | None, typer.Option(help="Run of `postlens train products`, whose labels are added. Repeatable.")
    ] = None,
    creator: Annotated[str | None, typer.Option(help="All posts are by this creator.")] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Recommend one product for every creator and post, say why, and show it in pictures.

    Media are looked at once, for products alone; what was found is kept in postlens.db in the folder, from where
    `analyze` goes on. Exit code 0 if any image of the sources could be looked at (of a store: was looked at), 1 if
    none, 2 for wrong usage.
    """
    from postlens.cli.analyze import pairs
    from postlens.config import Settings

    flags: dict[str, Any] = {
        "product_policy": policy,
        "audience": tuple(audience) if audience else None,
        "product_order": order,
        "catalog": catalog,
        "product_models": tuple(product_model) if product_model else None,
    }
    loaded = Settings.load(config=config, flags=pairs(settings, "--set") | _given(flags))
    return _answered(sources, out, store=store, creator=creator, settings=loaded)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _answered(sources: list[str], out: Path, *, store: str | None, creator: str | None, settings: Settings) -> int:
    from datetime import UTC, datetime

    from postlens.pipelines.recommend_files import write_recommendations

    found = _recommended(sources, out, store=store, creator=creator, settings=settings)
    failed = write_recommendations(found, out, settings=settings, now=datetime.now(UTC))
    _print(found, failed, out)
    return EXIT_DONE if found.answered else EXIT_NOTHING


def _recommended(
    sources: list[str], out: Path, *, store: str | None, creator: str | None, settings: Settings
) -> Recommended:
    from postlens.pipelines.predict import is_store
    from postlens.pipelines.recommend import recommend_media, recommend_store

    if any(is_store(source) for source in sources):
        if len(sources) > 1 or store or creator:
            raise UsageError("expected one store, without --store and --creator, or media only")
        return recommend_store(sources[0], settings=settings, out=out)
    with progress_bar("recommend") as update:
        return recommend_media(sources, out, settings=settings, store=store, creator=creator, progress=update)


def _print(found: Recommended, failed: Sequence[Failure], out: Path) -> None:
    from postlens.pipelines.folder import PICTURES, RECOMMENDATIONS, RECOMMENDATIONS_TABLE

    say = Console(soft_wrap=True, highlight=False)
    if found.single is not None:
        say.print(_line(found.single))
    elif found.creators:
        say.print(_table(found))
    if len(found.creators) > N_SHOWN:
        say.print(f"and {len(found.creators) - N_SHOWN} more creators in the files")
    failures = (*found.notes, *found.failures, *failed)
    for failure in failures[:N_REASONS]:
        say.print(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(failures) > N_REASONS:
        say.print(f"  and {len(failures) - N_REASONS} more failures in {RECOMMENDATIONS}")
    _print_without_face(found, say)
    files = ", ".join(plain(out / name) for name in (RECOMMENDATIONS, RECOMMENDATIONS_TABLE, PICTURES))
    say.print(f"{len(found.creators)} creators, {len(found.posts)} posts: {files}")


def _line(one: Offered) -> str:
    product = one.answer.product
    return plain(f"{product.title}: {one.answer.reason}" if product else one.answer.reason)


def _table(found: Recommended) -> Any:
    table = wide_table("creator", "product", "share", "images", "why", keep=("share", "images"))
    for one in found.creators[:N_SHOWN]:
        answer = one.answer
        title = answer.product.title if answer.product else "-"
        table.add_row(
            plain(one.creator.handle), plain(title), f"{answer.share:.0%}", str(answer.n_images), plain(answer.reason)
        )
    return table


def _print_without_face(found: Recommended, say: Console) -> None:
    """How many images count for nothing, and the first of them; all are in the files."""
    from postlens.pipelines.recommend_files import file_name

    names = [file_name(one, sha256) for one in found.creators for sha256 in one.answer.without_face]
    if names and found.single is None:
        more = f" and {len(names) - N_REASONS} more" if len(names) > N_REASONS else ""
        say.print(f"without a face that can be read: {', '.join(plain(name) for name in names[:N_REASONS])}{more}")
