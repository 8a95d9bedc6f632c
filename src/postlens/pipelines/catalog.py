"""A setting or a store to the products that can be recommended, with the vectors of their images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import SettingsError, SourceError
from postlens.tasks.products.catalog import DEFAULT_CATALOG, load_catalog
from postlens.types import Failure, FloatArray, Product


class LoadedCatalog(NamedTuple):
    """The products that can be recommended."""

    products: tuple[Product, ...]  # inactive ones too, in the order of preference
    vectors: Mapping[str, FloatArray]  # by product_id: embedding (D,) of its image by the shared encoder
    notes: tuple[Failure, ...]  # rows, labels and images that could not be used


def load_products(
    conn: Connection | None, settings: Settings, *, labels: Collection[str] | None = None
) -> LoadedCatalog:
    """The catalog that answers: the file of setting `catalog`, else the store's, else the shipped example.

    Args:
        conn: of the store; None where there is none.
        labels: what the models that are used can find (names of labels and items); default: those that ship.

    Raises:
        SettingsError: the file cannot be read, or has no usable row.
    """
    try:
        return LoadedCatalog(load_catalog(settings.catalog or DEFAULT_CATALOG), {}, ())
    except SourceError as error:
        raise SettingsError(f"setting catalog: {error}") from error
