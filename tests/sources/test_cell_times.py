from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.sources.cell_times import parse_time

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


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.text())))
def test_any_cell_is_a_time_or_an_expected_error(cell: Any) -> None:
    try:
        parse_time(cell)
    except ValueError as error:
        assert str(error)
