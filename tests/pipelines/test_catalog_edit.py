"""A catalog file into a store, changed, and out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postlens.config import Settings
from postlens.errors import TableError, UnknownNameError
from postlens.pipelines.catalog_edit import Added, add_products, clear_catalog, remove_products, show_product
from postlens.store import Store
from postlens.store.catalog import read_product_vectors, read_products
from postlens.store.meta import read_revision
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ..media.samples import encoded, photo

HEADER = "product_id,title,labels,image\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "postlens.db") as opened:
        yield opened


def save(folder: Path, name: str, *, seed: int = 0) -> None:
    (folder / name).write_bytes(encoded(photo(300, 200, seed=seed), "JPEG"))


def add(store: Store, folder: Path, rows: str, *, replace: bool = False) -> Added:
    path = folder / "catalog.csv"
    path.write_text(HEADER + rows, encoding="utf-8")
    return add_products(store, path, settings=Settings(), replace=replace)


def ids(store: Store) -> list[str]:
    with store.read() as conn:
        return [product.product_id for product in read_products(conn)]


def vectors(store: Store) -> dict[str, object]:
    with store.read() as conn:
        return dict(read_product_vectors(conn, load_spec(ENCODER).fingerprint))


def test_adding_keeps_products_with_pictures_and_vectors(store, tmp_path):
    save(tmp_path, "cap.jpg")
    added = add(store, tmp_path, "1,Cap,hat,cap.jpg\n2,Hat,hat,\n3,Oil,beard,absent.jpg\n,No id,hat,\n4,Shoe,shoes,\n")
    assert (added.n_new, added.n_known, added.n_removed, added.n_images) == (4, 0, 0, 1)
    assert [failure.error for failure in added.failures] == ["RowError", "UnknownNameError", "MediaNotFoundError"]
    assert list(vectors(store)) == ["1"]
    product, picture = show_product(store, "1")
    assert product.title == "Cap"
    assert picture is not None and picture.startswith(b"\xff\xd8")
    assert show_product(store, "3")[1] is None


def test_adding_again_replaces_by_id_and_changes_nothing_where_nothing_changed(store, tmp_path, monkeypatch):
    save(tmp_path, "cap.jpg")
    add(store, tmp_path, "1,Cap,hat,cap.jpg\n2,Hat,hat,\n")
    with store.read() as conn:
        before = read_revision(conn)
    monkeypatch.setattr("postlens.pipelines.catalog_images.Encoder", None)  # a known image is not read again
    assert add(store, tmp_path, "1,Cap,hat,cap.jpg\n2,Hat,hat,\n").n_known == 2
    with store.read() as conn:
        assert read_revision(conn) == before
    add(store, tmp_path, "3,Oil,beard,\n1,New cap,hat,cap.jpg\n")
    assert ids(store) == ["1", "2", "3"]
    assert show_product(store, "1")[0].title == "New cap"


def test_a_changed_image_file_is_read_anew(store, tmp_path):
    save(tmp_path, "cap.jpg")
    add(store, tmp_path, "1,Cap,hat,cap.jpg\n")
    first = vectors(store)["1"]
    save(tmp_path, "cap.jpg", seed=1)
    add(store, tmp_path, "1,Cap,hat,cap.jpg\n")
    assert not (vectors(store)["1"] == first).all()


@pytest.mark.parametrize("replace", [False, True])
def test_an_image_that_cannot_be_read_again_stays_and_is_told(store, tmp_path, replace):
    save(tmp_path, "cap.jpg")
    add(store, tmp_path, "1,Cap,hat,cap.jpg\n")
    before = vectors(store)["1"]
    (tmp_path / "cap.jpg").unlink()
    added = add(store, tmp_path, "1,New cap,hat,cap.jpg\n", replace=replace)
    (failure,) = added.failures
    assert (failure.error, added.n_images) == ("MediaNotFoundError", 1)
    assert failure.message.endswith("the picture that the store has of it stays")
    assert (vectors(store)["1"] == before).all()
    product, picture = show_product(store, "1")
    assert (product.title, picture is not None) == ("New cap", True)


def test_another_image_that_cannot_be_read_takes_the_place_of_the_one_before(store, tmp_path):
    save(tmp_path, "cap.jpg")
    add(store, tmp_path, "1,Cap,hat,cap.jpg\n")
    (failure,) = add(store, tmp_path, "1,Cap,hat,absent.jpg\n").failures
    assert "stays" not in failure.message
    assert show_product(store, "1")[1] is None


def test_an_image_at_a_url_is_fetched_once(store, tmp_path, monkeypatch):
    save(tmp_path, "cap.jpg")
    asked = []
    monkeypatch.setattr(
        "postlens.pipelines.catalog_images.fetch", lambda url, *_, **__: asked.append(url) or tmp_path / "cap.jpg"
    )
    for _ in range(2):
        assert add(store, tmp_path, "1,Cap,hat,https://shop.example.org/cap.jpg\n").failures == ()
    assert asked == ["https://shop.example.org/cap.jpg"]
    assert list(vectors(store)) == ["1"]
    add(store, tmp_path, "1,Cap,hat,https://shop.example.org/new.jpg\n")
    assert len(asked) == 2


def test_replacing_makes_the_file_the_whole_catalog_in_its_order(store, tmp_path):
    add(store, tmp_path, "1,Cap,hat,\n2,Hat,hat,\n")
    added = add(store, tmp_path, "3,Oil,beard,\n2,Hat,hat,\n", replace=True)
    assert (added.n_new, added.n_known, added.n_removed) == (1, 1, 1)
    assert ids(store) == ["3", "2"]


def test_a_file_that_is_no_catalog_leaves_the_store_as_it_was(store, tmp_path):
    add(store, tmp_path, "1,Cap,hat,\n")
    with pytest.raises(TableError):
        add(store, tmp_path, ",,,\n", replace=True)
    assert ids(store) == ["1"]


def test_products_are_removed_by_id_all_or_none(store, tmp_path):
    add(store, tmp_path, "cap-1,Cap,hat,\ncap-2,Hat,hat,\n")
    with pytest.raises(UnknownNameError, match="'cap-3'; did you mean 'cap-"):
        remove_products(store, ["cap-1", "cap-3"])
    assert ids(store) == ["cap-1", "cap-2"]
    assert remove_products(store, ["cap-1", "cap-1"]) == 1
    assert clear_catalog(store) == 1
    assert clear_catalog(store) == 0
    with pytest.raises(UnknownNameError, match="catalog list"):
        show_product(store, "cap-1")
