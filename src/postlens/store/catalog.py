"""Products of a catalog to rows and back, with the small pictures and vectors of their images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, func, select

from postlens.store.columns import pack, unpack
from postlens.store.schema import products
from postlens.store.statements import delete_in, select_in, upsert
from postlens.types import FloatArray, Product

_LISTS = ("labels", "audience")  # kept as JSON
_NAMES = tuple(field.name for field in fields(Product))


@dataclass(frozen=True, slots=True)
class ProductImage:
    """What was made of a product's image."""

    sha256: str  # of the file
    thumbnail: bytes  # JPEG
    vector: FloatArray  # (D,) embedding
    fingerprint: str  # of the encoder


def write_products(
    conn: Connection, batch: Sequence[Product], *, images: Mapping[str, ProductImage], anew: bool = False
) -> int:
    """Insert products or replace those of the same id; returns how many rows changed.

    A known product keeps its place in the order of preference, new ones come after all others. `images` by product_id;
    a product without one has none from now on. `anew`: the batch is the whole catalog, in its order.
    """
    places = {row.product_id: row.position for row in conn.execute(select(products.c.product_id, products.c.position))}
    n_gone = delete_products(conn, places.keys() - {product.product_id for product in batch}) if anew else 0
    places = {} if anew else places
    last = max(places.values(), default=-1)
    new = [product.product_id for product in batch if product.product_id not in places]
    places |= {product_id: last + number for number, product_id in enumerate(dict.fromkeys(new), start=1)}
    rows = {one.product_id: _row(one, places[one.product_id], images.get(one.product_id)) for one in batch}
    return n_gone + upsert(conn, products, list(rows.values()))


def _row(product: Product, position: int, image: ProductImage | None) -> dict[str, Any]:
    values = {name: getattr(product, name) for name in _NAMES}
    return {
        **values,
        **{name: list(values[name]) for name in _LISTS},
        "position": position,
        "image_sha256": image.sha256 if image else None,
        "thumbnail": image.thumbnail if image else None,
        "vector": pack(image.vector) if image else None,
        "fingerprint": image.fingerprint if image else None,
    }


def read_products(conn: Connection, product_ids: Iterable[str] | None = None) -> tuple[Product, ...]:
    """Products in the order of preference, inactive ones too; unknown ids are left out."""
    columns = [products.c[name] for name in _NAMES]
    chosen = select(*columns, products.c.position)
    rows = sorted(select_in(conn, chosen, products.c.product_id, product_ids), key=lambda row: row.position)
    return tuple(_product(row) for row in rows)


def _product(row: Row[Any]) -> Product:
    values = {name: getattr(row, name) for name in _NAMES}
    return Product(**{**values, **{name: tuple(values[name]) for name in _LISTS}})


def read_product_vectors(conn: Connection, fingerprint: str) -> dict[str, FloatArray]:
    """Embeddings (D,) of the products' images by one encoder, by product_id; products without are left out."""
    chosen = select(products.c.product_id, products.c.vector)
    rows = conn.execute(chosen.where(products.c.fingerprint == fingerprint, products.c.vector.is_not(None)))
    return {row.product_id: unpack([row.vector])[0] for row in rows}


def read_pictures(conn: Connection) -> dict[str, ProductImage]:
    """What was made of the products' images, by whichever encoder, by product_id; products without are left out."""
    columns = (products.c.image_sha256, products.c.thumbnail, products.c.vector, products.c.fingerprint)
    rows = conn.execute(select(products.c.product_id, *columns).where(products.c.vector.is_not(None)))
    return {
        row.product_id: ProductImage(row.image_sha256, row.thumbnail, unpack([row.vector])[0], row.fingerprint)
        for row in rows
    }


def read_product_images(conn: Connection, fingerprint: str) -> dict[str, ProductImage]:
    """What was made of image files with one encoder, by sha256 of the file."""
    columns = (products.c.image_sha256, products.c.thumbnail, products.c.vector)
    rows = conn.execute(select(*columns).where(products.c.fingerprint == fingerprint, products.c.vector.is_not(None)))
    return {
        row.image_sha256: ProductImage(row.image_sha256, row.thumbnail, unpack([row.vector])[0], fingerprint)
        for row in rows
    }


def read_product_thumbnails(conn: Connection, product_ids: Iterable[str] | None = None) -> dict[str, bytes]:
    """JPEG of the products' images by product_id; products without are left out."""
    chosen = select(products.c.product_id, products.c.thumbnail).where(products.c.thumbnail.is_not(None))
    return {row.product_id: row.thumbnail for row in select_in(conn, chosen, products.c.product_id, product_ids)}


def delete_products(conn: Connection, product_ids: Iterable[str]) -> int:
    """Delete products by id; returns how many there were."""
    return delete_in(conn, products, "product_id", product_ids)


def clear_products(conn: Connection) -> int:
    """Delete all products; returns how many there were."""
    return delete_products(conn, [product.product_id for product in read_products(conn)])


def count_products(conn: Connection) -> int:
    """How many products the store has, inactive ones too."""
    return conn.execute(select(func.count()).select_from(products)).scalar_one()
