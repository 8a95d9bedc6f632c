"""Pages of lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.serve.errors import Problem
from postlens.serve.listing import Paging, part_of

Rows = list[tuple[str, float | None]]
SORTS = {"id": lambda row: row[0], "size": lambda row: row[1]}


def pages(rows: Rows, sort: str, limit: int) -> list[Rows]:
    found, cursor = [], None
    while True:
        part = part_of(rows, Paging(limit, cursor, sort), key=lambda row: row[0], sorts=SORTS, default="id")
        found.append(part.rows)
        cursor = part.next_cursor
        if cursor is None:
            return found


rows_strategy = st.dictionaries(st.text(max_size=4), st.none() | st.floats(-1e6, 1e6)).map(
    lambda found: list(found.items())
)


@given(rows=rows_strategy, sort=st.sampled_from(["id", "-id", "size", "-size"]), limit=st.integers(1, 5))
def test_pages_have_every_row_once_and_in_order(rows, sort, limit):
    found = [row for page in pages(rows, sort, limit) for row in page]
    assert sorted(found, key=repr) == sorted(rows, key=repr)
    values = [SORTS[sort.removeprefix("-")](row) for row in found]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert values[: len(known)] == known


def test_rows_that_come_meanwhile_shift_nothing():
    first = part_of([("b", 1.0), ("d", 2.0)], Paging(1), key=lambda row: row[0], sorts=SORTS, default="id")
    rows = [("a", 0.0), ("b", 1.0), ("c", 1.5), ("d", 2.0)]
    rest = part_of(rows, Paging(9, first.next_cursor), key=lambda row: row[0], sorts=SORTS, default="id")
    assert [row[0] for row in rest.rows] == ["c", "d"]


@pytest.mark.parametrize("cursor", ["", "x", "!!!!", "bnVsbA", "W10", "ä", "WyJpZCIsWzAsW10sMV0sIngiXQ"])
def test_a_cursor_of_something_else_is_refused(cursor):
    with pytest.raises(Problem) as told:
        part_of([("a", 1.0)], Paging(1, cursor), key=lambda row: row[0], sorts=SORTS, default="id")
    assert told.value.kind.code == "bad-cursor"


def test_a_cursor_is_of_one_sort():
    part = part_of([("a", 1.0), ("b", 2.0)], Paging(1), key=lambda row: row[0], sorts=SORTS, default="id")
    with pytest.raises(Problem):
        part_of([], Paging(1, part.next_cursor, "-size"), key=lambda row: row[0], sorts=SORTS, default="id")
