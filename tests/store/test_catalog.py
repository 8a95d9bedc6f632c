"""Products kept in a store and read back."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select

from postlens.store import Store
from postlens.store.catalog import (
    ProductImage,
    clear_products,
    count_products,
    delete_products,
    read_product_images,
    read_product_thumbnails,
    read_product_vectors,
    read_products,
    write_products,
)
from postlens.store.meta import read_revision
from postlens.store.schema import products
from postlens.types import Product

CAP = Product("cap", "Cap", ("hat",), "https://example.org", "cap.jpg", True, 12.9, "EUR", ("adults",))
OIL, WAX = Product("oil", "Öl", ("beard", "stubble"), active=False), Product("wax", "Wax", ("moustache",))
IMAGE = ProductImage("f" * 64, b"jpeg", np.array([1, 2.5], np.float32), "enc1")


def write(store: Store, *batch: Product, anew: bool = False, **images: ProductImage) -> int:
    with store.write() as conn:
        return write_products(conn, batch, images=images, anew=anew)


def ids(store: Store) -> list[str]:
    with store.read() as conn:
        return [product.product_id for product in read_products(conn)]


def test_products_come_back_as_they_were_in_their_order(store: Store) -> None:
    assert write(store, OIL, CAP, cap=IMAGE) == 2
    with store.read() as conn:
        assert read_products(conn) == (OIL, CAP)
        assert read_products(conn, ["cap", "none"]) == (CAP,)
        assert count_products(conn) == 2


def test_vectors_are_read_for_their_encoder_alone(store: Store) -> None:
    write(store, OIL, CAP, cap=IMAGE)
    with store.read() as conn:
        assert read_product_vectors(conn, "enc2") == {}
        assert read_product_vectors(conn, "enc1")["cap"].tolist() == [1, 2.5]
        assert read_product_images(conn, "enc2") == {}
        (image,) = read_product_images(conn, "enc1").values()
        assert (image.sha256, image.thumbnail, image.fingerprint) == (IMAGE.sha256, b"jpeg", "enc1")
        assert read_product_thumbnails(conn) == {"cap": b"jpeg"}
        assert read_product_thumbnails(conn, ["oil"]) == {}


def test_a_known_product_keeps_its_place_and_new_ones_come_last(store: Store) -> None:
    write(store, OIL, CAP)
    write(store, WAX, Product("oil", "Oil", ("beard",)))
    assert ids(store) == ["oil", "cap", "wax"]
    with store.read() as conn:
        assert read_products(conn)[0].title == "Oil"


def test_a_catalog_written_anew_has_its_own_order_and_nothing_else(store: Store) -> None:
    write(store, OIL, CAP)
    assert write(store, WAX, OIL, anew=True) == 3
    assert ids(store) == ["wax", "oil"]


def test_writing_the_same_again_changes_nothing(store: Store) -> None:
    write(store, OIL, CAP, cap=IMAGE)
    with store.read() as conn:
        before = read_revision(conn)
    assert write(store, OIL, CAP, cap=IMAGE) == 0
    assert write(store, OIL, CAP, anew=True, cap=IMAGE) == 0
    with store.read() as conn:
        assert read_revision(conn) == before


def test_a_product_that_lost_its_image_has_no_vector(store: Store) -> None:
    write(store, CAP, cap=IMAGE)
    write(store, CAP)
    with store.read() as conn:
        assert read_product_vectors(conn, "enc1") == {}
        assert conn.execute(select(products.c.image_sha256)).scalar_one() is None


def test_products_are_deleted_by_id_or_all(store: Store) -> None:
    write(store, OIL, CAP, WAX)
    with store.write() as conn:
        assert delete_products(conn, ["cap", "none"]) == 1
        assert clear_products(conn) == 2
        assert count_products(conn) == 0


@pytest.mark.parametrize("odd", ["nul \x00", "half \ud800", "bytes:x", "'; DROP TABLE products; --"])
def test_odd_texts_come_back(store: Store, odd: str) -> None:
    product = Product(odd, odd, (odd.encode("ascii", "replace").decode(),), audience=("é",))
    write(store, product)
    with store.read() as conn:
        assert read_products(conn) == (product,)
