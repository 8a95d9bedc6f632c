"""Rows of a catalog to products, and what a broken one is answered with."""

from __future__ import annotations

from typing import Any

import pytest

from postlens.tasks.products.catalog import (
    LEFT_OUT,
    Catalog,
    CatalogRow,
    find_columns,
    parse_catalog,
    unknown_audience,
    unknown_labels,
)
from postlens.types import Failure, Product

LABELS = ("hat", "beard", "moustache", "eyewear")
CAP = {"product_id": "1", "title": "Cap", "labels": "hat"}


def parse(*rows: dict[str, Any]) -> Catalog:
    return parse_catalog([CatalogRow(f"row {n}", row) for n, row in enumerate(rows, start=2)], labels=LABELS)


def told(catalog: Catalog) -> list[tuple[str, str]]:
    return [(failure.subject, failure.message) for failure in catalog.failures]


def test_all_columns_are_read() -> None:
    row = {
        **CAP, "url": "https://example.org/1", "image": "cap.jpg", "price": "12,90 €", "audience": "adults; teens",
        "active": "no",
    }  # fmt: skip
    assert parse(row).products == (
        Product(
            product_id="1",
            title="Cap",
            labels=("hat",),
            url="https://example.org/1",
            image="cap.jpg",
            active=False,
            price=12.9,
            currency="EUR",
            audience=("adults", "teens"),
        ),
    )


def test_absent_columns_are_none_and_a_product_is_active() -> None:
    assert parse(CAP) == Catalog((Product("1", "Cap", ("hat",)),), ())


@pytest.mark.parametrize(
    "cell", ["Hat; beard", "hat,BEARD", [" Hat", "BEARD"], "hat | beard |", ["hat", "beard"], "hat;hat;beard"]
)
def test_labels_are_a_list_or_a_text_with_signs_between(cell: object) -> None:
    assert parse({**CAP, "labels": cell}).products[0].labels == ("hat", "beard")


@pytest.mark.parametrize(
    ("cell", "active"),
    [("", True), (None, True), (True, True), (1.0, True), ("Nein", False), (0, False), (False, False)],
)
def test_active_is_yes_or_no_in_many_spellings(cell: object, active: bool) -> None:
    assert parse({**CAP, "active": cell}).products[0].active is active


def test_whole_numbers_of_spreadsheets_are_ids_without_a_point() -> None:
    assert parse({**CAP, "product_id": 17.0}).products[0].product_id == "17"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"product_id": ""}, "column product_id: expected a value"),
        ({"title": None}, "column title: expected a value"),
        ({"title": ["Cap"]}, "column title: expected text, got list"),
        ({"labels": " ; "}, "column labels: expected a value"),
        ({"labels": [["hat"]]}, "column labels: expected text, got list"),
        ({"active": "perhaps"}, "column active: expected yes or no (true, false, 1, 0), got 'perhaps'"),
        ({"product_id": "1"}, "column product_id: expected each id once, got '1' again; the first is used"),
    ],
)
def test_a_broken_row_is_left_out_and_named_with_its_column(broken: dict[str, Any], message: str) -> None:
    found = parse(CAP, {"product_id": "2", "title": "Hat", "labels": "hat", **broken}, {**CAP, "product_id": "3"})
    assert [product.product_id for product in found.products] == ["1", "3"]
    assert [(subject, text[: len(message)]) for subject, text in told(found)] == [("row 3", message)]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"price": "on request"}, "column price: expected a price such as 12.90 or 12,90 €, got 'on request'"),
        ({"price": -3}, "column price: expected a price"),
        ({"price": True}, "column price: expected a price"),
        ({"price": "3 €", "currency": "USD"}, "column currency: expected that of the price, EUR, got USD"),
        ({"currency": "money"}, "column currency: expected a currency"),
        ({"url": "javascript:alert(1)"}, "column url: expected an http:// or https:// address"),
        ({"url": " DATA:text/html,x"}, "column url: expected an http"),
        ({"image": {"path": "x"}}, "column image: expected text, got dict"),
        ({"audience": [{}]}, "column audience: expected text, got dict"),
    ],
)
def test_an_optional_value_that_cannot_be_read_is_left_empty_and_told(broken: dict[str, Any], message: str) -> None:
    found = parse({**CAP, **broken})
    assert found.products == (Product("1", "Cap", ("hat",)),)
    assert [(subject, text[: len(message)]) for subject, text in told(found)] == [("row 2", message)]


@pytest.mark.parametrize("url", ["https://example.org/a:b", "HTTP://example.org", "example.org/1", "www.example.org"])
def test_addresses_of_the_web_are_kept(url: str) -> None:
    assert parse({**CAP, "url": url}).products[0].url == url


def test_what_became_of_a_row_is_told() -> None:
    bad = {**CAP, "product_id": "2", "url": "ftp://x", "price": "free"}
    found = parse(CAP, bad, {**bad, "product_id": "3", "title": ""})
    assert [product.product_id for product in found.products] == ["1", "2"]
    assert [text.rpartition("; ")[2] for _, text in told(found)] == [
        "kept without price",
        "kept without url",
        LEFT_OUT,
    ]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), None),
        (("Kids",), None),
        (("martians", "kids"), "no product has the audience 'martians'; known: Adults, kids"),
    ],
)
def test_an_audience_that_no_product_has_is_told(asked: tuple[str, ...], told: str | None) -> None:
    rows = [Product(str(n), "Cap", ("hat",), audience=names) for n, names in enumerate([("kids",), ("Adults",), ()])]
    notes = [note.message for note in unknown_audience(rows, asked)]
    assert notes == ([] if told is None else [told])


def test_where_all_products_are_for_everybody_that_is_told() -> None:
    (note,) = unknown_audience([Product("1", "Cap", ("hat",))], ["kids"])
    assert note.message == "no product has the audience 'kids'; all are for everybody"


def test_a_currency_of_its_own_column_goes_with_a_plain_price() -> None:
    product = parse({**CAP, "price": 5, "currency": "€"}).products[0]
    assert (product.price, product.currency) == (5, "EUR")


def test_a_label_that_no_model_reads_is_kept_and_told_once() -> None:
    found = parse({**CAP, "labels": "shoes;hat"}, {**CAP, "product_id": "2", "labels": "shoes"})
    assert [product.labels for product in found.products] == [("shoes", "hat"), ("shoes",)]
    (subject, message), *rest = told(found)
    assert rest == []
    assert subject == "label 'shoes'"
    assert "on 2 products" in message
    assert "product_models" in message


def test_labels_of_inactive_products_and_of_known_models_are_not_told() -> None:
    shoe = Product("1", "Shoe", ("shoes",))
    assert unknown_labels([shoe], labels=("shoes",)) == ()
    assert unknown_labels([Product("1", "Shoe", ("shoes",), active=False)], labels=LABELS) == ()


def test_failures_of_the_file_go_along() -> None:
    damaged = Failure("catalog.csv", "catalog", "RowError", "broken off")
    assert parse_catalog([CatalogRow("row 2", CAP), damaged], labels=LABELS).failures == (damaged,)


def test_columns_are_found_in_common_spellings() -> None:
    assert find_columns(["SKU", "Name", "Label", "Other", "Image URL"]) == {
        "product_id": 0,
        "title": 1,
        "labels": 2,
        "image": 4,
    }
    assert find_columns(["id", "Product-ID"])["product_id"] == 1
