"""Progress and summary on the terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from postlens.cli.analyze import pairs
from postlens.cli.app import run
from postlens.cli.console import N_REASONS, progress_bar
from postlens.errors import UsageError

from ..pipelines.fakes import picture

SHOW = "from postlens.cli.console import progress_bar as p\nwith p('analyze') as update:\n    update(3, 9)\n"


def test_progress_is_silent_when_not_on_a_terminal(capsys):
    with progress_bar("analyze") as update:
        update(1, 2)
        update(2, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal_has_count_and_rate():
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", SHOW], stderr=follower, check=True, env=environment)
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert "3/9" in shown
    assert "/s" in shown


def analyze(capsys, *words: object) -> tuple[int, str, str]:
    code = run(["analyze", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_summary_counts_and_names_the_report(tmp_path, capsys):
    picture(tmp_path / "in" / "a.png", seed=1)
    (tmp_path / "in" / "[b]broken[b].jpg").write_bytes(b"no picture")
    code, out, err = analyze(capsys, tmp_path / "in", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("1 done, 0 unchanged, 1 failed in ")
    assert "[b]broken[b].jpg: UnsupportedMediaError" in out
    assert f"report: {tmp_path / 'out' / 'report.html'}" in out


def test_only_the_first_failures_are_told(tmp_path, capsys):
    for number in range(N_REASONS + 3):
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture %d" % number)
    code, out, _ = analyze(capsys, tmp_path, "--out", tmp_path / "out")
    assert code == 1
    assert out.count("UnsupportedMediaError") == N_REASONS
    assert "and 3 more in failures.csv" in out


def test_verbose_prints_the_log_on_standard_error(tmp_path, capsys):
    path = picture(tmp_path / "a.png", seed=1)
    _, _, err = analyze(capsys, path, "--out", tmp_path / "out", "--verbose")
    assert '"event": "start"' in err
    assert '"event": "end"' in err


def test_ctrl_c_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stop(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("postlens.pipelines.analyze.analyze", stop)
    code, _, err = analyze(capsys, tmp_path, "--out", tmp_path / "out")
    assert code == 130
    assert "run the same command again" in err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (None, {}),
        (["likes=Gefällt mir"], {"likes": "Gefällt mir"}),
        ([" a = b=c "], {"a": "b=c"}),
        (["a=1", "a=2"], {"a": "2"}),
    ],
)
def test_pairs_are_split_at_the_first_sign(words, found):
    assert pairs(words, "--map") == found


@pytest.mark.parametrize("word", ["likes", "=x", "likes=", " = "])
def test_a_word_that_is_no_pair_is_wrong_usage(word):
    with pytest.raises(UsageError, match="--map expects NAME=VALUE"):
        pairs([word], "--map")


def test_a_mapping_and_a_setting_reach_the_run(tmp_path, capsys):
    import polars as pl

    picture(tmp_path / "a.png", seed=1)
    table = tmp_path / "posts.csv"
    table.write_text("path,creator,Herzen\na.png,ann,7\n", encoding="utf-8")
    out = tmp_path / "out"
    code, _, _ = analyze(capsys, table, "--out", out, "--map", "likes=Herzen", "--set", "metric=views")
    assert code == 0
    (row,) = pl.read_parquet(out / "posts.parquet").to_dicts()
    assert (row["likes"], row["forecast_metric"]) == (7.0, "views")


def test_a_url_in_a_table_is_told_with_the_switch_that_allows_it(tmp_path, capsys):
    table = tmp_path / "posts.csv"
    table.write_text("url,creator\nhttps://example.org/a.jpg,ann\n")
    code, out, _ = analyze(capsys, table, "--out", tmp_path / "out")
    assert code == 1
    assert "DownloadNotAllowedError" in out
    assert "--allow-download" in out


def test_a_named_creator_owns_all_posts(tmp_path, capsys):
    import polars as pl

    picture(tmp_path / "in" / "x" / "a.png", seed=1)
    analyze(capsys, tmp_path / "in", "--out", tmp_path / "out", "--creator", "@anna")
    assert pl.read_parquet(Path(tmp_path / "out") / "creators.parquet")["handle"].to_list() == ["anna"]


def test_names_that_are_no_utf8_are_shown_on_a_strict_terminal(tmp_path):
    folder = os.fsencode(tmp_path / "in")
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/caf\xe9.jpg")).write_bytes(b"no picture")
    words = [sys.executable, "-m", "postlens", "analyze", folder, "--out", os.fsencode(tmp_path) + b"/out\xe9"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(words, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"caf\\xe9.jpg" in done.stdout
    assert b"out\\xe9/report.html" in done.stdout


def test_an_error_about_a_name_that_is_no_utf8_is_one_line(tmp_path):
    words = [sys.executable, "-m", "postlens", "info", "--settings", "--config", b"absent\xe9.toml"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(words, capture_output=True, check=False, env=environment)
    assert done.returncode == 2
    assert b"absent\\xe9.toml" in done.stderr
    assert done.stderr.count(b"\n") == 1
