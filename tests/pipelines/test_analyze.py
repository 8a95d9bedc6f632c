"""The main job: what it refuses at once, what it keeps of earlier failures, and what it says at the end."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import polars as pl
import pytest

from postlens.errors import PostlensError, StoreError, UnknownNameError, UsageError
from postlens.pipelines.analyze import Request, Summary, analyze
from postlens.pipelines.folder import DOWNLOADS
from postlens.store import Store
from postlens.store.ledger import read_failures
from postlens.types import Failure

from .fakes import NOW, picture, settings


def run(*sources: object, out: Path, store: str | None = None, **changes: object) -> Summary:
    request = Request(tuple(map(str, sources)), out=out, store=store)
    return analyze(request, settings=settings(**changes), now=NOW)


def subjects(out: Path) -> set[str]:
    with Store.open(out / "postlens.db", read_only=True) as store, store.read() as conn:
        return {Path(failure.subject).name for failure in read_failures(conn)}


def broken(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no picture")
    return path


def test_no_source_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="at least one source"):
        run(out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_kind_of_source_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(UnknownNameError, match="instagrm"):
        analyze(Request((str(tmp_path),), out=tmp_path / "out", kind="instagrm"), settings=settings())
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file_is_wrong_usage(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="output folder"):
        run(tmp_path, out=tmp_path / "out")


@pytest.mark.parametrize("name", ["catalog", "emoji_table"])
def test_a_table_of_the_users_that_is_missing_is_told_before_the_work(tmp_path, name):
    path = picture(tmp_path / "in" / "a.png", seed=1)
    with pytest.raises(PostlensError, match="absent"):
        run(path, out=tmp_path / "out", **{name: tmp_path / "absent.toml"})
    assert not (tmp_path / "out" / "postlens.db").exists()


def test_a_mended_file_loses_its_failure_and_others_keep_theirs(tmp_path):
    broken(tmp_path / "in" / "a.jpg")
    broken(tmp_path / "in2" / "b.jpg")
    run(tmp_path / "in", tmp_path / "in2", out=tmp_path / "out")
    assert subjects(tmp_path / "out") == {"a.jpg", "b.jpg"}
    picture(tmp_path / "in" / "a.jpg", seed=1)
    summary = run(tmp_path / "in", out=tmp_path / "out")
    assert (summary.n_done, summary.failures) == (1, ())
    assert subjects(tmp_path / "out") == {"b.jpg"}


def test_a_removed_file_loses_its_failure(tmp_path, monkeypatch):
    picture(tmp_path / "in" / "good.png", seed=1)
    gone = broken(tmp_path / "in" / "gone.jpg")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    run(Path("..") / "in", out=tmp_path / "out")
    assert subjects(tmp_path / "out") == {"gone.jpg"}
    gone.unlink()
    run(Path("..") / "in", out=tmp_path / "out")
    assert subjects(tmp_path / "out") == set()


def test_a_table_loses_the_failures_of_its_mended_rows(tmp_path):
    picture(tmp_path / "a.png", seed=1)
    table = tmp_path / "posts.csv"
    table.write_text("path,creator,likes\na.png,ann,many\n")
    run(table, out=tmp_path / "out")
    assert len(subjects(tmp_path / "out")) == 1
    table.write_text("path,creator,likes\na.png,ann,7\n")
    run(table, out=tmp_path / "out")
    assert subjects(tmp_path / "out") == set()


@pytest.mark.parametrize("query", ["?password=secret", "?sslpassword=secret&application_name=x"])
def test_no_output_and_no_error_holds_the_password_of_the_store(tmp_path, query):
    pytest.importorskip("psycopg")
    path = picture(tmp_path / "in" / "a.png", seed=1)
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        run(path, out=tmp_path / "out", store=f"postgresql://me:secret@127.0.0.1:1/db{query}")
    written = "".join(one.read_text() for one in (tmp_path / "out").iterdir())
    assert "postgresql://me@127.0.0.1:1/db" in written
    assert "secret" not in written + str(caught.value)


def test_a_store_of_another_kind_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"mysql://\.\.\."):
        run(tmp_path, out=tmp_path / "out", store="mysql://me:secret@host/db")
    assert not (tmp_path / "out").exists()


def failed_files(out: Path) -> list[str]:
    with (out / "failures.csv").open(encoding="utf-8", newline="") as file:
        return [Path(row["file"]).name for row in csv.DictReader(file)]


def test_a_failure_of_the_store_stands_below_the_others_until_a_run_succeeds(tmp_path):
    picture(tmp_path / "in" / "good.png", seed=1)
    broken(tmp_path / "in" / "bad.jpg")
    run(tmp_path / "in", out=tmp_path / "out")
    (tmp_path / "no.db").mkdir()
    for _ in range(2):
        with pytest.raises(StoreError):
            run(tmp_path / "in", out=tmp_path / "out", store=str(tmp_path / "no.db"))
        assert failed_files(tmp_path / "out") == ["bad.jpg", "no.db"]
    run(tmp_path / "in", out=tmp_path / "out")
    assert failed_files(tmp_path / "out") == ["bad.jpg"]


def test_a_failure_of_the_store_in_a_new_folder_is_told(tmp_path):
    path = picture(tmp_path / "a.png", seed=1)
    (tmp_path / "no.db").mkdir()
    with pytest.raises(StoreError):
        run(path, out=tmp_path / "out", store=str(tmp_path / "no.db"))
    assert failed_files(tmp_path / "out") == ["no.db"]


def test_a_folder_shows_the_store_of_the_last_run(tmp_path):
    one, two = picture(tmp_path / "one.png", seed=1), picture(tmp_path / "two.png", seed=2)
    for path, store in ((one, "one.db"), (two, "two.db"), (one, "one.db"), (two, "two.db")):
        run(path, out=tmp_path / "out", store=str(tmp_path / store))
        assert pl.read_parquet(tmp_path / "out" / "posts.parquet")["media"].to_list() == [[str(path)]]


def test_the_store_can_stand_elsewhere(tmp_path):
    path = picture(tmp_path / "a.png", seed=1)
    run(path, out=tmp_path / "out", store=str(tmp_path / "elsewhere.db"))
    assert (tmp_path / "elsewhere.db").is_file()
    assert not (tmp_path / "out" / "postlens.db").exists()


def test_an_output_folder_among_the_media_is_not_analyzed(tmp_path):
    picture(tmp_path / "a.png", seed=1)
    picture(tmp_path / "out" / DOWNLOADS / "b.png", seed=2)
    first = run(tmp_path, out=tmp_path / "out")
    again = run(tmp_path, out=tmp_path / "out")
    assert (first.n_done, first.failures) == (1, ())
    assert (again.n_posts, again.n_done, again.n_skipped, again.failures) == (1, 0, 1, ())


def test_two_sources_of_the_same_file_are_looked_at_once(tmp_path):
    path = picture(tmp_path / "in" / "a.png", seed=1)
    os.link(path, tmp_path / "in" / "b.png")
    assert run(tmp_path / "in", out=tmp_path / "out").n_done == 1


def summary(**changes: object) -> Summary:
    values: dict[str, object] = {
        "n_posts": 0,
        "n_done": 0,
        "n_skipped": 0,
        "failures": (),
        "seconds": 2.0,
        "process_seconds": 0.0,
        "stage_seconds": {},
        "report": Path("r"),
    }
    return Summary(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "succeeded", "n_failed"),
    [
        ({}, False, 0),
        ({"n_done": 1}, True, 0),
        ({"n_skipped": 1}, True, 0),
        ({"failures": (Failure("a", "s", "E", "m"), Failure("a", "t", "E", "m"))}, False, 1),
    ],
)
def test_a_run_succeeds_when_anything_did(changes, succeeded, n_failed):
    assert (summary(**changes).succeeded, summary(**changes).n_failed) == (succeeded, n_failed)


def test_the_rate_is_over_the_time_spent_on_media():
    assert summary(n_done=30, process_seconds=1.5).rate == 20
    assert summary().rate == 0
