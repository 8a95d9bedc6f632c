"""The lines of a likes list."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import TableError
from postlens.sources import likes_file
from postlens.sources.likes_file import LikesLine, LineProblem, parse_likes, read_likes_file

COUNTS = st.dictionaries(st.integers(0, 10**9 - 1), st.integers(0, 10**12), max_size=20)


def likes_of(*lines: str) -> list[float | None]:
    return [line.likes for line in parse_likes(lines) if isinstance(line, LikesLine)]


def problems_of(*lines: str) -> list[tuple[int, str]]:
    return [(line.line, line.message) for line in parse_likes(lines) if isinstance(line, LineProblem)]


@given(COUNTS, st.sampled_from(["{}: {}", "{}:{}", "  {} :\t{}  ", "{}.jpg: {}", "{}: {} # seen in May"]))
def test_every_written_count_is_read(counts: dict[int, int], form: str) -> None:
    found = list(parse_likes(form.format(*item) for item in counts.items()))
    assert found == [LikesLine(at, number, float(n)) for at, (number, n) in enumerate(counts.items(), 1)]


@given(st.lists(st.text(max_size=12) | st.from_regex(r"[0-9]{1,2} ?: ?[-+.,#0-9a-zK%]{0,6}", fullmatch=True)))
def test_any_lines_are_counts_or_problems_and_no_number_counts_twice(lines: list[str]) -> None:
    found = list(parse_likes(lines))
    known = [line for line in found if isinstance(line, LikesLine)]
    assert len({line.number for line in known}) == len(known)
    assert all(line.likes is None or (line.likes >= 0 and line.likes.is_integer()) for line in known)
    silent = {line.line for line in known if line.likes is None} - {p.line for p in found if isinstance(p, LineProblem)}
    assert not silent


@given(COUNTS, st.sampled_from(["", "# a comment", "   "]), st.integers(0, 3))
def test_comments_and_blank_lines_change_nothing_but_line_numbers(counts: dict[int, int], idle: str, n: int) -> None:
    lines = [f"{number}: {count}" for number, count in counts.items()]
    assert likes_of(*[idle] * n, *lines, idle) == likes_of(*lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-", "stands for hidden"),
        ("", "got nothing"),
        ("hidden", "stands for hidden"),
        ("-1", "of 0 or more"),
        ("-27", "of 0 or more"),
        ("many", "expected a number such as"),
        ("2.5", "a whole number"),
        ("1e999", "of 0 or more"),
    ],
)
def test_what_is_no_count_stays_unknown_and_is_told(text: str, reason: str) -> None:
    assert likes_of(f"3: {text}") == [None]
    ((line, message),) = problems_of("# likes", f"3: {text}")
    assert (line, reason in message, "photo 3 stay unknown" in message) == (2, True, True)


@pytest.mark.parametrize("text", ["27", "a: 27", "-1: 27", "1 27", "1.5.6: 2", "1;27"])
def test_a_line_of_another_form_is_left_out_and_told(text: str) -> None:
    assert likes_of(text) == []
    assert problems_of(text)[0][1].startswith("expected `number: likes`")


def test_thousands_may_be_written_as_in_tables() -> None:
    assert likes_of("1: 1,234", "2: 1.2K", "3: 12 345") == [1234, 1200, 12345]


def test_of_several_lines_of_one_number_the_last_with_likes_counts() -> None:
    assert likes_of("1: 5", "01: 7") == [7]
    assert problems_of("1: 5", "01: 7") == [(2, "photo 1 has a line already (line 1); the last counts")]
    assert likes_of("1: 5", "1: -") == [5]
    first, second = problems_of("1: 5", "1: -")
    assert first == (2, "photo 1 has a line already (line 1); the first counts")
    assert second[1].endswith("the likes of photo 1 stay those of line 1")


@pytest.mark.parametrize(
    "content",
    [
        b"1: 27\r\n2: 28\r\n",
        codecs.BOM_UTF8 + b"1: 27\n2: 28",
        "# für Ben\n1: 27\n2: 28".encode("cp1252"),
        codecs.BOM_UTF16_LE + "1: 27\n2: 28".encode("utf-16-le"),
        b"1: 27\r2: 28\r",
    ],
    ids=["CRLF", "BOM", "Windows-1252", "UTF-16", "CR"],
)
def test_files_as_editors_save_them_are_read(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "y_likes_data.txt"
    path.write_bytes(content)
    assert [(one.number, one.likes) for one in read_likes_file(path) if isinstance(one, LikesLine)] == [
        (1, 27),
        (2, 28),
    ]


def test_a_file_too_large_for_a_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likes_file, "MAX_BYTES", 4)
    (tmp_path / "y_likes_data.txt").write_text("1: 27")
    with pytest.raises(TableError, match="at most 0 MiB"):
        read_likes_file(tmp_path / "y_likes_data.txt")
