"""`postlens train engagement`: a table to a report, and what it refuses."""

from __future__ import annotations

import json

import pytest

from postlens.cli.app import run


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "posts.csv"
    rows = [f"ann,{20 + (day * 7) % 11},2024-01-{day:02},500" for day in range(1, 32)]
    path.write_text("\n".join(["creator,likes,date,followers", *rows]) + "\n")
    return path


def test_one_account_of_a_table_gets_a_report(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["train", "engagement", str(table), "--out", str(out), "--model", "account"]) == 0
    told = capsys.readouterr().out
    assert "your median" in told
    assert json.loads((out / "scores.json").read_text())["baselines"]
    assert "pictures were not looked at" in (out / "report.html").read_text()


def test_one_account_cannot_train_the_model_of_many(table, tmp_path, capsys):
    assert run(["train", "engagement", str(table), "--out", str(tmp_path / "run")]) == 1
    assert "--model account" in capsys.readouterr().err


def test_only_the_network_resumes(table, tmp_path, capsys):
    assert run(["train", "engagement", str(table), "--out", str(tmp_path / "run"), "--resume"]) == 2
    assert "--model cnn" in capsys.readouterr().err


def test_account_that_is_not_there_is_told(table, tmp_path, capsys):
    words = ["train", "engagement", str(table), "--out", str(tmp_path / "run"), "--model", "account"]
    assert run([*words, "--account", "bob"]) == 2
    assert "ann" in capsys.readouterr().err
