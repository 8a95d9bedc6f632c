"""A catalog file to products in a store, and products out of it again."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postlens.config import Settings
from postlens.errors import UnknownNameError
from postlens.pipelines.catalog import known_labels
from postlens.pipelines.catalog_files import read_catalog
from postlens.pipelines.catalog_images import ImageReader, Progress
from postlens.store import Store
from postlens.store.catalog import (
    clear_products,
    delete_products,
    read_product_images,
    read_product_thumbnails,
    read_products,
    write_products,
)
from postlens.tasks.products.catalog import LEFT_OUT
from postlens.types import Failure, Product
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec


@dataclass(frozen=True, slots=True)
class Added:
    """What a catalog file brought."""

    n_new: int
    n_known: int  # products that the store had under the same id
    n_removed: int  # of the store that the file does not have, where it replaces them
    n_images: int
    failures: tuple[Failure, ...]  # rows and images that could not be used, labels that no model reads

    @property
    def n_left_out(self) -> int:
        """Rows that are no product."""
        return sum(failure.message.endswith(LEFT_OUT) for failure in self.failures)


def add_products(
    store: Store, path: Path, *, settings: Settings, replace: bool = False, progress: Progress | None = None
) -> Added:
    """Write the products of a file to the store, with small pictures and vectors of their images.

    An image file whose content the store has is not read again; paths are from the catalog's folder, and URLs are
    fetched with setting `allow_download` alone, into no lasting place. `replace`: the file is the whole catalog, in its
    order; otherwise products of the same id are replaced in their place, and new ones come after the others.
    Raises as `read_catalog`.
    """
    catalog = read_catalog(path, labels=known_labels(settings))
    with store.read() as conn:
        before = {product.product_id for product in read_products(conn)}
        known = read_product_images(conn, load_spec(ENCODER).fingerprint)
    with tempfile.TemporaryDirectory(prefix="postlens-") as downloads:
        reader = ImageReader(settings, known=known, downloads=Path(downloads))
        found = reader.read(catalog.products, folder=path.parent, progress=progress)
    with store.write() as conn:
        write_products(conn, catalog.products, images=found.images, anew=replace)
    ids = {product.product_id for product in catalog.products}
    return Added(
        n_new=len(ids - before),
        n_known=len(ids & before),
        n_removed=len(before - ids) if replace else 0,
        n_images=len(found.images),
        failures=(*catalog.failures, *found.failures),
    )


def remove_products(store: Store, product_ids: Sequence[str]) -> int:
    """Delete products; returns how many. Raises `UnknownNameError` for an id that the store does not have."""
    with store.write() as conn:
        _expect_known(product_ids, [product.product_id for product in read_products(conn)])
        return delete_products(conn, product_ids)


def clear_catalog(store: Store) -> int:
    """Delete all products, so that the shipped example answers again; returns how many there were."""
    with store.write() as conn:
        return clear_products(conn)


def show_product(store: Store, product_id: str) -> tuple[Product, bytes | None]:
    """A product and the small JPEG of its image. Raises `UnknownNameError` for an id that the store does not have."""
    with store.read() as conn:
        products = {product.product_id: product for product in read_products(conn)}
        _expect_known([product_id], list(products))
        return products[product_id], read_product_thumbnails(conn, [product_id]).get(product_id)


def _expect_known(product_ids: Sequence[str], known: Sequence[str]) -> None:
    for product_id in product_ids:
        if product_id not in known:
            near = difflib.get_close_matches(product_id, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`postlens catalog list` shows them"
            raise UnknownNameError(f"expected a product of the store, got {product_id!r}; {hint}")
