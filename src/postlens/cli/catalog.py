"""`postlens catalog add|list|show|...`: what can be recommended (adding takes about 30 ms for each product image)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli.console import N_REASONS, plain, progress_bar, wide_table
from postlens.cli.people_tables import print_json
from postlens.cli.place import (
    OUT,
    ConfigOption,
    JsonOption,
    OutOption,
    ReadOutOption,
    SetOption,
    StoreOption,
    opened,
    refresh,
)
from postlens.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from postlens.pipelines.catalog_evaluate import Retrieval
    from postlens.types import Failure, Product

app = typer.Typer(
    help="The catalog of a store, which answers unless setting `catalog` names a file: add, list, show, remove, clear"
    " products, and measure how well they are ranked.",
    rich_markup_mode=None,
)


@app.command("add")
def add(
    file: Annotated[
        Path,
        typer.Argument(help="Catalog: CSV, TSV, TOML, XLSX. Columns product_id, title, labels; url, image, price, ..."),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="The file is the whole catalog: remove what it does not have.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Tell every row that was left out or is incomplete, not the first few.")
    ] = False,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Add products to the store, or replace those of the same id; their images are read from the file's folder.

    Images at URLs are fetched with --set allow_download=true. Recommendations change at once, without looking at media
    again. Exit code 1 if outputs could not be written anew.
    """
    from postlens.pipelines.catalog_edit import add_products

    with opened(store, out, config, settings, create=True) as place:
        with progress_bar("images") as update:
            added = add_products(place.store, file, settings=place.settings, replace=replace, progress=update)
        say = Console(soft_wrap=True, highlight=False).print
        gone = f", {added.n_removed} removed" if replace else ""
        left = f"; {added.n_left_out} left out" if added.n_left_out else ""
        say(f"{added.n_new} new, {added.n_known} replaced{gone}; {added.n_images} with an image{left}")
        _tell(added.failures, most=None if verbose else N_REASONS, advice="; all of them with --verbose")
        if place.settings.catalog is not None:
            say(f"setting catalog names {plain(place.settings.catalog)}, which answers instead of the store's products")
        return refresh(place, out)


@app.command("list")
def list_products(as_json: JsonOption = False, store: StoreOption = None, out: ReadOutOption = OUT) -> None:
    """The store's products in the order of preference; inactive ones too."""
    from postlens.store.catalog import read_product_thumbnails, read_products

    with opened(store, out, None, None, read_only=True) as place, place.store.read() as conn:
        products = read_products(conn)
        pictures = read_product_thumbnails(conn).keys()
    if as_json:
        print_json(products)
    elif products:
        Console(highlight=False).print(_table(products, with_image=frozenset(pictures)))
    else:
        Console(soft_wrap=True).print("no products in the store: the shipped example answers; `postlens catalog add`")


@app.command("show")
def show(
    product_id: Annotated[str, typer.Argument(help="Id of a product.")],
    picture: Annotated[Path | None, typer.Option(help="Write the small picture (JPEG) of its image here.")] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    out: ReadOutOption = OUT,
) -> None:
    """Everything about one product."""
    from postlens.pipelines.catalog_edit import show_product

    with opened(store, out, None, None, read_only=True) as place:
        product, image = show_product(place.store, product_id)
    if picture is not None:
        _write(picture, image, product_id)
    if as_json:
        print_json(product)
        return
    table = wide_table("", "", keep=("",))
    for name in product.__dataclass_fields__:
        value = getattr(product, name)
        table.add_row(name, plain(", ".join(value) if isinstance(value, tuple) else "" if value is None else value))
    table.add_row("picture", "yes" if image else "no")
    Console(highlight=False).print(table)


@app.command("remove")
def remove(
    product_ids: Annotated[list[str], typer.Argument(metavar="PRODUCT...", help="Ids of products.")],
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Remove products; all of them or, where one is unknown, none."""
    from postlens.pipelines.catalog_edit import remove_products

    with opened(store, out, config, settings) as place:
        Console(highlight=False).print(f"{remove_products(place.store, product_ids)} removed")
        return refresh(place, out)


@app.command("clear")
def clear(
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Remove all products; the shipped example answers again."""
    from postlens.pipelines.catalog_edit import clear_catalog

    with opened(store, out, config, settings) as place:
        if not yes:
            typer.confirm(f"Remove all products of {place.store.name}?", abort=True)
        Console(highlight=False).print(f"{clear_catalog(place.store)} removed")
        return refresh(place, out)


@app.command("evaluate")
def evaluate(
    truth: Annotated[Path, typer.Argument(help="Table with columns image or subject_id, and product_id.")],
    as_json: JsonOption = False,
    store: StoreOption = None,
    out: ReadOutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """How often the right product is near the top when products are ranked by similarity of images (recall@k, nDCG).

    An image is a path from the table's folder, a subject a post or creator of the store. Several rows of one query give
    several right products. With setting `catalog` a file is measured, and no store is needed for images.
    """
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.pipelines.catalog_evaluate import evaluate_catalog
    from postlens.pipelines.folder import STORE_FILE

    loaded = Settings.load(config=config, flags=pairs(settings, "--set"))
    if loaded.catalog is not None and store is None and not (out / STORE_FILE).is_file():
        found = evaluate_catalog(truth, store=None, settings=loaded)
    else:
        with opened(store, out, config, settings, read_only=True) as place:
            found = evaluate_catalog(truth, store=place.store, settings=place.settings)
    if as_json:
        print_json(found)
        return
    _print_retrieval(found)


def _table(products: Sequence[Product], *, with_image: frozenset[str]) -> Table:
    table = wide_table("product", "title", "labels", "price", "audience", "image", "state", keep=("price",))
    for one in products:
        table.add_row(
            plain(one.product_id),
            plain(one.title),
            plain(", ".join(one.labels)),
            "" if one.price is None else plain(f"{one.price:.2f} {one.currency or ''}".strip()),
            plain(", ".join(one.audience)),
            "yes" if one.product_id in with_image else "",
            "active" if one.active else "inactive",
        )
    return table


def _print_retrieval(found: Retrieval) -> None:
    parts = {"all products": found.among_all, "same label": found.same_label}
    table = wide_table("", *(column for part in parts for column in (part, "by chance")))
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "ndcg_at_10"):
        cells = (cell for part in parts.values() for cell in (_with_interval(part, name), _chance(part, name)))
        table.add_row(name.replace("_at_", "@"), *cells)
    say = Console(soft_wrap=True, highlight=False).print
    say(table)
    say(f"{found.among_all['n']} queries, {found.n_products} products, {found.n_vectors} of them with an image")
    _tell(found.failures, most=N_REASONS, advice="; all of them with --json")


def _with_interval(table: Any, name: str) -> str:
    interval = table[f"{name}_ci"]
    return f"{table[name]:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _chance(table: Any, name: str) -> str:
    value = table.get(name.replace("recall", "chance"))
    return "" if value is None or name.startswith("ndcg") else f"{value:.3f}"


def _tell(failures: Sequence[Failure], *, most: int | None, advice: str) -> None:
    """What could not be used as it stands; a message says what became of its row."""
    say = Console(soft_wrap=True, highlight=False).print
    for failure in failures[:most]:
        say(f"  note: {plain(failure.subject)}: {plain(failure.message)}")
    if most is not None and len(failures) > most:
        say(f"  and {len(failures) - most} more{advice}")


def _write(path: Path, image: bytes | None, product_id: str) -> None:
    if image is None:
        raise UsageError(f"expected a product with a picture, got {product_id!r} without one; add its image")
    try:
        path.write_bytes(image)
    except OSError as error:
        raise UsageError(f"expected a file that can be written at {path}, got: {error.strerror}") from error
