"""`postlens evaluate`: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postlens.cli.app import run
from postlens.types import NICHES

from ..pipelines.fakes import picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Nine folders of two pictures each, one file that is none."""
    root = tmp_path_factory.mktemp("niche")
    for number, label in enumerate(NICHES):
        for copy in range(2):
            picture(root / label / f"{copy}.png", seed=2 * number + copy)
    (root / "pet" / "broken.jpg").write_bytes(b"no picture")
    return root


def evaluate(capsys, *words: str) -> tuple[str, str]:
    assert run(["evaluate", *words]) == 0
    return capsys.readouterr()


def test_json_is_one_object_with_the_promised_keys(folder, capsys):
    out, err = evaluate(capsys, "niche", "--data", str(folder), "--json")
    scores = json.loads(out)
    assert {"n", "accuracy", "accuracy_ci", "macro_f1", "macro_f1_ci", "ece", "ece_ci", "per_class"} <= scores.keys()
    assert (scores["n"], scores["failed"], err) == (18, 1, "")
    low, high = scores["accuracy_ci"]
    assert 0 <= low <= scores["accuracy"] <= high <= 1


def test_the_table_has_scores_beside_their_intervals(folder, capsys):
    out, _ = evaluate(capsys, "niche", "--data", str(folder))
    (line,) = [line for line in out.splitlines() if " accuracy " in line]
    assert " .. " in line
    assert "per_class.food" in out
    assert "…" not in out


def test_a_folder_without_labels_is_an_error_that_helps(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    assert run(["evaluate", "niche", "--data", str(tmp_path / "in"), "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "manifest.csv" in err


@pytest.mark.parametrize("words", [["moods", "--data", "."], ["niche"], ["niche", "--data", __file__]])
def test_wrong_words_exit_with_two(words, capsys):
    assert run(["evaluate", *words]) == 2
    assert capsys.readouterr().err
