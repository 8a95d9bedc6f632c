"""What `postlens clean` prints, and its exit codes."""

from __future__ import annotations

import pytest

from postlens.cli.app import run
from postlens.cli.console import N_REASONS

from ..pipelines.fakes import picture


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png", seed=1)
    (tmp_path / "posts.csv").write_text("path,creator,likes,url\na.png,ann,1,\na.png,ann,2,\n,ann,3,[b]x[/b]\n")
    return tmp_path / "posts.csv"


def test_the_summary_counts_rows_by_what_became_of_them(table, tmp_path, capsys):
    assert run(["clean", "posts.csv", "--out", "out"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("3 rows: 1 posts, 1 duplicates (1 by path), 1 failed in ")
    assert "1 media files looked at, 0 unchanged" in out
    assert "[b]x[/b]: FetchError" in out
    assert "written: out/clean.xlsx" in out
    assert err == ""


def test_only_the_first_failures_are_told(table, tmp_path, capsys):
    table.write_text("path,creator\n" + "".join(f"{n}.png,ann\n" for n in range(N_REASONS + 3)))
    assert run(["clean", "posts.csv", "--out", "out"]) == 0
    out = capsys.readouterr().out
    assert out.count("MediaNotFoundError") == N_REASONS
    assert "and 3 more among the failures in clean.xlsx" in out


def test_csv_files_are_named(table, capsys):
    assert run(["clean", "posts.csv", "--out", "out", "--format", "csv"]) == 0
    assert "written: out/clean.csv, out/duplicates.csv, out/failures.csv" in capsys.readouterr().out


def test_a_table_without_posts_exits_with_one(table):
    table.write_text("path,creator\n")
    assert run(["clean", "posts.csv", "--out", "out"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clean"], "Missing argument"),
        (["clean", "."], "expected a table"),
        (["clean", "posts.csv", "--format", "pdf"], "xlsx or csv"),
        (["clean", "posts.csv", "--map", "likes"], "NAME=VALUE"),
        (["clean", "posts.csv", "--map", "hearts=likes"], "hearts"),
        (["clean", "posts.csv", "--set", "wokers=2"], "wokers"),
    ],
)
def test_wrong_usage_exits_with_two_and_says_what_is_expected(words, said, table, capsys):
    assert run(words) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(table, capsys, monkeypatch):
    def stop(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("postlens.pipelines.clean.clean", stop)
    assert run(["clean", "posts.csv", "--out", "out"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_new_figures_of_known_posts_are_told_with_what_to_do(table, capsys):
    table.write_text("path,creator,likes\na.png,ann,1\n")
    assert run(["clean", str(table), "--out", "first", "--store", "s.db"]) == 0
    assert "new figures" not in capsys.readouterr().out
    newer = table.with_name("newer.csv")
    newer.write_text("path,creator,likes\na.png,ann,2\n")
    assert run(["clean", str(newer), "--out", "second", "--store", "s.db"]) == 0
    said = capsys.readouterr().out
    assert "1 known posts have new figures; analyze the table itself, or the store, to use them" in said
