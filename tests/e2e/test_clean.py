"""The bundled sample campaign cleaned, cleaned again, analyzed from the clean table, and continued by a second one."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from postlens.cli.app import run
from postlens.pipelines.sample import POSTS_TABLE
from postlens.store import Store


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sheets_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    book = openpyxl.load_workbook(path)
    return {page.title: list(page.iter_rows(values_only=True)) for page in book}


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("clean")
    assert run(["clean", str(POSTS_TABLE), "--out", str(out)]) == 0
    return out


def copies_in(out: Path) -> list[dict[str, object]]:
    header, *rows = sheets_of(out / "clean.xlsx")["duplicates"]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_nothing_of_the_sample_is_lost_and_its_copy_is_found(cleaned):
    sheets, given = sheets_of(cleaned / "clean.xlsx"), rows_of(POSTS_TABLE)
    assert list(sheets) == ["posts", "duplicates", "failures"]
    assert len(sheets["posts"]) - 1 + len(sheets["duplicates"]) - 1 == len(given)
    assert len(sheets["failures"]) == 1
    (copy,) = [row for row in copies_in(cleaned) if row["reason"] == "bytes"]
    assert copy["score"] == 1
    assert given[copy["row"] - 2]["path"].endswith("espresso-again.jpg")
    assert given[copy["first_row"] - 2]["path"].endswith("espresso.jpg")


def test_all_columns_come_first_and_unchanged(cleaned):
    header, *rows = sheets_of(cleaned / "clean.xlsx")["posts"]
    given = rows_of(POSTS_TABLE)
    assert header[: len(given[0])] == tuple(given[0])
    copied = {row["row"] for row in copies_in(cleaned)}
    kept = [tuple("" if cell is None else str(cell) for cell in row[: len(given[0])]) for row in rows]
    assert kept == [tuple(row.values()) for number, row in enumerate(given, start=2) if number not in copied]


def test_a_second_run_says_that_nothing_was_to_do(cleaned, capsys):
    before = (cleaned / "clean.xlsx").read_bytes()
    assert run(["clean", str(POSTS_TABLE), "--out", str(cleaned)]) == 0
    assert "0 media files looked at, 35 unchanged" in capsys.readouterr().out
    assert (cleaned / "clean.xlsx").read_bytes() == before


def test_the_clean_table_is_analyzed_into_the_same_posts(cleaned, sample_run, tmp_path):
    assert run(["analyze", str(cleaned / "clean.xlsx"), "--out", str(tmp_path)]) == 0
    names = ["post_id", "creator_id", "published_at", "views", "likes", "niche"]
    found, whole = (pl.read_parquet(at / "posts.parquet").sort("post_id") for at in (tmp_path, sample_run))
    assert found.select(names).equals(whole.filter(pl.col("duplicate_of").is_null()).select(names))
    assert rows_of(tmp_path / "failures.csv") == []


def test_analyze_and_clean_agree_on_copies(sample_run, tmp_path):
    out = tmp_path / "copy"
    with Store.open(sample_run / "postlens.db", read_only=True) as store, store.read() as conn:
        links = conn.exec_driver_sql("SELECT duplicate_reason FROM posts WHERE duplicate_of IS NOT NULL").all()
    out.mkdir()
    (out / "postlens.db").write_bytes((sample_run / "postlens.db").read_bytes())
    assert run(["clean", str(POSTS_TABLE), "--out", str(out), "--format", "csv"]) == 0
    assert sorted(row["reason"] for row in rows_of(out / "duplicates.csv")) == sorted(reason for (reason,) in links)


def test_a_second_table_is_compared_with_the_first(cleaned, tmp_path, capsys):
    media = POSTS_TABLE.parent / "media"
    copied = (media / "sample.newcomer" / "dahlia.jpg", media / "sample.portraits" / "glasses.mp4")
    lines = ["path,creator,likes", *(f"{path},reposter,5" for path in copied)]
    (tmp_path / "june.csv").write_text("\n".join(lines))
    words = ["clean", str(tmp_path / "june.csv"), "--out", str(tmp_path), "--store", str(cleaned / "postlens.db")]
    assert run([*words, "--format", "csv"]) == 0
    assert f"2 of the duplicates are in {POSTS_TABLE} already" in capsys.readouterr().out
    given = rows_of(POSTS_TABLE)
    firsts = [given[int(row["first_row"]) - 2]["path"] for row in rows_of(tmp_path / "duplicates.csv")]
    assert [Path(path).name for path in firsts] == ["dahlia.jpg", "glasses.mp4"]
    assert rows_of(tmp_path / "clean.csv") == []
