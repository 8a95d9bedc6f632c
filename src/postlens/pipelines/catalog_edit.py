"""A catalog file to products in a store, and products out of it again."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path

from postlens.config import Settings
from postlens.errors import UnknownNameError
from postlens.pipelines.catalog import known_labels
from postlens.pipelines.catalog_files import read_catalog
from postlens.pipelines.catalog_images import ImageReader, Progress, by_sha256, image_subject
from postlens.sources.single import is_url
from postlens.store import Store
from postlens.store.catalog import (
    clear_products,
    delete_products,
    read_pictures,
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
    n_images: int  # products with a picture, read now or before
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
    fetched with setting `allow_download` alone, into no lasting place, and once: a product whose URL is as it was keeps
    its picture. So does a product whose image is as it was but cannot be read this time, which is told. `replace`: the
    file is the whole catalog, in its order; otherwise products of the same id are replaced in their place, and new ones
    come after the others. Raises as `read_catalog`.
    """
    catalog = read_catalog(path, labels=known_labels(settings))
    with store.read() as conn:
        before = {product.product_id: product.image for product in read_products(conn)}
        stored = read_pictures(conn)
    own = {one: image for one, image in stored.items() if image.fingerprint == load_spec(ENCODER).fingerprint}
    named = {product.product_id: product.image for product in catalog.products if product.image is not None}
    same = {one: stored[one] for one in stored.keys() & named.keys() if named[one] == before[one]}
    fetched = {one for one in same.keys() & own.keys() if is_url(str(named[one]))}
    with tempfile.TemporaryDirectory(prefix="postlens-") as downloads:
        reader = ImageReader(settings, known=by_sha256(own.values()), downloads=Path(downloads))
        unread = [product for product in catalog.products if product.product_id not in fetched]
        found = reader.read(unread, folder=path.parent, progress=progress)
    images = same | found.images
    with store.write() as conn:
        write_products(conn, catalog.products, images=images, anew=replace)
    ids = {product.product_id for product in catalog.products}
    return Added(
        n_new=len(ids - before.keys()),
        n_known=len(ids & before.keys()),
        n_removed=len(before.keys() - ids) if replace else 0,
        n_images=len(images),
        failures=(*catalog.failures, *(_told_as_kept(failure, same) for failure in found.failures)),
    )


def _told_as_kept(failure: Failure, kept: Collection[str]) -> Failure:
    """The failure of an image; of a product that keeps its picture it says so."""
    if failure.subject not in {image_subject(product_id) for product_id in kept}:
        return failure
    return replace_fields(failure, message=f"{failure.message}; the picture that the store has of it stays")


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
