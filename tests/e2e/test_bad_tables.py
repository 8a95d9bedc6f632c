"""Tables as people send them, through `clean` and `analyze`: every row is kept or told, with what to do about it."""

from __future__ import annotations

import csv
import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import polars as pl
import pytest
import xlsxwriter

from postlens.cli.app import run
from postlens.media.fetch import fetch
from postlens.pipelines import ingest

from ..media.samples import encoded, photo

LOCAL = "127.0.0.1"
A, B, C = "a.png", "b.png", "c.png"
HEADER = ["path", "creator", "likes"]


class Case(NamedTuple):
    """A table, what becomes of it, and what is said."""

    write: Callable[[Path], Path]
    likes: list[float | None]  # of the posts, in the order of the table
    said: tuple[str, ...] = ()  # in the messages; empty: nothing failed


def book(rows: list[list[Any]], *, merged: tuple[str, ...] = (), links: dict[str, str] | None = None) -> Any:
    """A workbook without saved results of formulas."""

    def write(folder: Path) -> Path:
        made = openpyxl.Workbook()
        for row in rows:
            made.active.append(row)
        for place, target in (links or {}).items():
            made.active[place].hyperlink = target
        for area in merged:
            made.active.merge_cells(area)
        made.save(folder / "posts.xlsx")
        return folder / "posts.xlsx"

    return write


def calculated(results: dict[str, Any]) -> Any:
    """A workbook whose likes are formulas with saved results."""

    def write(folder: Path) -> Path:
        with xlsxwriter.Workbook(folder / "posts.xlsx") as made:
            page = made.add_worksheet("Posts")
            page.write_row(0, 0, HEADER)
            for row, (name, result) in enumerate(results.items(), start=1):
                page.write_row(row, 0, [name, "ann"])
                page.write_formula(row, 2, "=B1*2", value=result)
        return folder / "posts.xlsx"

    return write


def sheets(*titles: str) -> Any:
    def write(folder: Path) -> Path:
        with xlsxwriter.Workbook(folder / "posts.xlsx") as made:
            made.add_worksheet("Notes").write(0, 0, "made by hand")
            for number, title in enumerate(titles, start=1):
                page = made.add_worksheet(title)
                page.write_row(0, 0, HEADER)
                page.write_row(1, 0, [f"{'abc'[number - 1]}.png", "ann", number])
        return folder / "posts.xlsx"

    return write


def lines(*text: str) -> Any:
    def write(folder: Path) -> Path:
        (folder / "posts.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
        return folder / "posts.csv"

    return write


CASES = {
    "empty rows": Case(lines(",,", "path,creator,likes", "", f"{A},ann,1", ",,", " , , ", f"{B},ann,2", ","), [1, 2]),
    "rows without media": Case(
        lines("path,creator,likes", ",ann,7", f"{A},ann,1"), [1], ("row 2: expected a path or url",)
    ),
    "formulas with results": Case(calculated({A: 42, B: 7.0}), [42, 7]),
    "formulas without results": Case(
        book([HEADER, [A, "ann", "=6*7"], [B, "ann", 2]]), [None, 2], ("row 2", "open and save it in Excel")
    ),
    "errors of the spreadsheet": Case(calculated({A: "#DIV/0!", B: 2}), [None, 2], ("got '#DIV/0!'",)),
    "text in a number column": Case(
        lines("path,creator,likes", f"{A},ann,viele", f"{B},ann,12"), [None, 12], ("column 'likes'", "got 'viele'")
    ),
    "duplicate headers": Case(
        lines("path,creator,likes,likes", f"{A},ann,1,9"), [1], ("'likes' is there more than once; the first is read",)
    ),
    "two sheets": Case(sheets("May", "June"), [1], ("only sheet 'May' is read", "files: June")),
    "merged creators": Case(book([HEADER, [A, "ann", 1], [B, None, 2]], merged=("B2:B3",)), [1, 2]),
    "merged numbers": Case(
        book([HEADER, [A, "ann", 5], [B, "ann", None]], merged=("C2:C3",)), [5, None], ("merged cells (from row 2)",)
    ),
    "merged title above": Case(
        book([["Campaign of May", None, None], [None], HEADER, [A, "ann", 1]], merged=("A1:C1",)), [1]
    ),
    "header in the eighth row": Case(lines(*["Campaign,,"] * 7, "path,creator,likes", f"{A},ann,1"), [1]),
    "links to files": Case(book([HEADER, ["first clip", "ann", 1]], links={"A2": A}), [1]),
    "thousands": Case(
        lines("path;creator;likes", f"{A};ann;1,234", f"{B};ann;1.234.567", f"{C};ann;12 345"), [1234, 1234567, 12345]
    ),
    "percent in a count": Case(lines("path,creator,likes", f"{A},ann,5%"), [None], ("got '5%'",)),
    "dates": Case(
        book([[*HEADER, "date"], [A, "ann", 1, datetime(2024, 5, 1)], [B, "ann", 2, 45413], [C, "ann", 3, "1.5.2024"]]),
        [1, 2, 3],
    ),
    "dates of two readings": Case(
        lines("path,creator,likes,date", f"{A},ann,1,03/04/2024"), [1], ("write 2024-12-31",)
    ),
}
NOTHING = {
    "no rows": Case(lines("path,creator,likes"), [], ("expected rows with media, got none",)),
    "empty rows only": Case(lines("path,creator,likes", ",,", ""), [], ("expected rows with media, got none",)),
    "no header": Case(lines("one,two", "1,2"), [], ("got columns: one, two",)),
    "header too far down": Case(
        lines(*["x,,"] * 12, "path,creator,likes", f"{A},ann,1"), [], ("expected a column path",)
    ),
    "an empty file": Case(lines(""), [], ("expected a column path",)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three pictures."""
    for seed, name in enumerate((A, B, C)):
        (tmp_path / name).write_bytes(encoded(photo(96, 64, seed=seed), "PNG"))
    return tmp_path


def messages(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["message"] for row in csv.DictReader(file)]


def check_said(found: list[str], said: tuple[str, ...]) -> None:
    assert bool(found) == bool(said), found
    assert [words for words in said if not any(words in message for message in found)] == [], found


@pytest.mark.parametrize("name", [*CASES, *NOTHING])
def test_clean_keeps_or_tells_every_row(name, folder):
    case = (CASES | NOTHING)[name]
    table, out = case.write(folder), folder / "out"
    assert run(["clean", str(table), "--out", str(out), "--format", "csv", "--set", "workers=1"]) == (
        0 if case.likes else 1
    )
    check_said(messages(out / "failures.csv"), case.said)
    if case.likes:
        assert run(["clean", str(out / "clean.csv"), "--out", str(folder / "again"), "--format", "csv"]) == 0
        with (out / "clean.csv").open(newline="") as first, (folder / "again" / "clean.csv").open(newline="") as second:
            assert len(list(csv.reader(first))) == len(list(csv.reader(second))) == len(case.likes) + 1


@pytest.mark.parametrize("name", [*CASES, *NOTHING])
def test_analyze_keeps_or_tells_every_row(name, folder):
    case = (CASES | NOTHING)[name]
    table, out = case.write(folder), folder / "out"
    assert run(["analyze", str(table), "--out", str(out), "--set", "workers=1"]) == (0 if case.likes else 1)
    check_said(messages(out / "failures.csv"), case.said)
    posts = pl.read_parquet(out / "posts.parquet")
    found = dict(zip([Path(media[0]).name for media in posts["media"]], posts["likes"], strict=True))
    assert found == dict(zip((A, B, C), case.likes, strict=False))
    assert set(posts["creator_id"]) <= {"unknown:ann"}


@pytest.mark.parametrize("verb", ["clean", "analyze"])
def test_the_dates_of_a_table_are_read_whatever_their_form(verb, folder):
    table = CASES["dates"].write(folder)
    assert run([verb, str(table), "--out", str(folder / "out")]) == 0
    assert run(["analyze", str(table), "--out", str(folder / "out")]) == 0
    assert set(pl.read_parquet(folder / "out" / "posts.parquet")["published_at"].dt.date()) == {
        datetime(2024, 5, 1).date()
    }


# --- addresses -------------------------------------------------------------------------------------------------------


class _Pages(http.server.BaseHTTPRequestHandler):
    """A web page at every address but /b.png."""

    def do_GET(self) -> None:
        picture = self.path == "/b.png"
        body = encoded(photo(96, 64, seed=1), "PNG") if picture else b"<!doctype html><title>Log in</title>"
        self.send_response(200)
        self.send_header("Content-Type", "image/png" if picture else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a local server."""
    with http.server.ThreadingHTTPServer((LOCAL, 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://media.example:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("verb", ["clean", "analyze"])
def test_an_address_that_gives_a_web_page_says_so_and_loses_nothing(verb, site, folder, monkeypatch):
    monkeypatch.setattr(ingest, "fetch", partial(fetch, resolve=lambda *_: [LOCAL], permitted=[LOCAL]))
    table = lines("url,creator,likes", f"{site}/post/1,ann,7", f"{site}/b.png,ann,8")(folder)
    words = [verb, str(table), "--out", str(folder / "out"), "--allow-download"]
    assert run([*words, "--format", "csv"] if verb == "clean" else words) == 0
    (message,) = messages(folder / "out" / "failures.csv")
    assert "expected an image or a video, got a web page (a post's page is no media file)" in message
    assert "export or download the video and give its path" in message
    if verb == "clean":
        kept = (folder / "out" / "clean.csv").read_text().splitlines()
        assert [row.split(",")[2] for row in kept] == ["likes", "7", "8"]
    else:
        posts = pl.read_parquet(folder / "out" / "posts.parquet").sort("likes")
        assert posts.select("likes").rows() == [(7,), (8,)]
        assert posts["niche"].is_null().to_list() == [True, False]


@pytest.mark.parametrize("verb", ["clean", "analyze"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_addresses_of_this_machine_are_refused(verb, host, folder):
    table = lines("url,creator,likes", f"http://{host}:9/a.mp4,ann,7")(folder)
    words = [verb, str(table), "--out", str(folder / "out"), "--allow-download"]
    run([*words, "--format", "csv"] if verb == "clean" else words)
    assert "is no public address" in messages(folder / "out" / "failures.csv")[0]


@pytest.mark.parametrize("verb", ["clean", "analyze"])
def test_cells_that_link_are_fetched_from_where_they_link_to(verb, site, folder, monkeypatch):
    monkeypatch.setattr(ingest, "fetch", partial(fetch, resolve=lambda *_: [LOCAL], permitted=[LOCAL]))
    table = book([["url", "creator", "likes"], ["First clip", "ann", 1]], links={"A2": f"{site}/b.png"})(folder)
    words = [verb, str(table), "--out", str(folder / "out"), "--allow-download"]
    assert run([*words, "--format", "csv"] if verb == "clean" else words) == 0
    assert messages(folder / "out" / "failures.csv") == []


@pytest.mark.parametrize("verb", ["clean", "analyze"])
def test_a_named_column_that_is_not_there_says_which_there_are(verb, folder):
    table = lines("path,creator,Watch Time", f"{A},ann,7")(folder)
    words = [verb, str(table), "--out", str(folder / "out"), "--metric-column", "Rate", "--metric-column", "Watch Time"]
    assert run([*words, "--format", "csv"] if verb == "clean" else words) == 0
    (message,) = messages(folder / "out" / "failures.csv")
    assert "expected a column 'Rate' of figures, got columns: path, creator, Watch Time" in message
