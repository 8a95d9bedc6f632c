"""Mistakes that users make, and what they must not lead to."""

from __future__ import annotations

import json

import polars as pl

import postlens
from postlens.cli.app import run

from ..media.samples import encoded, photo


def test_one_path_given_to_analyze_many_is_one_source(tmp_path):
    (tmp_path / "in").mkdir()
    for seed in range(2):
        (tmp_path / "in" / f"{seed}.jpg").write_bytes(encoded(photo(120, 90, seed=seed), "JPEG"))
    with postlens.Lens() as lens:
        assert len(list(lens.analyze_many(str(tmp_path / "in")))) == 2
        assert len(list(lens.analyze_many(tmp_path / "in"))) == 2
        assert lens.failures == ()


def test_equal_files_of_two_posts_keep_their_own_places(tmp_path):
    picture = encoded(photo(160, 120, seed=3), "JPEG")
    for name in ("photo.jpg", "copy.jpg"):
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "posts.csv").write_text("path,creator\nphoto.jpg,ann\ncopy.jpg,ben\n")
    out = tmp_path / "out"
    assert run(["analyze", str(tmp_path / "posts.csv"), "--out", str(out)]) == 0
    rows = pl.read_parquet(out / "posts.parquet").select("creator_id", "media").rows()
    places = {"unknown:ann": str(tmp_path / "photo.jpg"), "unknown:ben": str(tmp_path / "copy.jpg")}
    assert {creator: media[0] for creator, media in rows} == places
    posts = json.loads((out / "predictions.json").read_text())["posts"].values()
    assert {post["creator"]["creator_id"]: post["media"][0]["path"] for post in posts} == places


def test_a_source_that_was_missing_is_no_failure_once_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(encoded(photo(100, 100), "JPEG"))
    assert run(["analyze", "a.jpg", "later.csv", "--out", "out"]) == 0
    assert "SourceNotFoundError" in (tmp_path / "out" / "failures.csv").read_text()
    (tmp_path / "later.csv").write_text("path,creator\na.jpg,ann\n")
    assert run(["analyze", "a.jpg", "later.csv", "--out", "out"]) == 0
    assert pl.read_csv(tmp_path / "out" / "failures.csv").height == 0


def test_info_shows_which_settings_come_from_flags(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["info", "--settings", "--set", "metric=views"]) == 0
    shown = next(line for line in capsys.readouterr().out.splitlines() if " metric " in line)
    assert "views" in shown
    assert "flag" in shown
