from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import xlsxwriter

from postlens.sources import open_source
from postlens.sources.columns import COLUMNS, find_columns, normalise
from postlens.types import Failure, SourcePost

HEADER = (
    "path,creator,platform,post_id,caption,published_at,observed_at,"
    "views,likes,comments,shares,saves,score,followers,label"
)
ROW = 'a.jpg,@anna,Instagram,77,"Hi, you",2024-12-31T18:00:00Z,2025-01-07,1000,"1,234",5,6,7,0.5,12.3K,food'


def written(tmp_path: Path, *lines: str, name: str = "posts.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def read(path: Path, **options: Any) -> tuple[list[SourcePost], list[Failure]]:
    items = list(open_source(path, **options))
    return [i for i in items if isinstance(i, SourcePost)], [i for i in items if isinstance(i, Failure)]


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        date_format = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        for title, rows in sheets.items():
            sheet = book.add_worksheet(title)
            for y, row in enumerate(rows):
                for x, cell in enumerate(row):
                    if isinstance(cell, datetime):
                        sheet.write_datetime(y, x, cell, date_format)
                    elif isinstance(cell, str) and cell.startswith("="):
                        sheet.write_formula(y, x, cell, value=42)
                    else:
                        sheet.write(y, x, cell)
    return path


def test_every_column_reaches_the_post(tmp_path: Path) -> None:
    (post,), failures = read(written(tmp_path, HEADER, ROW))
    assert failures == []
    assert (post.creator_id, post.post_id, post.caption, post.label) == (
        "instagram:anna",
        "instagram:77",
        "Hi, you",
        "food",
    )
    assert (post.published_at, post.observed_at) == (
        datetime(2024, 12, 31, 18, tzinfo=UTC),
        datetime(2025, 1, 7, tzinfo=UTC),
    )
    assert post.metrics == {"views": 1000, "likes": 1234, "comments": 5, "shares": 6, "saves": 7, "score": 0.5}
    assert (post.followers, post.media[0].path) == (12300, str(tmp_path / "a.jpg"))
    assert post.origin == f"{tmp_path / 'posts.csv'}, row 2"


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet", ".jsonl", ".tsv"])
def test_all_kinds_of_table_give_the_same_posts(suffix: str, tmp_path: Path) -> None:
    time = datetime(2024, 12, 31, 18, 0)
    columns = {"path": ["a.jpg", "b.mp4"], "creator": ["anna", "bob"], "likes": [12, None], "date": [time, time]}
    rows = [list(columns), *(list(row) for row in zip(*columns.values(), strict=True))]
    path = tmp_path / f"posts{suffix}"
    if suffix == ".xlsx":
        workbook(path, Posts=rows)
    elif suffix == ".parquet":
        pl.DataFrame(columns).write_parquet(path)
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(rows[0], row, strict=True)), default=str) for row in rows[1:]))
    else:
        path.write_text("\n".join("\t".join("" if cell is None else str(cell) for cell in row) for row in rows))
    posts, failures = read(path)
    assert failures == []
    assert [(p.handle, p.metrics, p.published_at) for p in posts] == [
        ("anna", {"likes": 12}, time.replace(tzinfo=UTC)),
        ("bob", {}, time.replace(tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Like Count", "likes"),
        ("n_likes", "likes"),
        ("likesCount", "likes"),
        ("LIKES", "likes"),
        ("Number of Likes", "likes"),
        ("diggCount", "likes"),
        ("Gefällt", "likes"),
        ("J'aime", "likes"),
        ("Me gusta", "likes"),
        ("playCount", "views"),
        ("Aufrufe", "views"),
        ("video url", "url"),
        ("post url", "url"),
        ("Image-URL", "url"),
        ("webVideoUrl", "url"),
        ("File Name", "path"),
        ("Dateiname", "path"),
        ("username", "creator"),
        ("Handle", "creator"),
        ("account", "creator"),
        ("ownerUsername", "creator"),
        ("posted at", "published_at"),
        ("date", "published_at"),
        ("Veröffentlicht am", "published_at"),
        ("Date de publication", "published_at"),
        ("Fecha", "published_at"),
        ("Abonnés", "followers"),
        ("followersCount", "followers"),
        ("Kommentare", "comments"),
        ("collectCount", "saves"),
        ("favourite colour", None),
        ("", None),
        ("n", None),
    ],
)
def test_common_spellings_are_recognised(name: str, ours: str | None) -> None:
    assert find_columns([name], {}) == ({ours: 0} if ours else {})


@pytest.mark.parametrize("name", COLUMNS)
def test_our_own_names_come_first(name: str) -> None:
    others = [
        other
        for other in ("post url", "media url", "image", "text", "user", "like")
        if normalise(other) != normalise(name)
    ]
    assert find_columns([*others, name], {})[name] == len(others)


def test_an_address_of_media_goes_before_that_of_the_page() -> None:
    assert find_columns(["post url", "video url", "likes"], {}) == {"url": 1, "likes": 2}


def test_a_mapping_names_any_column(tmp_path: Path) -> None:
    table = written(tmp_path, "bild_a,wer,herzen,likes", "a.jpg,anna,5,9")
    (post,), failures = read(table, mapping={"path": "Bild A", "creator": "wer", "likes": "herzen"})
    assert failures == []
    assert (post.handle, post.metrics) == ("anna", {"likes": 5})


def test_a_mapped_column_that_is_not_there_is_a_failure_and_the_rest_is_read(tmp_path: Path) -> None:
    (post,), (failure,) = read(written(tmp_path, "path,creator,likes", "a.jpg,anna,5"), mapping={"views": "seen"})
    assert failure.error == "TableError"
    assert "expected column 'seen' for views, got columns: path, creator, likes" in failure.message
    assert post.metrics == {"likes": 5}


def test_a_table_without_a_media_column_says_which_it_has_and_how_to_map(tmp_path: Path) -> None:
    posts, (failure,) = read(written(tmp_path, "who,hearts", "anna,5"))
    assert (posts, failure.error) == ([], "TableError")
    assert "got columns: who, hearts" in failure.message
    assert "--map path=COLUMN" in failure.message


def test_a_broken_number_costs_only_itself(tmp_path: Path) -> None:
    (post,), (failure,) = read(written(tmp_path, "path,creator,Likes,views", "a.jpg,anna,viele,7"))
    assert post.metrics == {"views": 7}
    assert (failure.error, failure.subject) == ("RowError", f"{tmp_path / 'posts.csv'}, row 2")
    assert "row 2: column 'Likes': expected a number" in failure.message
    assert "got 'viele'" in failure.message


def test_an_ambiguous_date_costs_only_itself(tmp_path: Path) -> None:
    (post,), (failure,) = read(written(tmp_path, "path,creator,date", "a.jpg,anna,03/04/2024"))
    assert post.published_at is None
    assert "day and month cannot be told apart" in failure.message


def test_a_row_without_a_creator_goes_to_unknown_and_says_so(tmp_path: Path) -> None:
    table = written(tmp_path, "path,creator", "a.jpg,", "b.jpg,bob")
    posts, (failure,) = read(table)
    assert [post.handle for post in posts] == ["unknown", "bob"]
    assert (failure.error, "row 2: expected a creator" in failure.message) == ("RowError", True)
    posts, failures = read(table, creator="anna")
    assert ([post.handle for post in posts], failures) == (["anna", "bob"], [])


def test_a_table_without_a_creator_column_says_so_once(tmp_path: Path) -> None:
    table = written(tmp_path, "path", "a.jpg", "b.jpg")
    posts, (failure,) = read(table)
    assert [post.handle for post in posts] == ["unknown", "unknown"]
    assert "--creator NAME" in failure.message
    assert read(table, creator="anna")[1] == []


def test_empty_rows_are_skipped_and_rows_without_media_are_failures(tmp_path: Path) -> None:
    posts, (failure,) = read(written(tmp_path, "path,creator,likes", "", ",,", "a.jpg,anna,1", ",anna,2"))
    assert len(posts) == 1
    assert "row 5: expected a path or url" in failure.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_encodings_and_separators_are_recognised(encoding: str, sign: str, tmp_path: Path) -> None:
    lines = ("Datei,Benutzer,Gefällt".replace(",", sign), "ä.jpg,Jürgen,12".replace(",", sign))
    (post,), failures = read(written(tmp_path, *lines, encoding=encoding))
    assert failures == []
    assert (post.handle, post.metrics, Path(str(post.media[0].path)).name) == ("Jürgen", {"likes": 12}, "ä.jpg")


def test_titles_above_the_header_are_passed_over(tmp_path: Path) -> None:
    (post,), failures = read(written(tmp_path, "Campaign of spring,,", "", "path,creator,likes", "a.jpg,anna,1"))
    assert (failures, post.origin.endswith("row 4")) == ([], True)


def test_cells_may_hold_line_breaks_and_rows_may_be_short_or_long(tmp_path: Path) -> None:
    table = written(tmp_path, "path,creator,caption", 'a.jpg,anna,"one', 'two"', "b.jpg,bob", "c.jpg,cleo,x,y,z")
    posts, failures = read(table)
    assert ([post.caption for post in posts], failures) == (["one\ntwo", None, "x"], [])


def test_of_columns_with_the_same_name_the_first_is_read_and_it_is_said(tmp_path: Path) -> None:
    (post,), (failure,) = read(written(tmp_path, "path,creator,likes,Likes", "a.jpg,anna,1,2"))
    assert post.metrics == {"likes": 1}
    assert "'Likes' is there more than once" in failure.message


def test_formulas_give_their_saved_value(tmp_path: Path) -> None:
    rows = [["path", "creator", "likes"], ["a.jpg", "anna", "=6*7"]]
    (post,), failures = read(workbook(tmp_path / "posts.xlsx", Posts=rows))
    assert (post.metrics, failures) == ({"likes": 42}, [])


def test_the_first_sheet_with_media_is_read_and_further_ones_are_named(tmp_path: Path) -> None:
    rows = [["path", "creator"], ["a.jpg", "anna"]]
    path = workbook(tmp_path / "posts.xlsx", Notes=[["hello"]], May=rows, June=rows, Costs=[["euro"], [5]])
    (post,), (failure,) = read(path)
    assert post.origin.endswith("sheet 'May', row 2")
    assert "only sheet 'May' is read" in failure.message
    assert failure.message.endswith("files: June")


def test_ids_that_a_spreadsheet_holds_as_numbers_stay_whole(tmp_path: Path) -> None:
    rows = [["path", "creator", "post_id"], ["a.jpg", "anna", 1234567890123]]
    (post,), _ = read(workbook(tmp_path / "posts.xlsx", Posts=rows))
    assert post.post_id == "unknown:anna:1234567890123"


@pytest.mark.parametrize("name", ["posts.xlsx", "posts.parquet", "posts.xls", "posts.csv", "posts.jsonl"])
@pytest.mark.parametrize("content", [b"", b"\0\x01\x02 no table \xff" * 50, b"PK\x03\x04broken"])
def test_a_damaged_table_is_one_failure(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    posts, (failure,) = read(tmp_path / name)
    assert (posts, failure.error) == ([], "TableError")
    assert failure.message.startswith(str(tmp_path / name))


def test_json_lines_may_differ_and_broken_ones_are_failures(tmp_path: Path) -> None:
    lines = [
        '{"path": ["a.jpg", "b.jpg"], "creator": "anna"}',
        "{broken",
        "[1]",
        "",
        '{"url": "https://h/c.mp4", "user": "bob", "plays": 3}',
    ]
    posts, failures = read(written(tmp_path, *lines, name="posts.jsonl"))
    assert [(post.handle, len(post.media), post.metrics) for post in posts] == [
        ("anna", 2, {}),
        ("bob", 1, {"views": 3}),
    ]
    assert [("row 2" in f.message, f.error) for f in failures] == [(True, "RowError"), (False, "RowError")]


def test_a_path_goes_before_a_url_and_a_url_in_a_path_column_is_one(tmp_path: Path) -> None:
    table = written(tmp_path, "path,url,creator", "a.jpg,https://h/a,anna", ",https://h/b,anna", "https://h/c,,anna")
    posts, _ = read(table)
    assert [ref.url for post in posts for ref in post.media] == [None, "https://h/b", "https://h/c"]


def test_spellings_of_an_address_are_the_same_post_and_keep_what_is_fetched(tmp_path: Path) -> None:
    table = written(tmp_path, "url,creator", "https://h/a.mp4?utm_source=x,anna", "HTTPS://H/a.mp4,anna", "clip,anna")
    (first, second, third), _ = read(table)
    assert first.post_id == second.post_id
    assert (first.media[0].url, first.media[0].written) == ("https://h/a.mp4", "https://h/a.mp4?utm_source=x")
    assert (third.media[0].url, third.media[0].written) == ("clip", None)


def openpyxl_book(path: Path, rows: list[list[Any]], *, links: dict[str, str] | None = None, merged: str = "") -> Path:
    """A workbook as a library without a calculator writes it: formulas have no value."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for place, target in (links or {}).items():
        book.active[place].hyperlink = target
    if merged:
        book.active.merge_cells(merged)
    book.save(path)
    return path


@pytest.mark.parametrize(("cell", "shown"), [("=6*7", "=6*7"), ("=1/0", "=1/0")])
def test_a_formula_without_a_saved_value_is_told_and_costs_only_itself(cell: str, shown: str, tmp_path: Path) -> None:
    rows = [["path", "creator", "likes", "views"], ["a.mp4", "anna", cell, 5]]
    (post,), (failure,) = read(openpyxl_book(tmp_path / "p.xlsx", rows))
    assert post.metrics == {"views": 5}
    assert "column 'likes': expected a value, got a formula that was saved without its result" in failure.message
    assert shown in failure.message


@pytest.mark.parametrize("value", ["#DIV/0!", "#N/A", "#REF!"])
def test_an_error_of_the_spreadsheet_is_told_and_costs_only_itself(value: str, tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "p.xlsx") as book:
        sheet = book.add_worksheet("Posts")
        sheet.write_row(0, 0, ["path", "creator", "likes"])
        sheet.write_row(1, 0, ["a.mp4", "anna"])
        sheet.write_formula(1, 2, "=B9/B8", value=value)
    (post,), (failure,) = read(tmp_path / "p.xlsx")
    assert (post.metrics, f"error of the spreadsheet, got {value!r}" in failure.message) == ({}, True)


@pytest.mark.parametrize(
    ("cell", "links"),
    [
        ("Video 1", {"A2": "https://h/a.mp4"}),
        ("https://h/a.mp4", {"A2": "https://other/b.mp4"}),
        ('=HYPERLINK("https://h/a.mp4","Video 1")', {}),
        ('=HYPERLINK("https://h/a.mp4")', {}),
    ],
)
def test_a_cell_that_links_to_an_address_is_that_address(cell: str, links: dict[str, str], tmp_path: Path) -> None:
    rows = [["url", "creator"], [cell, "anna"]]
    (post,), failures = read(openpyxl_book(tmp_path / "p.xlsx", rows, links=links))
    assert (post.media[0].url, failures) == ("https://h/a.mp4", [])


def test_a_path_cell_that_links_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "my clip.mp4").write_bytes(b"x")
    rows = [["file", "creator"], ["Video 1", "anna"], ["my clip.mp4", "anna"]]
    links = {"A2": "my%20clip.mp4", "A3": "elsewhere.mp4"}
    posts, _ = read(openpyxl_book(tmp_path / "p.xlsx", rows, links=links))
    assert [post.media[0].path for post in posts] == [str(tmp_path / "my clip.mp4")] * 2


def test_merged_texts_hold_for_every_row_and_merged_numbers_for_the_first(tmp_path: Path) -> None:
    rows = [["path", "creator", "likes"], ["a.mp4", "anna", 5], ["b.mp4", None, None], ["c.mp4", "ben", 1]]
    path = openpyxl_book(tmp_path / "p.xlsx", rows, merged="B2:B3")
    assert [post.handle for post in read(path)[0]] == ["anna", "anna", "ben"]
    posts, failures = read(openpyxl_book(tmp_path / "p.xlsx", rows, merged="C2:C3"))
    assert [post.metrics for post in posts] == [{"likes": 5}, {}, {"likes": 1}]
    assert any("merged cells (from row 2)" in failure.message for failure in failures)


def test_a_csv_guard_against_formulas_is_undone(tmp_path: Path) -> None:
    (post,), _ = read(written(tmp_path, "path,creator,caption", "a.mp4,'@anna,'=1+1", name="g.csv"))
    assert (post.handle, post.caption) == ("anna", "=1+1")


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_columns_that_the_user_names_are_metrics_of_that_name(suffix: str, tmp_path: Path) -> None:
    rows = [["path", "creator", "Watch Time", "Rate", "likes"], ["a.mp4", "anna", "1,234.5", "4.5%", 3]]
    path = tmp_path / f"p{suffix}"
    if suffix == ".xlsx":
        workbook(path, Posts=rows)
    else:
        written(tmp_path, ";".join(rows[0]), ";".join(map(str, rows[1])), name=path.name)
    (post,), failures = read(path, metric_columns=("watch time", "Rate", "likes"))
    assert post.metrics == {"likes": 3, "watch time": 1234.5, "Rate": pytest.approx(0.045)}
    assert failures == []


def test_a_named_column_that_is_not_there_says_which_there_are(tmp_path: Path) -> None:
    (post,), (failure,) = read(written(tmp_path, "path,creator", "a.mp4,anna"), metric_columns=("Rate",))
    assert "expected a column 'Rate' of figures, got columns: path, creator" in failure.message
    assert post.metrics == {}


def test_text_in_a_named_column_costs_only_itself(tmp_path: Path) -> None:
    table = written(tmp_path, "path,creator,Rate,likes", "a.mp4,anna,high,3")
    (post,), (failure,) = read(table, metric_columns=("Rate",))
    assert (post.metrics, "column 'Rate': expected a number" in failure.message) == ({"likes": 3}, True)


def test_where_files_are_resolved_that_is_their_path(tmp_path: Path) -> None:
    lines = ("Datei,creator,resolved_path,url", "a.mp4,anna,media/a.mp4,", "b.mp4,ben,,https://h/b.mp4")
    for mapping in ({}, {"path": "Datei"}):
        posts, failures = read(written(tmp_path, *lines), mapping=mapping)
        assert [post.media[0].name for post in posts] == [str(tmp_path / "media" / "a.mp4"), "https://h/b.mp4"]
        assert failures == []


def test_row_numbers_in_tables_of_two_creators_are_different_posts(tmp_path: Path) -> None:
    tables = [written(tmp_path, "id,path", "1,a.jpg", "2,b.jpg", name=f"{name}.csv") for name in ("anna", "bob")]
    posts = [post for table in tables for post in read(table, creator=table.stem)[0]]
    assert len({post.post_id for post in posts}) == 4


def test_the_same_post_observed_twice_keeps_its_id(tmp_path: Path) -> None:
    table = written(tmp_path, "path,creator,likes,observed at", "a.jpg,anna,1,2024-01-01", "a.jpg,anna,5,2024-02-01")
    (first, second), _ = read(table)
    assert first.post_id == second.post_id
    assert first.observed_at != second.observed_at


def test_a_large_parquet_table_is_read_in_pieces(tmp_path: Path) -> None:
    n = 12_001
    pl.DataFrame({"path": [f"{i}.jpg" for i in range(n)], "creator": ["anna"] * n}).write_parquet(
        tmp_path / "p.parquet"
    )
    posts, failures = read(tmp_path / "p.parquet")
    assert (len(posts), failures, posts[-1].origin.endswith("row 12002")) == (n, [], True)


def test_a_table_that_breaks_off_gives_the_rows_before(tmp_path: Path) -> None:
    table = written(tmp_path, "path,creator,caption", "a.jpg,anna,x", f"b.jpg,bob,{'y' * 200_000}")
    posts, failures = read(table)
    assert len(posts) == 1
    assert "the rest of the table cannot be read" in failures[0].message


def test_captions_are_never_in_messages(tmp_path: Path) -> None:
    _, failures = read(written(tmp_path, "path,creator,caption,likes", "a.jpg,,secret words,x", ",anna,secret words,1"))
    assert len(failures) == 3
    assert not any("secret" in failure.message for failure in failures)


def test_halves_of_characters_in_texts_are_replaced_and_bytes_of_names_are_kept(tmp_path: Path) -> None:
    record = {
        "path": "caf\udce9\ud83d.jpg",
        "creator": "caf\ud83d",
        "id": "7\ude00",
        "caption": "\udcff",
        "x\ud83d": "y",
    }
    (post,), failures = read(written(tmp_path, json.dumps(record), name="posts.jsonl"))
    assert failures == []
    assert (post.handle, post.post_key, post.caption) == ("caf\ufffd", "7\ufffd", "\ufffd")
    assert post.media[0].path == str(tmp_path / "caf\udce9\ufffd.jpg")
    assert post.post_id.encode("utf-8")


def test_failures_about_halves_of_characters_can_be_written(tmp_path: Path) -> None:
    lines = [json.dumps({"path": "a.jpg", "creator": "a", "likes": "7\ud83d"}), json.dumps({"url": "caf\ud83d"})]
    (_, post), failures = read(written(tmp_path, *lines, name="posts.jsonl"))
    assert post.media[0].url == "caf\ufffd"
    assert all(failure.message.encode("utf-8") for failure in failures)


def test_a_creator_named_in_bytes_that_are_no_utf8_is_shown_as_files_are(tmp_path: Path) -> None:
    (post,), _ = read(written(tmp_path, "path", "a.jpg"), creator="caf\udce9")
    assert post.handle == "caf\\xe9"


@pytest.mark.parametrize("cell", [{"username": "u"}, ["u"]])
def test_a_text_cell_that_holds_no_text_is_a_failure(cell: object, tmp_path: Path) -> None:
    record = {"path": "a.jpg", "creator": cell, "id": cell, "caption": cell, "label": cell, "date": cell, "likes": cell}
    (post,), failures = read(written(tmp_path, json.dumps(record), name="posts.jsonl"))
    assert (post.handle, post.post_key, post.caption, post.label, post.metrics) == ("unknown", None, None, None, {})
    assert (post.published_at, [failure.error for failure in failures]) == (None, ["RowError"] * 6)


@pytest.mark.parametrize("cell", [{"uri": "a.jpg"}, [["a.jpg"]], ["a.jpg", {"uri": "b.jpg"}]])
def test_a_path_cell_that_names_no_file_is_a_failure_alone(cell: object, tmp_path: Path) -> None:
    record = {"path": cell, "creator": "anna"}
    posts, (failure, _) = read(written(tmp_path, json.dumps(record), name="posts.jsonl"))
    assert (posts, failure.error) == ([], "RowError")
    assert failure.message.startswith(
        str(tmp_path / "posts.jsonl, row 1: path or url: expected text or a list of texts, got ")
    )


@pytest.mark.parametrize("column", ["path", "creator", "date", "likes"])
def test_a_deeply_nested_cell_is_a_failure(column: str, tmp_path: Path) -> None:
    record = {"path": "a.jpg", "creator": "anna", column: "nested"}
    line = json.dumps(record).replace('"nested"', "[" * 900 + "]" * 900)
    _, failures = read(written(tmp_path, line, name="posts.jsonl"))
    assert failures[0].error == "RowError"


def test_bytes_in_a_parquet_cell_are_no_text(tmp_path: Path) -> None:
    pl.DataFrame({"path": [b"a.jpg", b"b.jpg"], "creator": [b"anna", b"ben"]}).write_parquet(tmp_path / "p.parquet")
    posts, failures = read(tmp_path / "p.parquet")
    assert (posts, [failure.error for failure in failures]) == ([], ["RowError", "RowError", "EmptySourceError"])
    assert "got bytes" in failures[0].message


def test_no_damaged_byte_of_a_parquet_table_stops_the_run(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a.jpg"]}).write_parquet(tmp_path / "p.parquet")
    whole = (tmp_path / "p.parquet").read_bytes()
    for at in range(len(whole)):
        (tmp_path / "p.parquet").write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        assert read(tmp_path / "p.parquet") is not None


def test_what_forecasts_read_of_posts_and_accounts_has_columns(tmp_path: Path) -> None:
    header = "path,creator,following,media_count,accessibility_caption,tagged_users,location"
    (first, second), told = read(written(tmp_path, header, "a.jpg,anna,120,45,A dog,3,Berlin", "b.jpg,anna,,,,x,"))
    assert (first.followees, first.n_posts, first.alt_text, first.n_tagged) == (120, 45, "A dog", 3)
    assert (first.has_location, second.has_location) == (True, None)
    assert (second.followees, second.n_posts, second.alt_text, second.n_tagged) == (None, None, None, None)
    assert ["column 'tagged_users'" in one.message for one in told] == [True]


def test_a_count_of_media_is_no_path(tmp_path: Path) -> None:
    (post,), told = read(written(tmp_path, "url,creator,mediaCount", "https://host/a.jpg,anna,7"))
    assert (post.media[0].url, post.n_posts, told) == ("https://host/a.jpg", 7, [])
