from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.sources.cells import (
    parse_caption,
    parse_count,
    parse_media,
    parse_presence,
    parse_tagged,
    parse_text,
    parse_time,
)


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
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("12,5", 12.5),
        ("12.0", 12),
        ("1234.567", 1234.567),
        ("0.123", 0.123),
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
    ("cell", "number"), [("1.234", 1.234), ("1,234", 1234), ("-3.5", -3.5), ("-1", -1), ("0,75", 0.75)]
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
    for parse in (lambda cell: parse_count(cell, whole=True), parse_time):
        try:
            parse(cell)
        except ValueError as error:
            assert str(error)


NOON = datetime(2024, 12, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        "2024-12-31T12:30:00Z",
        "2024-12-31 12:30",
        "2024-12-31T13:30:00+01:00",
        "31.12.2024 12:30",
        "31.12.2024, 12:30:00",
        "31/12/2024 12:30",
        "12/31/2024 12:30",
        "1735648200",
        1735648200,
        1735648200000.0,
        45657 + 12.5 / 24,
        "45657.520833333336",
        "Tue, 31 Dec 2024 12:30:00 +0000",
        "Tue Dec 31 12:30:00 +0000 2024",
        datetime(2024, 12, 31, 12, 30),
        datetime(2024, 12, 31, 13, 30, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_times_in_common_spellings_become_utc(cell: Any) -> None:
    assert parse_time(cell) == NOON


@pytest.mark.parametrize("cell", ["2024-03-05", "05.03.2024", "5.3.2024", date(2024, 3, 5), "20240305", 45356, "45356"])
def test_dates_are_midnight(cell: Any) -> None:
    assert parse_time(cell) == datetime(2024, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["03/04/2024", "yesterday", "32.01.2024", "2024", 4500, "31/31/2024", True])
def test_times_that_are_none_or_ambiguous_are_errors(cell: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(cell)


def test_whole_numbers_from_spreadsheets_are_texts_without_a_fraction() -> None:
    assert [parse_text(cell) for cell in (123.0, 1.5, " a ", "", None)] == ["123", "1.5", "a", None, None]


def test_a_caption_may_be_a_word_that_means_nothing_elsewhere() -> None:
    assert [parse_caption(cell) for cell in ("none", " a ", " ", None)] == ["none", " a ", None, None]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a.jpg", ["a.jpg"]),
        ("a.jpg;b.mp4 | c.png", ["a.jpg", "b.mp4", "c.png"]),
        ("a.jpg;", ["a.jpg"]),
        (["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
        ("x;y.jpg", ["x;y.jpg"]),
        ("sub\\z.jpg", ["sub/z.jpg"]),
        ("../up.jpg", ["../up.jpg"]),
        ("", []),
        (None, []),
        ([], []),
    ],
)
def test_media_cells_name_paths_from_the_tables_folder(cell: Any, names: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "table"
    (folder / "sub").mkdir(parents=True)
    for name in ("x;y.jpg", "sub/z.jpg"):
        (folder / name).touch()
    expected = [str((folder / name).resolve()) for name in names]
    assert [ref.path for ref in parse_media(cell, folder=str(folder))] == expected


def test_urls_keep_the_signs_that_separate_paths() -> None:
    cell = "https://h/a.jpg;v=1?x=1|2; https://h/b.jpg|http://h/c"
    assert [ref.url for ref in parse_media(cell, folder="/")] == [
        "https://h/a.jpg;v=1?x=1|2",
        "https://h/b.jpg",
        "http://h/c",
    ]
    assert [ref.url for ref in parse_media("host/a.jpg", folder="/", as_url=True)] == ["host/a.jpg"]


@pytest.mark.parametrize("cell", ["a\0b;c", "x" * 5000 + ";y"])
def test_texts_that_cannot_be_paths_are_found_missing_later(cell: str, tmp_path: Path) -> None:
    assert len(parse_media(cell, folder=str(tmp_path))) == 2


@pytest.mark.parametrize(("cell", "expected"), [("3", 3), (["ben", "cleo"], 2), ([], 0), ("", None), ("-1", None)])
def test_tagged_accounts_are_a_count_or_a_list(cell: Any, expected: int | None) -> None:
    assert parse_tagged(cell) == expected


@pytest.mark.parametrize("cell", ["2.5", "ben", {"a": 1}])
def test_what_is_no_count_of_accounts_is_told(cell: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_tagged(cell)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Berlin", True),
        ({"id": 1}, True),
        (1, True),
        (0, False),
        ("No", False),
        ("false", False),
        ("", None),
        (None, None),
    ],
)
def test_a_place_is_there_or_not_or_unknown(cell: Any, expected: bool | None) -> None:
    assert parse_presence(cell) is expected
