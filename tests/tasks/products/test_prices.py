"""What stands in a price column to an amount and a currency."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.products.prices import parse_currency, parse_price


@pytest.mark.parametrize(
    ("cell", "amount", "currency"),
    [
        (12.9, 12.9, None),
        (0, 0, None),
        ("12.90", 12.9, None),
        ("12,90 €", 12.9, "EUR"),
        ("€12.90", 12.9, "EUR"),
        ("$1,299.00", 1299, "USD"),
        ("1.299,00 EUR", 1299, "EUR"),
        ("1.299", 1299, None),
        ("1.299.000", 1_299_000, None),
        ("0.125", 0.125, None),
        ("1 299,50\u00a0zł", 1299.5, "PLN"),
        ("1'299.95", 1299.95, None),
        ("CHF 45.–", 45, "CHF"),
        ("Fr. 45.50", 45.5, "CHF"),
        ("45,-", 45, None),
        ("£5", 5, "GBP"),
        ("5 gbp", 5, "GBP"),
    ],
)
def test_numbers_and_the_usual_spellings_are_prices(cell: object, amount: float, currency: str | None) -> None:
    assert parse_price(cell) == (amount, currency)


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan")])
def test_an_empty_cell_is_no_price(cell: object) -> None:
    assert parse_price(cell) is None


@pytest.mark.parametrize(
    "cell",
    ["free", "on request", "-5", -5, "10-20", "1,2,3", "1.2.3,4", "12..5", "€", "€ 5 EUR", True, [5], float("inf")],
)
def test_what_is_no_price_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match="expected a price"):
        parse_price(cell)


@pytest.mark.parametrize("exponent", [309, 5_000, -5_000])
def test_an_integer_of_any_length_is_refused(exponent: int) -> None:
    with pytest.raises(ValueError, match=r"expected a price .*got an integer of .* bits; correct it"):
        parse_price(10**exponent if exponent > 0 else -(10**-exponent))


def test_a_currency_is_a_sign_or_three_letters() -> None:
    assert [parse_currency(text) for text in ("€", " eur ", "")] == ["EUR", "EUR", None]
    with pytest.raises(ValueError, match="expected a currency"):
        parse_currency("euros")


@given(st.integers(0, 10**7), st.integers(0, 99))
def test_english_and_german_spellings_say_the_same(whole: int, cents: int) -> None:
    english = f"{whole:,}.{cents:02}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert parse_price(english) == parse_price(german) == (float(f"{whole}.{cents:02}"), None)


@given(st.text(max_size=12))
def test_any_text_is_a_price_or_refused(text: str) -> None:
    try:
        price = parse_price(text)
    except ValueError:
        return
    assert price is None or price.amount >= 0
