from __future__ import annotations

from typing import Any

import pytest

from postlens.sources.cells import parse_caption, parse_presence, parse_text


def test_whole_numbers_from_spreadsheets_are_texts_without_a_fraction() -> None:
    assert [parse_text(cell) for cell in (123.0, 1.5, " a ", "", None)] == ["123", "1.5", "a", None, None]


def test_a_caption_may_be_a_word_that_means_nothing_elsewhere() -> None:
    assert [parse_caption(cell) for cell in ("none", " a ", " ", None)] == ["none", " a ", None, None]


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
