"""`postlens recommend SOURCE... --out FOLDER`: the one product to show for creators and posts (10 photos/s a core)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar, wide_table
from postlens.cli.place import (
    ConfigOption,
    CreatorOption,
    DownloadOption,
    MapOption,
    SetOption,
    SourceOption,
    StoreOption,
)
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.config import Settings
    from postlens.pipelines.recommend import Offered, Recommended
    from postlens.types import Failure

N_SHOWN = 20  # creators listed on the terminal; all are in the files


class Policy(StrEnum):
    """What leads to an offer."""

    MATCHING = "matching"
    MISSING = "missing"


class Order(StrEnum):
    """Which of several products is shown."""

    SIMILAR = "similar"
    ROTATE = "rotate"
    LISTED = "listed"


def recommend(
    sources: Annotated[list[str], typer.Argument(help="What `analyze` reads, or a store: then no media is looked at.")],
    out: Annotated[Path, typer.Option(help="Folder for recommendations.json, recommendations.csv and pictures.")],
    store: StoreOption = None,
    policy: Annotated[
        Policy | None, typer.Option(help="matching: for what is worn (default); missing: for what is not.")
    ] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="Only products for this audience, in the catalog's words, or for all. Repeatable."),
    ] = None,
    order: Annotated[
        Order | None, typer.Option(help="Of several products: similar (default), rotate or listed.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="Catalog file. Default: setting catalog, else the store's, else an example.")
    ] = None,
    product_model: Annotated[
        list[str] | None,
        typer.Option(
            help="Run of `postlens train products`, whose labels are added. Several: commas between, or repeated."
        ),
    ] = None,
    creator: CreatorOption = None,
    mapping: MapOption = None,
    source: SourceOption = None,
    allow_download: DownloadOption = None,
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
        "product_policy": policy and policy.value,
        "audience": tuple(audience) if audience else None,
        "product_order": order and order.value,
        "catalog": catalog,
        "product_models": _runs(product_model) if product_model else None,
        "allow_download": allow_download,
    }
    loaded = Settings.load(config=config, flags=pairs(settings, "--set") | _given(flags))
    asked = Asked(tuple(sources), store=store, creator=creator, mapping=pairs(mapping, "--map"), kind=source)
    return _answered(asked, out, settings=loaded)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at, and how it is read."""

    sources: tuple[str, ...]
    store: str | None
    creator: str | None
    mapping: Mapping[str, str]
    kind: str | None  # of the sources


def _runs(texts: Sequence[str]) -> tuple[Path, ...]:
    """Folders with commas between; a folder whose own name has commas is taken as it is."""
    parts = [part for text in texts for part in ([text] if Path(text).exists() else text.split(","))]
    return tuple(Path(part.strip()) for part in parts if part.strip())


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _answered(asked: Asked, out: Path, *, settings: Settings) -> int:
    from datetime import UTC, datetime

    from postlens.pipelines.recommend_files import write_recommendations

    found = _recommended(asked, out, settings=settings)
    failed = write_recommendations(found, out, settings=settings, now=datetime.now(UTC))
    _print(found, failed, out)
    return EXIT_DONE if found.answered else EXIT_NOTHING


def _recommended(asked: Asked, out: Path, *, settings: Settings) -> Recommended:
    from postlens.pipelines.predict import is_store
    from postlens.pipelines.recommend import recommend_media, recommend_store

    if any(is_store(source) for source in asked.sources):
        if len(asked.sources) > 1 or asked.store or asked.creator or asked.mapping or asked.kind:
            raise UsageError("expected one store, without --store, --creator, --map and --source, or media only")
        return recommend_store(asked.sources[0], settings=settings, out=out)
    with progress_bar("recommend") as update:
        return recommend_media(
            asked.sources,
            out,
            settings=settings,
            store=asked.store,
            creator=asked.creator,
            mapping=asked.mapping,
            kind=asked.kind,
            progress=update,
        )


def _print(found: Recommended, failed: Sequence[Failure], out: Path) -> None:
    from postlens.pipelines.folder import PICTURES, RECOMMENDATIONS, RECOMMENDATIONS_TABLE
    from postlens.pipelines.recommend_files import count

    say = Console(soft_wrap=True, highlight=False)
    if found.unsold:
        say.print(f"no product in the catalog for what was seen: {plain(', '.join(found.unsold))}")
    for photo in found.photos:
        say.print(_line(photo, alone=photo is found.single))
    if not found.photos:
        _print_creators(found, say)
    _print_failures(found.notes, "note", say)
    _print_failures((*found.failures, *failed), "failed", say)
    _print_without_face(found, say)
    files = ", ".join(plain(out / name) for name in (RECOMMENDATIONS, RECOMMENDATIONS_TABLE, PICTURES))
    say.print(f"{count(len(found.creators), 'creator')}, {count(len(found.posts), 'post')}: {files}")


def _print_failures(failures: Sequence[Failure], word: str, say: Console) -> None:
    from postlens.pipelines.folder import RECOMMENDATIONS

    for failure in failures[:N_REASONS]:
        say.print(f"  {word}: {plain(failure.subject)}: {plain(failure.message)}")
    if len(failures) > N_REASONS:
        say.print(f"  and {len(failures) - N_REASONS} more in {RECOMMENDATIONS}")


def _line(one: Offered, *, alone: bool) -> str:
    """The answer about one image; with its name where it is one of several."""
    from postlens.pipelines.recommend_files import file_name

    product = one.answer.product
    told = f"{product.title}: {one.answer.reason}" if product else one.answer.reason
    return plain(told if alone else f"{file_name(one, one.media[0].sha256)}: {told}")


def _print_creators(found: Recommended, say: Console) -> None:
    """Those with an offer as a table, then the others in a line for each reason."""
    offers = [one for one in found.creators if one.answer.product is not None]
    if offers:
        table = wide_table("creator", "product", "why")
        for one in offers[:N_SHOWN]:
            title = one.answer.product.title if one.answer.product else ""
            table.add_row(plain(one.creator.handle), plain(title), plain(one.answer.reason))
        say.print(table)
    if len(offers) > N_SHOWN:
        say.print(f"and {len(offers) - N_SHOWN} more creators with an offer in the files")
    rest: dict[str, list[str]] = {}
    for one in found.creators:
        if one.answer.product is None:
            rest.setdefault(_why_not(one), []).append(one.creator.handle)
    for why, names in rest.items():
        more = f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else ""
        say.print(f"no offer, {why}: {plain(', '.join(names[:N_SHOWN]))}{more}")


def _why_not(one: Offered) -> str:
    """In a few words; the whole reason is in the files."""
    answer = one.answer
    if answer.label:
        return f"no product for {plain(answer.attribute if answer.policy == 'matching' else answer.label)}"
    return plain(answer.reason.partition(" in ")[0].rpartition(": ")[2])


def _print_without_face(found: Recommended, say: Console) -> None:
    """How many images count for nothing, and the first of them; all are in the files."""
    from postlens.pipelines.recommend_files import file_name

    names = [file_name(one, sha256) for one in found.creators for sha256 in one.answer.without_face]
    if names and not found.photos:
        more = f" and {len(names) - N_REASONS} more" if len(names) > N_REASONS else ""
        say.print(f"without a face that can be read: {', '.join(plain(name) for name in names[:N_REASONS])}{more}")
