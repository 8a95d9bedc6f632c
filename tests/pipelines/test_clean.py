"""Tables cleaned through the real stages: what is kept, what is linked to what, and what is told."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import openpyxl
import polars as pl
import pytest
import xlsxwriter
from PIL import Image as PillowImage

from postlens.errors import UnknownNameError, UsageError
from postlens.media.hashing import sha256_file
from postlens.pipelines import ingest as ingest_module
from postlens.pipelines.clean import CleanRequest, CleanSummary, clean
from postlens.pipelines.forget import find_subject, forget_subject
from postlens.sources import open_source
from postlens.store import Store
from postlens.store.meta import read_revision
from postlens.store.snapshots import read_snapshots
from postlens.types import SourcePost

from ..media.samples import encoded, photo, write_video
from .fakes import NOW, picture, settings

Row = dict[str, Any]


def run(*tables: Path, out: Path, store: Path | None = None, form: str = "xlsx", **changes: Any) -> CleanSummary:
    request = CleanRequest(tuple(map(str, tables)), out=out, store=str(store) if store else None, format=form)
    return clean(request, settings=settings(**changes), now=NOW)


def sheet(out: Path, title: str) -> list[Row]:
    page = openpyxl.load_workbook(out / "clean.xlsx")[title]
    header, *rows = page.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def posts(out: Path) -> list[Row]:
    return sheet(out, "posts")


def duplicates(out: Path) -> list[tuple[Any, ...]]:
    """Row, reason, table and row of the first."""
    return [(r["row"], r["reason"], Path(r["first_table"]).name, r["first_row"]) for r in sheet(out, "duplicates")]


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with a picture, a copy of its bytes, the same picture saved again, and another one."""
    folder = tmp_path / "in"
    folder.mkdir()
    one = photo(320, 240, seed=1)
    (folder / "one.png").write_bytes(encoded(one, "PNG"))
    (folder / "bytes.png").write_bytes(encoded(one, "PNG"))
    (folder / "again.jpg").write_bytes(encoded(one, "JPEG", quality=70))
    (folder / "other.png").write_bytes(encoded(photo(320, 240, seed=2), "PNG"))
    return folder


def test_copies_of_pictures_are_listed_with_reason_and_first(media, tmp_path):
    path = table(
        media / "p.csv", "path,creator,likes", "one.png,a,1", "bytes.png,b,2", "again.jpg,c,3", "other.png,d,4"
    )
    summary = run(path, out=tmp_path / "out")
    assert [row["path"] for row in posts(tmp_path / "out")] == ["one.png", "other.png"]
    assert duplicates(tmp_path / "out") == [(3, "bytes", "p.csv", 2), (4, "frames", "p.csv", 2)]
    assert (summary.n_rows, summary.n_posts, summary.n_duplicates, summary.failures) == (4, 2, 2, ())
    assert summary.duplicates == {"bytes": 1, "frames": 1}


def clip_of(path: Path, photos: list[Path], *, crf: int) -> Path:
    """A video that shows another photo every second."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "ultrafast"}
        for one in photos:
            image = np.asarray(PillowImage.open(one).convert("RGB").resize((320, 240)))
            for _ in range(5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_copies_of_videos_are_listed(sample_campaign, tmp_path):
    photos = sorted((sample_campaign / "media").rglob("*.jpg"))
    shutil.copy(clip_of(tmp_path / "a.mp4", photos[:8], crf=18), tmp_path / "b.mp4")
    clip_of(tmp_path / "c.mp4", photos[:8], crf=32)
    clip_of(tmp_path / "d.mp4", photos[8:16], crf=18)
    path = table(tmp_path / "p.csv", "path,creator", *(f"{name}.mp4,a" for name in "abcd"))
    run(path, out=tmp_path / "out")
    assert [pair[:2] for pair in duplicates(tmp_path / "out")] == [(3, "bytes"), (4, "frames")]


def test_the_earliest_published_is_kept_and_of_others_the_first_row(media, tmp_path):
    lines = ["path,creator,date", "one.png,a,2024-05-01", "bytes.png,b,2024-04-01", "again.jpg,c,"]
    run(table(media / "p.csv", *lines), out=tmp_path / "out")
    assert [row["path"] for row in posts(tmp_path / "out")] == ["bytes.png"]
    assert {pair[-1] for pair in duplicates(tmp_path / "out")} == {3}


def test_addresses_are_one_post_without_a_download(tmp_path):
    lines = [
        "url,creator,views",
        "https://youtu.be/aB-_5678901?si=x,a,1",
        "https://www.youtube.com/shorts/aB-_5678901,b,2",
        "https://h.example/v.mp4?utm_source=x,a,3",
        "HTTPS://H.example/v.mp4#t,a,4",
        "https://h.example/w.mp4,a,5",
    ]
    summary = run(table(tmp_path / "p.csv", *lines), out=tmp_path / "out")
    kept = posts(tmp_path / "out")
    assert [row["views"] for row in kept] == [1, 3, 5]
    assert kept[0]["normalised_url"] == "https://www.youtube.com/watch?v=aB-_5678901"
    assert kept[1]["url"] == "https://h.example/v.mp4?utm_source=x"
    assert duplicates(tmp_path / "out") == [(3, "url", "p.csv", 2), (5, "url", "p.csv", 4)]
    assert {failure.error for failure in summary.failures} == {"FetchError", "DownloadNotAllowedError"}


def test_addresses_beside_paths_count_too(media, tmp_path):
    lines = ["path,url,creator", "one.png,https://youtu.be/aB-_5678901,a", "other.png,youtu.be/aB-_5678901,b"]
    run(table(media / "p.csv", *lines), out=tmp_path / "out")
    assert duplicates(tmp_path / "out") == [(3, "url", "p.csv", 2)]


def test_downloads_are_compared_by_content(media, tmp_path, monkeypatch):
    """A folder stands for the network."""
    monkeypatch.setattr(ingest_module, "fetch", lambda url, *_, **__: media / url.rpartition("/")[2])
    path = table(
        tmp_path / "p.csv", "url,creator", "https://h/one.png,a", "https://g/bytes.png,a", "https://h/other.png,a"
    )
    summary = run(path, out=tmp_path / "out", allow_download=True)
    assert duplicates(tmp_path / "out") == [(3, "bytes", "p.csv", 2)]
    assert summary.n_done == 2


def test_a_copy_of_an_earlier_table_is_listed_with_that_table_and_row(media, tmp_path):
    may = table(media / "may.csv", "path,creator", "other.png,a", "one.png,a")
    june = table(media / "june.csv", "path,creator", "again.jpg,b", "one.png,a")
    run(may, out=tmp_path / "may", store=tmp_path / "s.db")
    summary = run(june, out=tmp_path / "june", store=tmp_path / "s.db")
    assert duplicates(tmp_path / "june") == [(2, "frames", "may.csv", 3), (3, "path", "may.csv", 3)]
    assert {Path(name).name: n for name, n in summary.earlier.items()} == {"may.csv": 2}
    assert posts(tmp_path / "june") == []


def test_running_again_changes_no_file_and_no_fact(media, tmp_path):
    path = table(media / "p.csv", "path,creator,likes", "one.png,a,1", "bytes.png,b,2", "gone.png,c,3", "one.png,a,4")
    out = tmp_path / "out"
    first = run(path, out=out)
    before = {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in out.glob("clean*")}
    with Store.open(out / "postlens.db") as store, store.read() as conn:
        revision = read_revision(conn)
    second = run(path, out=out)
    assert before == {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in out.glob("clean*")}
    with Store.open(out / "postlens.db") as store, store.read() as conn:
        assert read_revision(conn) == revision
    assert (second.n_posts, second.n_duplicates, second.failures) == (first.n_posts, first.n_duplicates, first.failures)
    assert (second.n_done, second.n_skipped) == (0, 1)


def test_a_table_that_was_changed_stands_for_itself(media, tmp_path):
    path = table(media / "p.csv", "path,creator", "one.png,wrong spelling", "other.png,a")
    run(path, out=tmp_path / "out")
    table(path, "path,creator", "one.png,a", "other.png,a")
    summary = run(path, out=tmp_path / "out")
    assert (summary.n_posts, summary.n_duplicates) == (2, 0)


def test_files_that_were_analyzed_from_a_folder_are_no_earlier_rows(media, tmp_path):
    from postlens.pipelines.analyze import Request, analyze

    analyze(Request((str(media / "one.png"),), out=tmp_path / "out"), settings=settings(), now=NOW)
    summary = run(table(media / "p.csv", "path,creator", "bytes.png,a"), out=tmp_path / "out")
    assert (summary.n_posts, summary.n_duplicates, summary.n_done) == (1, 0, 0)


def test_every_row_is_a_post_a_duplicate_or_a_failure(media, tmp_path):
    lines = [
        "path,url,creator,likes",
        "one.png,,a,1",
        "one.png,,a,2",
        ",,a,3",
        ",no address,a,4",
        ",ftp://h/x,a,5",
        "gone.png,,a,6",
        ",,,",
        "other.png,half an address,a,many",
    ]
    summary = run(table(media / "p.csv", *lines), out=tmp_path / "out")
    failed = {row["row"]: row for row in sheet(tmp_path / "out", "failures")}
    assert [row["likes"] for row in posts(tmp_path / "out")] == [1, 6, "many"]
    assert [pair[0] for pair in duplicates(tmp_path / "out")] == [3]
    assert {number: row["likes"] for number, row in failed.items()} == {4: 3, 5: 4, 6: 5, 7: 6, 9: "many"}
    assert summary.n_rows == 7


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("no address", "expected an address like https://host/video.mp4"),
        ("ftp://h/x", "expected an http or https address"),
        ("https://instagram.com/p/Cab_-12", "a post's page is no media file"),
        ("https://h.example/v.mp4", "--allow-download"),
    ],
)
def test_an_address_that_brings_nothing_says_what_to_do(cell, said, tmp_path):
    summary = run(table(tmp_path / "p.csv", "url,creator,likes", f"{cell},a,7"), out=tmp_path / "out")
    (failure,) = sheet(tmp_path / "out", "failures")
    assert (failure["url"], failure["likes"], said in failure["message"]) == (cell, 7, True)
    assert summary.n_failed == 1


def test_columns_stay_in_number_order_name_and_value(media, tmp_path):
    lines = [
        "note,path,Likes,likes,,creator,note",
        'x,one.png,"1,234",007,unnamed,@a,=1+1',
        "y,other.png,5,,,b,,beyond",
    ]
    path = table(media / "p.csv", *lines)
    run(path, out=tmp_path / "in")
    page = openpyxl.load_workbook(tmp_path / "in" / "clean.xlsx")["posts"]
    header, first, second = page.iter_rows(values_only=True)
    given = ("note", "path", "Likes", "likes", "", "creator", "note", "")
    assert header == (*given, "normalised_url")
    assert first == ("x", "one.png", "1,234", "007", "unnamed", "@a", "=1+1", None, None)
    assert second == ("y", "other.png", 5, None, None, "b", None, "beyond", None)


@pytest.mark.parametrize(("cell", "held", "written"), [("-3", -3, "-3"), ("-0.5", -0.5, "-0.5"), ("-0", "-0", "'-0")])
def test_a_figure_below_zero_stays_a_number(media, tmp_path, cell, held, written):
    path = table(media / "p.csv", "path,creator,score", f"one.png,a,{cell}")
    run(path, out=tmp_path / "xlsx")
    page = openpyxl.load_workbook(tmp_path / "xlsx" / "clean.xlsx")["posts"]
    assert page["C2"].value == held
    run(path, out=tmp_path / "csv", form="csv")
    assert f"one.png,a,{written}," in (tmp_path / "csv" / "clean.csv").read_text(encoding="utf-8")


def test_texts_never_become_formulas_and_values_keep_their_kind(media, tmp_path):
    day = datetime(2024, 5, 1, 12, 30)
    with xlsxwriter.Workbook(media / "p.xlsx", {"strings_to_formulas": False}) as book:
        page = book.add_worksheet("May")
        page.write_row(0, 0, ["path", "creator", "likes", "date", "done", "note"])
        page.write_row(1, 0, ["one.png", "@a", 3.5, None, True, "=HYPERLINK(1)"])
        page.write_datetime(1, 3, day, book.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
    run(media / "p.xlsx", out=tmp_path / "out")
    page = openpyxl.load_workbook(tmp_path / "out" / "clean.xlsx")["posts"]
    assert [cell.value for cell in page[2]][:6] == ["one.png", "@a", 3.5, day, True, "=HYPERLINK(1)"]
    assert page["F2"].data_type == "s"


def same_posts(first: Path, second: Path, **options: Any) -> bool:
    """Whether two tables give equal posts, origins aside."""
    found = [
        [
            (p.post_id, p.creator_id, p.caption, p.published_at, dict(p.metrics), p.label, p.media)
            for p in open_source(path, **options)
            if isinstance(p, SourcePost)
        ]
        for path in (first, second)
    ]
    return found[0] == found[1] and bool(found[0])


@pytest.mark.parametrize("form", ["xlsx", "csv"])
@pytest.mark.parametrize("mapping", [{}, {"path": "Datei"}])
def test_a_clean_table_gives_the_same_posts_again(form, mapping, media, tmp_path):
    name = "Datei" if mapping else "path"
    lines = [
        f"title above,,\n{name},url,creator,likes,caption,date,Rate,platform,post_id",
        'one.png,,@a,"1,234",=sum,2024-05-01,4.5%,,',
        ",https://h/x.mp4?utm_source=y,-b,12.3K,'quoted,1.2.2024,-1,TikTok,0077",
        ",www.h.example/y.mp4,c,,@caption,,1e3,,",
        '"other.png;one.png",,d,5,"two\nlines",,,,',
    ]
    path = table(media / "p.csv", *lines)
    request = CleanRequest((str(path),), out=tmp_path / "out", mapping=mapping, format=form)
    clean(request, settings=settings(metric_columns=("Rate",)), now=NOW)
    options = {"mapping": mapping, "metric_columns": ("Rate",)}
    assert same_posts(path, tmp_path / "out" / f"clean.{form}", **options)


def test_the_other_sheets_of_a_clean_workbook_are_not_told_as_tables(media, tmp_path):
    run(table(media / "p.csv", "path,creator", "one.png,a", "bytes.png,a", "gone.png,a"), out=tmp_path / "out")
    items = list(open_source(tmp_path / "out" / "clean.xlsx"))
    assert len(items) == 2
    assert all(isinstance(item, SourcePost) for item in items)


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_links_keep_their_text_and_address(form, tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["url", "creator"])
    book.active.append(["Video 1", "a"])
    book.active["A2"].hyperlink = "https://h.example/v.mp4"
    book.save(tmp_path / "p.xlsx")
    run(tmp_path / "p.xlsx", out=tmp_path / "out", form=form)
    assert same_posts(tmp_path / "p.xlsx", tmp_path / "out" / f"clean.{form}")
    if form == "xlsx":
        cell = openpyxl.load_workbook(tmp_path / "out" / "clean.xlsx")["posts"]["A2"]
        assert (cell.value, cell.hyperlink.target) == ("Video 1", "https://h.example/v.mp4")


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_other_kinds_of_table_are_cleaned_too(suffix, media, tmp_path):
    rows = [{"path": ["one.png", "other.png"], "creator": "a", "likes": 3}, {"path": ["bytes.png"], "creator": "b"}]
    path = media / f"p.{suffix}"
    if suffix == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    run(path, out=tmp_path / "out")
    assert [row["path"] for row in posts(tmp_path / "out")] == ["one.png; other.png"]
    assert [pair[1] for pair in duplicates(tmp_path / "out")] == ["bytes"]


def test_damaged_rows_are_told_once_each(media, tmp_path):
    path = table(media / "p.jsonl", '{"path": "one.png", "creator": "a"}', "{broken", "[1]")
    summary = run(path, out=tmp_path / "out")
    told = sheet(tmp_path / "out", "failures")
    assert [(row["row"], row["error"]) for row in told] == [(None, "RowError")] * 2
    assert "row 2: expected a JSON object" in told[0]["message"]
    assert (summary.n_rows, summary.n_posts) == (3, 1)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("tiktok,1,,https://h/a.mp4", "tiktok,1,,https://h/a.mp4", "url"),
        ("tiktok,1,one.png,", "tiktok,1,one.png,", "id"),
        (",,one.png,", ",,one.png,", "path"),
    ],
)
def test_a_post_of_an_earlier_table_is_known_by_address_id_or_file(first, second, reason, media, tmp_path):
    header = "platform,post_id,path,url,creator"
    for name, row in (("may", first), ("june", second)):
        path = table(media / f"{name}.csv", header, f"{row},ann")
        run(path, out=tmp_path / name, store=tmp_path / "s.db")
    assert duplicates(tmp_path / "june") == [(2, reason, "may.csv", 2)]


def news(out: Path) -> dict[int, str | None]:
    """Row of the duplicates sheet to what is new."""
    return {row["row"]: row["new_figures"] for row in sheet(out, "duplicates")}


def test_new_figures_of_known_posts_are_told_counted_and_stored(media, tmp_path):
    header, store = "path,creator,likes,views,score", tmp_path / "s.db"
    may = table(media / "may.csv", header, "one.png,a,10,1000,1.5", "other.png,b,20,2000,")
    june = table(media / "june.csv", header, "one.png,a,10,1600,1.5", "other.png,b,,2000,2.5", "gone.png,c,1,1,1")
    first = run(may, out=tmp_path / "may", store=store)
    second = run(june, out=tmp_path / "june", store=store)
    assert (first.n_updated, second.n_updated) == (0, 2)
    assert news(tmp_path / "june") == {2: "views 1000 -> 1600", 3: "score unknown -> 2.5"}
    with Store.open(store) as opened, opened.read() as conn:
        latest = [(one.likes, one.views, one.score) for one in read_snapshots(conn).values()]
    assert sorted(latest) == [(1, 1, 1), (10, 1600, 1.5), (20, 2000, 2.5)]


def test_new_figures_are_told_again_in_a_second_run_and_older_ones_are_not(media, tmp_path):
    header, store = "path,creator,likes,observed_at", tmp_path / "s.db"
    may = table(media / "may.csv", header, "one.png,a,10,2025-05-01")
    june = table(media / "june.csv", header, "one.png,a,30,2025-06-01")
    april = table(media / "april.csv", header, "one.png,a,5,2025-04-01")
    run(may, out=tmp_path / "may", store=store)
    for _ in range(2):
        assert run(june, out=tmp_path / "june", store=store).n_updated == 1
        assert news(tmp_path / "june") == {2: "likes 10 -> 30"}
    assert run(april, out=tmp_path / "april", store=store).n_updated == 0


def test_a_row_that_repeats_one_of_its_table_with_other_figures_is_told(media, tmp_path):
    path = table(media / "p.csv", "path,creator,likes", "one.png,a,1", "one.png,a,1", "one.png,a,4")
    for _ in range(2):
        assert run(path, out=tmp_path / "out").n_updated == 1
        assert news(tmp_path / "out") == {3: None, 4: "likes 1 -> 4"}


def test_several_tables_are_one_with_the_columns_of_all(media, tmp_path):
    one = table(media / "one.csv", "path,creator,likes", "one.png,a,1")
    two = table(media / "sub" / "two.csv", "creator,path,views", "b,../bytes.png,2", "b,../other.png,3")
    run(one, two, out=media)
    kept = posts(media)
    assert list(kept[0])[:4] == ["path", "creator", "likes", "views"]
    assert [(row["path"], row["likes"], row["views"]) for row in kept] == [
        ("one.png", 1, None),
        ("../other.png", None, 3),
    ]
    assert [row["resolved_path"] for row in kept] == ["one.png", "other.png"]
    assert duplicates(media) == [(2, "bytes", "one.csv", 2)]


def test_csv_files_have_the_same_content(media, tmp_path):
    path = table(media / "p.csv", "path,creator,likes", "one.png,@a,1", "bytes.png,b,2", ",c,3")
    run(path, out=tmp_path / "out", form="csv")
    read = {}
    for name in ("clean", "duplicates", "failures"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            read[name] = list(csv.DictReader(file))
    assert [(row["path"], row["creator"], row["likes"]) for row in read["clean"]] == [("one.png", "'@a", "1")]
    assert [(row["row"], row["reason"], row["likes"]) for row in read["duplicates"]] == [("3", "bytes", "2")]
    assert [(row["row"], row["error"], row["likes"]) for row in read["failures"]] == [("4", "RowError", "3")]


def test_a_text_that_a_workbook_cuts_is_told(media, tmp_path):
    path = table(media / "p.csv", "path,creator,caption", f"one.png,a,{'x' * 40_000}")
    summary = run(path, out=tmp_path / "out")
    assert len(posts(tmp_path / "out")[0]["caption"]) == 32_767
    assert "use --format csv" in summary.failures[0].message
    assert "use --format csv" in sheet(tmp_path / "out", "failures")[0]["message"]


def test_only_what_copies_need_is_looked_at(media, tmp_path):
    write_video(media / "a.mp4", n_frames=20)
    path = table(media / "p.csv", "path,creator", "one.png,a", "a.mp4,a")
    run(path, out=tmp_path / "out")
    with Store.open(tmp_path / "out" / "postlens.db") as store, store.read() as conn:
        done = conn.exec_driver_sql("SELECT input_sha256, stage FROM ledger").all()
    files = [sha256_file(media / name) for name in ("one.png", "a.mp4")]
    assert sorted(done) == sorted((sha256, stage) for sha256 in files for stage in ("encode", "hash"))


def test_what_clean_has_done_analyze_does_not_do_again_and_the_reverse(media, tmp_path):
    from postlens.pipelines.analyze import Request, analyze

    path = table(media / "p.csv", "path,creator", "one.png,a", "other.png,a")
    run(path, out=tmp_path / "out")
    summary = analyze(Request((str(path),), out=tmp_path / "out"), settings=settings(), now=NOW)
    assert "hash" not in summary.stage_seconds or summary.stage_seconds["hash"] < 0.01
    with Store.open(tmp_path / "out" / "postlens.db") as store, store.read() as conn:
        revision = read_revision(conn)
    again = run(path, out=tmp_path / "out")
    assert (again.n_done, again.n_skipped) == (0, 2)
    with Store.open(tmp_path / "out" / "postlens.db") as store, store.read() as conn:
        assert read_revision(conn) == revision


def test_rows_of_a_forgotten_creator_do_not_come_back(media, tmp_path):
    path = table(media / "p.csv", "path,creator,likes", "one.png,secret_ann,many", "other.png,b,2")
    run(path, out=tmp_path / "out", store=tmp_path / "s.db")
    with Store.open(tmp_path / "s.db") as store:
        subject = find_subject("secret_ann", store=store)
        forget_subject(subject, store=store, out=tmp_path / "out", settings=settings(), now=NOW)
    assert not (tmp_path / "out" / "clean.xlsx").exists()
    summary = run(path, out=tmp_path / "out", store=tmp_path / "s.db")
    assert [row["path"] for row in posts(tmp_path / "out")] == ["other.png"]
    assert "secret_ann" not in str(sheet(tmp_path / "out", "failures"))
    assert "ForgottenError" in {failure.error for failure in summary.failures}


@pytest.mark.parametrize(
    ("tables", "changes", "error", "said"),
    [
        ((), {}, UsageError, "at least one table"),
        (("folder",), {}, UsageError, "expected a table"),
        (("https://h/posts.csv",), {}, UsageError, "expected a table"),
        (("p.csv",), {"format": "pdf"}, UsageError, "xlsx or csv"),
        (("p.csv",), {"mapping": {"hearts": "x"}}, UnknownNameError, "hearts"),
    ],
)
def test_wrong_requests_are_told_before_anything_is_written(tables, changes, error, said, tmp_path):
    with pytest.raises(error, match=said):
        clean(CleanRequest(tables, out=tmp_path / "out", **changes), settings=settings())
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_not_there_is_a_failure(media, tmp_path):
    summary = run(tmp_path / "absent.csv", table(media / "p.csv", "path,creator", "one.png,a"), out=tmp_path / "out")
    assert [failure.error for failure in summary.failures] == ["SourceNotFoundError"]
    assert summary.succeeded


def test_an_output_folder_that_is_a_file_is_wrong_usage(media, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="output folder"):
        run(table(media / "p.csv", "path", "one.png"), out=tmp_path / "out")


def test_a_picture_that_stands_in_a_video_row_is_told_apart_by_content(tmp_path):
    picture(tmp_path / "a.mp4", seed=1)
    summary = run(table(tmp_path / "p.csv", "path,creator", "a.mp4,a"), out=tmp_path / "out")
    assert (summary.n_done, summary.failures) == (1, ())
