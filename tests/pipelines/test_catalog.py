"""Which catalog answers: the setting's file, the store's, or the shipped example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from postlens.config import Settings
from postlens.errors import SettingsError
from postlens.pipelines import catalog as loading
from postlens.pipelines.catalog import known_labels, load_products, load_thumbnails
from postlens.store import Store
from postlens.store.catalog import ProductImage, write_products
from postlens.tasks.products.items import LABELS
from postlens.types import Product
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ..media.samples import encoded, photo

CAP = Product("own-cap", "Cap", ("hat",))
VECTOR = np.array([1, 2], np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "postlens.db") as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "cap.jpg").write_bytes(encoded(photo(300, 200), "JPEG"))
    path = tmp_path / "catalog.csv"
    path.write_text("product_id,title,labels,image\nfile-cap,Cap,hat,cap.jpg\nfile-hat,Hat,hat,absent.jpg\n,x,hat,\n")
    return path


def put(store: Store, *products: Product, **images: ProductImage) -> None:
    with store.write() as conn:
        write_products(conn, products, images=images)


def load(store: Store, **settings: object) -> loading.LoadedCatalog:
    with store.read() as conn:
        return load_products(conn, Settings(**settings))  # type: ignore[arg-type]


def ids(found: loading.LoadedCatalog) -> list[str]:
    return [product.product_id for product in found.products]


def test_the_shipped_example_answers_without_a_store_and_with_an_empty_one(store):
    example = load_products(None, Settings())
    assert "beard-oil" in ids(example)
    assert (example.vectors, example.notes) == ({}, ())
    assert load(store) == example


def test_the_stores_products_come_before_the_example_and_the_settings_file_before_both(store, file):
    put(store, CAP)
    assert ids(load(store)) == ["own-cap"]
    assert ids(load(store, catalog=file)) == ["file-cap", "file-hat"]


def test_stored_vectors_are_those_of_the_encoder_in_use(store):
    fits, other = (ProductImage("f" * 64, b"jpeg", VECTOR, name) for name in (load_spec(ENCODER).fingerprint, "other"))
    put(store, CAP, Product("b", "B", ("hat",)), **{"own-cap": fits, "b": other})
    assert load(store).vectors["own-cap"].tolist() == [1, 2]
    assert list(load(store).vectors) == ["own-cap"]


def test_images_of_a_file_are_read_where_products_are_ranked_by_them(store, file):
    found = load(store, catalog=file)
    assert list(found.vectors) == ["file-cap"]
    assert found.vectors["file-cap"].shape == (load_spec(ENCODER).dim,)
    assert [note.error for note in found.notes] == ["RowError", "MediaNotFoundError"]
    assert load(store, catalog=file, product_order="listed").vectors == {}
    assert load_products(None, Settings(catalog=file), vectors=False).vectors == {}


def test_images_of_a_file_are_read_once_in_a_process(store, file, monkeypatch):
    load(store, catalog=file)
    monkeypatch.setattr("postlens.pipelines.catalog_images.Encoder", None)
    assert list(load(store, catalog=file).vectors) == ["file-cap"]


def test_too_many_images_in_a_file_are_told_and_not_read(store, file, monkeypatch):
    monkeypatch.setattr(loading, "MOST_READ", 1)
    found = load(store, catalog=file)
    assert found.vectors == {}
    assert "postlens catalog add" in found.notes[-1].message


def test_images_at_urls_of_a_file_are_told_once_and_the_others_read(store, file):
    with file.open("a") as rows:
        rows.write("a,A,hat,https://example.org/a.jpg\nb,B,hat,https://example.org/b.jpg\n")
    found = load(store, catalog=file)
    assert list(found.vectors) == ["file-cap"]
    told = [note.message for note in found.notes if note.subject == "images of the catalog"]
    assert len(told) == 1
    assert "got 2 URLs" in told[0]


def test_thumbnails_are_the_stores_or_made_of_the_files_images(store, file):
    put(store, CAP, **{"own-cap": ProductImage("f" * 64, b"jpeg", VECTOR, "any")})
    with store.read() as conn:
        assert load_thumbnails(conn, Settings(), ["own-cap", "x"]) == {"own-cap": b"jpeg"}
        made = load_thumbnails(conn, Settings(catalog=file), ["file-cap", "file-hat"])
    assert list(made) == ["file-cap"]
    assert made["file-cap"].startswith(b"\xff\xd8")
    assert load_thumbnails(None, Settings(), ["beard-oil"]) == {}


def test_labels_that_no_model_reads_are_noted_wherever_the_catalog_is(store):
    put(store, Product("shoe", "Shoe", ("shoes",)))
    assert [note.subject for note in load(store).notes] == ["label 'shoes'"]
    with store.read() as conn:
        assert load_products(conn, Settings(), labels=("shoes",)).notes == ()
    assert set(known_labels(Settings())) == set(LABELS)


@pytest.mark.parametrize("content", [None, b"", b"title,labels\nCap,hat\n", b"product_id,title,labels\n1,,hat\n"])
def test_a_file_that_cannot_be_used_is_a_wrong_setting(tmp_path, store, content):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"setting catalog: .*mine\.csv"):
        load(store, catalog=path)
