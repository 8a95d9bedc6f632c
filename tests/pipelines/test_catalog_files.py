"""Catalog files to products: every kind of file, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from postlens.errors import PostlensError, SourceNotFoundError, TableError
from postlens.pipelines.catalog_files import read_catalog
from postlens.tasks.products.catalog import DEFAULT_CATALOG
from postlens.tasks.products.items import ITEMS
from postlens.types import Product

HEADER = "product_id,title,labels,price\n"
CAP = Product("1", "Hüt", ("hat", "beard"), price=12.9, currency="EUR")


def write(folder: Path, text: str, name: str = "catalog.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def workbook(folder: Path, *rows: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / "catalog.xlsx")
    return folder / "catalog.xlsx"


def test_the_shipped_example_serves_every_item() -> None:
    found = read_catalog(DEFAULT_CATALOG)
    labels = {label for product in found.products for label in product.labels}
    assert all(labels & {item, *attributes} for item, attributes in ITEMS.items())
    assert found.failures == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize(("sign", "name"), [(";", "c.csv"), ("\t", "c.tsv"), ("|", "c.csv")])
def test_delimiters_and_encodings_of_spreadsheets_are_read(tmp_path: Path, encoding: str, sign: str, name: str) -> None:
    price = "12,90 EUR" if encoding == "latin-1" else "12,90 €"
    text = f"Product ID|Title|Labels|Price\n1|Hüt|hat,beard|{price}\n".replace("|", sign)
    assert read_catalog(write(tmp_path, text, name, encoding)).products == (CAP,)


def test_a_comma_table_has_its_texts_with_commas_in_quotes(tmp_path: Path) -> None:
    assert read_catalog(write(tmp_path, f'{HEADER}1,Hüt,"hat,beard","12,90 €"\n')).products == (CAP,)


def test_toml_says_the_same_with_lists_and_numbers(tmp_path: Path) -> None:
    text = '[[product]]\nproduct_id = 1\ntitle = "Hüt"\nlabels = ["hat", "beard"]\nprice = 12.9\ncurrency = "€"\n'
    assert read_catalog(write(tmp_path, text, "c.toml")).products == (CAP,)


def test_a_spreadsheet_may_have_a_title_above_and_empty_rows_between(tmp_path: Path) -> None:
    header = ("product_id", "title", "labels", "price", "currency", "active")
    row = (1, "Hüt", "hat; beard", 12.9, "EUR", True)
    path = workbook(tmp_path, ("Our products",), header, row, (), (2, "Old", "hat", None, None, False))
    first, second = read_catalog(path).products
    assert first == CAP
    assert (second.product_id, second.active) == ("2", False)


def test_cells_that_link_somewhere_give_the_address(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("product_id", "title", "labels", "url"), ("1", "Cap", "hat", "shop"))
    book = openpyxl.load_workbook(path)
    book.active["D2"].hyperlink = "https://example.org/1"
    book.save(path)
    assert read_catalog(path).products[0].url == "https://example.org/1"


def test_an_error_of_the_spreadsheet_is_told_with_its_row(tmp_path: Path) -> None:
    path = workbook(
        tmp_path, ("product_id", "title", "labels", "price"), ("1", "Cap", "hat", "=1/0"), ("2", "Hat", "hat")
    )
    found = read_catalog(path)
    assert [product.price for product in found.products] == [None, None]
    assert [(one.subject.rpartition(", ")[2], "column price" in one.message) for one in found.failures] == [
        ("row 2", True)
    ]


def test_broken_rows_are_told_with_their_number_and_the_rest_is_used(tmp_path: Path) -> None:
    text = f"{HEADER}1,Cap,hat,5\n,Hat,hat,5\n1,Again,hat,5\n4,Oil,beard,cheap\n5,Shoe,shoes,\n6\n"
    found = read_catalog(write(tmp_path, text))
    assert [product.product_id for product in found.products] == ["1", "4", "5"]
    told = [one.subject.rpartition(", ")[2] for one in found.failures]
    assert told == ["row 3", "row 4", "row 5", "row 7", "label 'shoes'"]
    assert all(one.stage == "catalog" and one.message for one in found.failures)


def test_a_guard_against_formulas_is_no_part_of_a_title(tmp_path: Path) -> None:
    assert read_catalog(write(tmp_path, f"{HEADER}1,'=Cap,hat,5\n")).products[0].title == "=Cap"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.csv", "title,labels\nCap,hat\n", "product_id missing, add them"),
        ("c.csv", "", "an empty file"),
        ("c.csv", "\n\n", "product_id, title, labels missing"),
        ("c.csv", HEADER, "at least one product, got none"),
        ("c.csv", f"{HEADER},Cap,hat,\n2,,hat,\n", "got none of 2 rows; the first: .*row 2, column product_id"),
        ("c.csv", "\x00\x01\x02", "missing"),
        ("c.toml", "", "an empty file"),
        ("c.toml", "# nothing\n", "at least one product, got none"),
        ("c.toml", "product = 3", r"\[\[product\]\]"),
        ("c.toml", "product = [3]", r"\[\[product\]\]"),
        ("c.toml", "[[products]]\ntitle = 'Cap'\n", r"expected \[\[product\]\] tables, found products; write"),
        ("c.toml", "[[product]\n", "not valid TOML"),
        ("c.toml", f"a = {'[' * 50_000}", "not valid TOML: lists or tables are nested too deeply; correct it"),
        ("c.toml", f"[[product]]\nprice = {'1' * 5000}", "not valid TOML: Exceeds the limit"),
        ("c.xlsx", "no workbook", "expected a spreadsheet"),
        ("c.parquet", "no table", "expected a Parquet file"),
        ("c.pdf", "x", r"one of \.csv, .*'\.pdf'"),
    ],
)
def test_a_file_that_is_no_catalog_says_what_was_expected(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_catalog(write(tmp_path, text, name))


@pytest.mark.parametrize("name", ["c.toml", "c.jsonl"])
def test_a_price_of_four_hundred_digits_breaks_its_cell_alone(tmp_path: Path, name: str) -> None:
    rows = [f'"product_id"="{n}"|"title"="Cap"|"labels"="hat"|"price"={price}' for n, price in ((1, 5), (2, 10**400))]
    toml = "\n".join(["[[product]]", rows[0], "[[product]]", rows[1]]).replace("|", "\n")
    jsonl = "\n".join("{" + row.replace("|", ",").replace("=", ":") + "}" for row in rows)
    found = read_catalog(write(tmp_path, toml if name == "c.toml" else jsonl, name))
    assert [(product.product_id, product.price) for product in found.products] == [("1", 5), ("2", None)]
    assert "column price: expected a price" in found.failures[0].message


def test_toml_in_another_encoding_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="UTF-8"):
        read_catalog(write(tmp_path, '[[product]]\ntitle = "Hüt"\n', "c.toml", "latin-1"))
    with pytest.raises(SourceNotFoundError, match=r"absent\.csv"):
        read_catalog(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    for path in (tmp_path, tmp_path / "folder.csv"):
        with pytest.raises(PostlensError):
            read_catalog(path)
