"""A setting or a store to the products that can be recommended, with the vectors of their images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import NotEnoughDataError, SettingsError, SourceError
from postlens.pipelines.catalog_files import read_catalog
from postlens.pipelines.catalog_images import ImageReader, ReadImages, by_sha256, local_file
from postlens.sources.single import is_url
from postlens.store.catalog import (
    ProductImage,
    count_products,
    read_product_images,
    read_product_thumbnails,
    read_product_vectors,
    read_products,
)
from postlens.tasks.products.catalog import DEFAULT_CATALOG, STAGE, Catalog, unknown_labels
from postlens.tasks.products.items import LABELS, catalog_labels, join_labels, shipped_labels
from postlens.tasks.products.model import load_product_models
from postlens.tasks.products.predict import MODEL
from postlens.types import Failure, FloatArray, Product
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

# Images of a catalog file that are read in each run, about 20 ms each. More: longer starts; a store keeps the vectors.
MOST_READ: Final = 500
_read: dict[str, ProductImage] = {}  # by sha256, those that this process has read: a run loads its catalog repeatedly


class LoadedCatalog(NamedTuple):
    """The products that can be recommended."""

    products: tuple[Product, ...]  # inactive ones too, in the order of preference
    vectors: Mapping[str, FloatArray]  # by product_id: embedding (D,) of its image by the shared encoder
    notes: tuple[Failure, ...]  # rows, labels and images that could not be used


def load_products(
    conn: Connection | None,
    settings: Settings,
    *,
    labels: Collection[str] | None = None,
    vectors: bool = True,
) -> LoadedCatalog:
    """The catalog that answers: the file of setting `catalog`, else the store's, else the shipped example.

    Args:
        conn: of the store; None where there is none.
        labels: what the models that are used can find (names of labels and items); default: `known_labels`.
        vectors: read the vectors, too. Those of a file's images are computed, where the products are ranked by them.

    Raises:
        SettingsError: the file cannot be read, or has no usable row.
    """
    known = known_labels(settings) if labels is None else labels
    if settings.catalog is None and conn is not None and count_products(conn):
        products = read_products(conn)
        stored = read_product_vectors(conn, load_spec(ENCODER).fingerprint) if vectors else {}
        return LoadedCatalog(products, stored, unknown_labels(products, labels=known))
    path = settings.catalog or DEFAULT_CATALOG
    catalog = _read_file(path, labels=known)
    wanted = vectors and settings.product_order == "similar"
    found = _file_images(conn, settings, catalog.products, folder=path.parent) if wanted else ReadImages()
    vectors_by_id = {product_id: image.vector for product_id, image in found.images.items()}
    return LoadedCatalog(catalog.products, vectors_by_id, (*catalog.failures, *found.failures))


def _read_file(path: Path, *, labels: Collection[str] = LABELS) -> Catalog:
    try:
        return read_catalog(path, labels=labels)
    except SourceError as error:
        raise SettingsError(f"setting catalog: {error}") from error


def catalog_images_state(settings: Settings) -> str:
    """Which image files the file of setting `catalog` names, with their sizes and times: changes when one does.

    Raises `SettingsError` as `load_products`.
    """
    if settings.catalog is None:
        return ""
    named = {product.image for product in _read_file(settings.catalog).products if product.image is not None}
    files = [local_file(settings.catalog.parent, image) for image in sorted(named) if not is_url(image)]
    return "\n".join(f"{file.name} {_version(file)}" for file in files)


def _version(file: Path) -> str:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return "none"
    return f"{found.st_size} {found.st_mtime_ns}"


def known_labels(settings: Settings) -> tuple[str, ...]:
    """What a catalog may name: labels and items of the models that ship and of those in setting `product_models`.

    Raises `SettingsError` and `ModelError` as `load_product_models`.
    """
    shipped = shipped_labels(load_spec(MODEL).thresholds)
    return catalog_labels(
        join_labels(shipped, *(model.labels for model in load_product_models(settings.product_models)))
    )


def load_thumbnails(conn: Connection | None, settings: Settings, product_ids: Iterable[str]) -> dict[str, bytes]:
    """Small JPEGs of products of the catalog that answers, by product_id; those without an image are left out.

    Raises as `load_products`.
    """
    wanted = frozenset(product_ids)
    if settings.catalog is None and conn is not None and count_products(conn):
        return read_product_thumbnails(conn, wanted)
    products = [one for one in load_products(conn, settings, vectors=False).products if one.product_id in wanted]
    found = _file_images(conn, settings, products, folder=(settings.catalog or DEFAULT_CATALOG).parent)
    return {product_id: image.thumbnail for product_id, image in found.images.items()}


def _file_images(
    conn: Connection | None, settings: Settings, products: Collection[Product], *, folder: Path
) -> ReadImages:
    """The images of a catalog file's products, as far as they were not read before."""
    named = [product for product in products if product.active and product.image is not None]
    local = [product for product in named if not is_url(str(product.image))]
    failures = []
    if len(local) < len(named):
        failures.append(
            _not_read(f"expected files, got {len(named) - len(local)} URLs, which are not fetched in a run")
        )
    if len(local) > MOST_READ:
        failures.append(_not_read(f"expected at most {MOST_READ} files, got {len(local)}"))
        return ReadImages(failures=failures)
    fingerprint = load_spec(ENCODER).fingerprint
    stored = read_product_images(conn, fingerprint) if conn is not None else {}
    found = ImageReader(settings, known=stored | _read, downloads=None).read(local, folder=folder)
    _read.update(by_sha256(found.images.values()))
    return ReadImages(found.images, [*failures, *found.failures])


def _not_read(why: str) -> Failure:
    advice = "keep the catalog in the store with `postlens catalog add`, which reads each image once"
    error = NotEnoughDataError(f"{why}; these products are not compared by image: {advice}")
    return Failure.of("images of the catalog", STAGE, error)
