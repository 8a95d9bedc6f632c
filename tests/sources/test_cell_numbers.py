from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.sources.cell_numbers import parse_count, parse_tagged


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1234", 1234),
        (" 1 234 ", 1234),
        ("1\u202f234\u00a0567", 1234567),
        ("1'234", 1234),
        ("1,234", 1234),
        ("1.234", 1234),
        ("1,234,567", 1234567),
        ("1.234.567", 1234567),
        ("1,234.0", 1234),
        ("1.234,0", 1234),
        ("1.001K", 1001),
        ("12.0", 12),
        ("12.3K", 12300),
        ("12,3 k", 12300),
        ("1.234K", 1234),
        ("1.2M", 1_200_000),
        ("3 Mio.", 3_000_000),
        ("2,5 Tsd.", 2500),
        ("12 mil", 12000),
        ("1B", 1e9),
        ("1e3", 1000),
        ("1.25E+05", 125_000),
        ("1,25E+05", 125_000),
        (17, 17),
        (17.0, 17),
        ("+5", 5),
        ("0", 0),
    ],
)
def test_counts_in_common_spellings(cell: Any, number: float | None) -> None:
    if number is None:
        with pytest.raises(ValueError, match="expected a number"):
            parse_count(cell, whole=True)
    else:
        assert parse_count(cell, whole=True) == pytest.approx(number)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        *(("1.234", 1.234), ("1,234", 1234), ("-3.5", -3.5), ("-1", -1), ("0,75", 0.75)),
        *(("1,234.5", 1234.5), ("1.234,5", 1234.5), ("12,5", 12.5), ("1234.567", 1234.567), ("0.123", 0.123)),
    ],
)
def test_figures_that_are_no_counts_may_have_fractions(cell: str, number: float) -> None:
    assert parse_count(cell, whole=False) == pytest.approx(number)


@pytest.mark.parametrize(
    "cell", ["", "  ", "-", "–", "n/a", "NaN", "null", "Hidden", None, float("nan"), -1, "-1", "-1.0"]
)
def test_cells_that_say_nothing_are_none_not_zero(cell: Any) -> None:
    assert parse_count(cell, whole=True) is None


@pytest.mark.parametrize(
    "cell", ["many", "12 likes", "1,23,456", "1.2.3", "1,2.3,4", "-5", -2, True, "=A1", "1.2X", [1], "9" * 400]
)
def test_broken_counts_are_errors(cell: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_count(cell, whole=True)


@pytest.mark.parametrize("cell", ["12.5", "12,5", 12.5, "1,234.5", "0.123", "1.2345K", "1E-02"])
def test_a_fraction_is_no_count(cell: Any) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        parse_count(cell, whole=True)


@pytest.mark.parametrize(("cell", "share"), [("4.5%", 0.045), ("4,5 %", 0.045), ("-3%", -0.03), ("1,250%", 12.5)])
def test_a_percentage_is_a_share_and_no_count(cell: str, share: float) -> None:
    assert parse_count(cell, whole=False) == pytest.approx(share)
    with pytest.raises(ValueError, match="expected a number"):
        parse_count(cell, whole=True)


@given(st.integers(0, 10**12), st.sampled_from([",", ".", " ", "'", "_", "\u202f"]))
def test_grouped_thousands_are_read_back(number: int, sign: str) -> None:
    assert parse_count(f"{number:,}".replace(",", sign), whole=True) == number


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.text())))
def test_any_cell_is_a_count_or_an_expected_error(cell: Any) -> None:
    try:
        parse_count(cell, whole=True)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(("cell", "expected"), [("3", 3), (["ben", "cleo"], 2), ([], 0), ("", None), ("-1", None)])
def test_tagged_accounts_are_a_count_or_a_list(cell: Any, expected: int | None) -> None:
    assert parse_tagged(cell) == expected


@pytest.mark.parametrize("cell", ["2.5", "ben", {"a": 1}])
def test_what_is_no_count_of_accounts_is_told(cell: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_tagged(cell)
