"""Catalog files to products, and what a broken one is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from postlens.errors import PostlensError, RowError, SourceNotFoundError, TableError
from postlens.tasks.products.catalog import DEFAULT_CATALOG, load_catalog
from postlens.tasks.products.items import ITEMS

HEADER = "product_id,title,labels,url,image,active\n"


def write(folder: Path, text: str, name: str = "catalog.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_default_catalog_serves_every_item() -> None:
    labels = {label for product in load_catalog(DEFAULT_CATALOG) for label in product.labels}
    assert all(labels & {item, *attributes} for item, attributes in ITEMS.items())


def test_csv_and_toml_say_the_same(tmp_path: Path) -> None:
    table = write(tmp_path, HEADER + "a1, Cap ,Hat; beard,https://example.org/a1,,yes\n")
    toml = '[[product]]\nproduct_id = "a1"\ntitle = "Cap"\nlabels = ["hat", "beard"]\nurl = "https://example.org/a1"\n'
    products = load_catalog(table)
    assert products == load_catalog(write(tmp_path, toml, "catalog.toml"))
    assert products[0].labels == ("hat", "beard")
    assert products[0].image is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheet_delimiters_and_byte_order_marks_are_read(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffProduct_ID|Title|Labels\n1|Cap|hat\n".replace("|", delimiter)
    assert load_catalog(write(tmp_path, text))[0].product_id == "1"


def test_several_labels_fit_in_a_cell_of_a_semicolon_table(tmp_path: Path) -> None:
    text = "product_id;title;labels\n1;Oil;beard,moustache|stubble\n"
    assert load_catalog(write(tmp_path, text))[0].labels == ("beard", "moustache", "stubble")


def test_inactive_products_are_skipped(tmp_path: Path) -> None:
    rows = "1,Cap,hat,,,no\n2,Hat,hat,,,\n3,Oil,beard,,,FALSE\n4,Frame,eyewear,,,1\n"
    assert [p.product_id for p in load_catalog(write(tmp_path, HEADER + rows))] == ["2", "4"]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("2,Cap,shoes,,,", "column labels: .*'shoes'"),
        ("2,Cap,,,,", "column labels: .*nothing"),
        ("2,,hat,,,", "column title"),
        (",Cap,hat,,,", "column product_id"),
        ("2,Cap,hat,,,perhaps", "column active: .*'perhaps'"),
        ("1,Cap,hat,,,", "column product_id: .*'1' again"),
        ("2", "column title"),
    ],
)
def test_a_broken_row_is_named_with_its_column(tmp_path: Path, row: str, place: str) -> None:
    with pytest.raises(RowError, match=f"row 3, {place}"):
        load_catalog(write(tmp_path, f"{HEADER}1,Cap,hat,,,\n{row}\n"))


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ('product_id = "2"\ntitle = "Cap"\nlabels = 7', "column labels"),
        ('product_id = "2"\ntitle = ["Cap"]\nlabels = ["hat"]', "column title: expected text, got list"),
        ('product_id = "2"\ntitle = "Cap"\nlabels = [["hat"]]', "column labels: expected text, got list"),
        ('title = "Cap"\nlabels = ["hat"]', "column product_id"),
    ],
)
def test_a_broken_table_is_named_with_its_column(tmp_path: Path, values: str, place: str) -> None:
    with pytest.raises(RowError, match=f"product 1, {place}"):
        load_catalog(write(tmp_path, f"[[product]]\n{values}\n", "catalog.toml"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("catalog.csv", "title,labels\nCap,hat\n", "product_id missing"),
        ("catalog.csv", "", "missing"),
        ("catalog.csv", HEADER, "at least one product"),
        ("catalog.toml", "", "at least one product"),
        ("catalog.toml", "product = 3", r"\[\[product\]\]"),
        ("catalog.toml", "[[product]\n", "not valid TOML"),
        ("catalog.ods", "x", "'.ods'"),
    ],
)
def test_a_file_that_is_no_catalog_says_what_was_expected(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        load_catalog(write(tmp_path, text, name))


def test_other_encodings_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + "1,Hüte,hat,,,\n".encode("latin-1"))
    with pytest.raises(TableError, match="UTF-8"):
        load_catalog(tmp_path / "latin.csv")
    with pytest.raises(SourceNotFoundError, match=r"absent\.csv"):
        load_catalog(tmp_path / "absent.csv")
    with pytest.raises(PostlensError):
        load_catalog(tmp_path)
