"""One campaign full of broken things: each ends as a row in failures.csv, and the rest is analyzed all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, event

from postlens.cli.app import run
from postlens.store import Store
from postlens.store.media import read_media

from ..media.samples import encoded, photo, png_claiming, write_sound, write_video

TABLE = """path,creator,caption,published_at,views,likes
good.jpg,ann,fine,2025-01-01T10:00:00Z,100,10
gone.jpg,ann,missing file,2025-01-02T10:00:00Z,100,11
table.png,ann,broken number,2025-01-03T10:00:00Z,many,12
anon.png,,no creator,2025-01-04T10:00:00Z,100,13
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Path:
    """A folder with every kind of bad input beside a few good files."""
    root = tmp_path_factory.mktemp("broken")
    good = encoded(photo(320, 240, seed=1), "JPEG")
    (root / "folder").mkdir()
    files = {
        "good.jpg": good,
        "truncated.jpg": encoded(photo(640, 480, seed=2), "JPEG")[:9000],
        "text.jpg": b"this is no picture, it is a text file\n" * 20,
        "empty.jpg": b"",
        "bomb.png": png_claiming(50_000, 50_000),
        "überraschung \U0001f436.jpg": encoded(photo(300, 200, seed=3), "JPEG"),
    }
    for name, data in files.items():
        (root / "folder" / name).write_bytes(data)
    odd_name = os.fsencode(root / "folder") + b"/odd\xff\xfename.png"
    Path(os.fsdecode(odd_name)).write_bytes(encoded(photo(200, 300, seed=4), "PNG"))
    (root / "folder" / "loop").symlink_to(root / "folder", target_is_directory=True)
    (root / "folder" / "dangling.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(root / "folder" / "pipe.jpg")
    write_sound(root / "folder" / "sound.mp4")
    write_video(root / "folder" / "short.mp4", n_frames=10)
    whole = write_video(root / "whole.mp4", n_frames=100, faststart=True, image=photo(320, 240, seed=5)).read_bytes()
    (root / "folder" / "truncated.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (root / "nothing").mkdir()
    (root / "posts.csv").write_text(TABLE)
    (root / "nopath.csv").write_text("creator,likes\nann,3\n")
    for seed, name in enumerate(("good.jpg", "table.png", "anon.png"), start=6):
        (root / name).write_bytes(encoded(photo(240, 240, seed=seed), "PNG"))
    return root


@pytest.fixture(scope="module")
def result(broken, tmp_path_factory) -> tuple[int, Path]:
    """Exit code and output folder of one run over all of it."""
    out = tmp_path_factory.mktemp("out")
    sources = [broken / name for name in ("folder", "nothing", "posts.csv", "nopath.csv", "absent.jpg")]
    return run(["analyze", *map(str, sources), "--out", str(out)]), out


@pytest.fixture(scope="module")
def failures(result) -> pl.DataFrame:
    return pl.read_csv(result[1] / "failures.csv")


@pytest.mark.parametrize(
    ("file", "error", "said"),
    [
        ("truncated.jpg", "DecodeError", "copy or download"),
        ("text.jpg", "UnsupportedMediaError", "text"),
        ("empty.jpg", "EmptyMediaError", "zero bytes"),
        ("bomb.png", "TooLargeError", "89,478,485"),
        ("dangling.jpg", "MediaNotFoundError", "no such file"),
        ("pipe.jpg", "UnreadableMediaError", "pipe"),
        ("sound.mp4", "NoVideoStreamError", "video"),
        ("truncated.mp4", "PartialMediaError", "ends early"),
        ("nothing", "EmptySourceError", "nothing"),
        ("gone.jpg", "MediaNotFoundError", "no such file"),
        ("posts.csv", "RowError", "many"),
        ("nopath.csv", "TableError", "path"),
        ("absent.jpg", "SourceNotFoundError", "check the path"),
    ],
)
def test_each_failure_is_a_row_with_file_class_and_advice(failures, file, error, said):
    rows = failures.filter(pl.col("file").str.contains(file, literal=True) & (pl.col("error") == error))
    assert rows.height >= 1, failures
    assert said in rows["message"][0]


def test_nothing_else_failed(failures):
    assert failures.filter(pl.col("file").str.contains("good.jpg|short.mp4|.PNG|berraschung|odd")).height == 0
    assert failures.filter(pl.col("file").str.contains("truncated.mp4", literal=True)).height == 1


def test_the_run_goes_on_and_succeeds(result):
    code, out = result
    assert code == 0
    posts = pl.read_parquet(out / "posts.parquet")
    good = posts.filter(pl.col("niche").is_not_null())
    assert good.height == 8  # six photos (two of them with odd names), two videos


def test_a_truncated_video_counts_as_far_as_it_goes(result):
    with Store.open(result[1] / "postlens.db", read_only=True) as store, store.read() as conn:
        partial = [media for media in read_media(conn).values() if media.partial]
    assert [Path(media.path).name for media in partial] == ["truncated.mp4"]
    assert partial[0].duration_s and partial[0].duration_s > 2


def test_the_card_of_a_truncated_video_says_so(result):
    posts = (result[1] / "report.html").read_text().partition('<section id="posts">')[2].partition("</section>")[0]
    assert posts.count("ends early") == 1


def test_a_truncated_video_is_told_until_it_is_replaced(broken, tmp_path):
    clip = tmp_path / "in" / "clip.mp4"
    clip.parent.mkdir()
    clip.write_bytes((broken / "folder" / "truncated.mp4").read_bytes())
    words = ["analyze", str(clip.parent), "--out", str(tmp_path / "out")]
    for _ in range(2):
        assert run(words) == 0
        assert pl.read_csv(tmp_path / "out" / "failures.csv")["error"].to_list() == ["PartialMediaError"]
    clip.write_bytes((broken / "whole.mp4").read_bytes())
    assert run(words) == 0
    assert pl.read_csv(tmp_path / "out" / "failures.csv").height == 0


def test_a_post_with_a_broken_number_keeps_its_other_numbers(result):
    posts = pl.read_parquet(result[1] / "posts.parquet").filter(pl.col("likes") == 12)
    assert posts["views"].to_list() == [None]
    assert posts["niche"][0] is not None


def test_a_post_whose_file_is_missing_keeps_its_numbers(result):
    posts = pl.read_parquet(result[1] / "posts.parquet").filter(pl.col("likes") == 11)
    assert posts.height == 1
    assert posts["niche"].to_list() == [None]


def test_the_log_has_no_caption(result):
    assert "broken number" not in (result[1] / "run.log").read_text()


def test_mended_files_lose_their_failure(broken, result):
    path = broken / "folder" / "empty.jpg"
    path.write_bytes(encoded(photo(222, 222, seed=9), "JPEG"))
    assert run(["analyze", str(broken / "folder"), "--out", str(result[1])]) == 0
    after = pl.read_csv(result[1] / "failures.csv")
    assert after.filter(pl.col("file").str.ends_with("empty.jpg")).height == 0
    assert after.filter(pl.col("file").str.ends_with("text.jpg")).height == 1
    assert after.filter(pl.col("file").str.ends_with("gone.jpg")).height == 1  # of the other source: it stays


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_a_row(tmp_path):
    path = tmp_path / "in" / "secret.jpg"
    path.parent.mkdir()
    path.write_bytes(encoded(photo(100, 100), "JPEG"))
    path.chmod(0)
    assert run(["analyze", str(path.parent), "--out", str(tmp_path / "out")]) == 1
    assert "UnreadableMediaError" in (tmp_path / "out" / "failures.csv").read_text()


def test_only_failures_exit_with_one(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no")
    assert run(["analyze", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    assert "UnsupportedMediaError" in (tmp_path / "out" / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyze"], "Missing argument"),
        (["analyze", "x", "--map", "likes"], "NAME=VALUE"),
        (["analyze", "x", "--map", "heart=likes"], "heart"),
        (["analyze", "x", "--set", "workers=0"], "workers"),
        (["analyze", "x", "--set", "wokers=2"], "wokers"),
        (["analyze", "x", "--source", "instagrm"], "instagrm"),
        (["analyze", "x", "--config", "absent.toml"], "absent.toml"),
        (["analyze", "x", "--store", "mysql://host/db"], "mysql"),
        (["evaluate", "moods", "--data", "."], "niche"),
        (["evaluate", "niche", "--data", "absent"], "absent"),
        (["models", "show", "resnet"], "efficientnet_lite0"),
        (["forget", "nobody", "--store", "absent.db", "--yes"], "absent.db"),
        (["paint"], "paint"),
    ],
)
def test_wrong_usage_exits_with_two_and_says_what_is_expected(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    assert said in capsys.readouterr().err


def test_a_store_in_postgresql_without_its_extra_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(encoded(photo(100, 100), "JPEG"))
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["analyze", "a.jpg", "--store", "postgresql://localhost/x", "--out", "out"]) == 2
    assert 'pip install "postlens[postgres]"' in capsys.readouterr().err


def test_a_store_of_a_newer_version_is_refused_and_untouched(tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(encoded(photo(100, 100), "JPEG"))
    out = tmp_path / "out"
    assert run(["analyze", str(tmp_path / "a.jpg"), "--out", str(out)]) == 0
    import sqlite3

    with sqlite3.connect(out / "postlens.db") as conn:
        conn.execute("UPDATE postlens_version SET version_num = '9999'")
    conn.close()
    assert run(["analyze", str(tmp_path / "a.jpg"), "--out", str(out)]) == 1
    assert "9999" in capsys.readouterr().err
    assert "StoreVersionError" in (out / "failures.csv").read_text()


def test_a_full_disk_stops_the_run_with_a_clear_error(tmp_path, capsys):
    """SQLite's page limit stands in for the full disk: both raise "database or disk is full"."""
    photos = [tmp_path / f"{seed}.jpg" for seed in range(4)]
    for seed, path in enumerate(photos):
        path.write_bytes(encoded(photo(400, 300, seed=seed), "JPEG"))
    words = ["analyze", *map(str, photos), "--out", str(tmp_path / "out")]
    with disk_full_after(tmp_path / "out" / "postlens.db", n_pages=4):
        assert run(words) == 1
    assert "full" in capsys.readouterr().err
    assert "StoreWriteError" in (tmp_path / "out" / "failures.csv").read_text()
    assert run(words) == 0


@contextmanager
def disk_full_after(path: Path, *, n_pages: int) -> Iterator[None]:
    """An empty store that can grow by a few pages only."""
    with Store.open(path) as store, store.read() as conn:
        most = conn.exec_driver_sql("PRAGMA page_count").scalar_one() + n_pages

    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {most}")

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)
