"""`postlens train creator`: from a file of features to a folder that answers, and what it refuses."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace

import pytest
from PIL import Image

from postlens.cli.app import run
from postlens.tasks.niche.model import load_niche_model
from postlens.types import NICHES

from ..influencers import write_influencers
from ..runs import write_run
from ..train.creators import drawn_posts, write_features

TINY = """
fewest_posts = 2
rank = "none"
width = 16
n_heads = 2
key_width = 8
hidden = 8
patience = "none"
"""


@pytest.fixture
def words(tmp_path):
    """The command line of a small training over a run with an encoder of three numbers."""
    model = write_run(tmp_path / "niche")
    posts = drawn_posts(n_creators=3, n_posts=4, labels=NICHES)
    posts = replace(posts, vectors=posts.vectors[:, :3], fingerprint=load_niche_model(model).encoder.fingerprint)
    features = write_features(posts, tmp_path / "features.npz", likes=[1, 2, 4, 8])
    (tmp_path / "tiny.toml").write_text(TINY)
    shared = ["--recipe", str(tmp_path / "tiny.toml"), "--model", str(model), "--accelerator", "cpu"]
    small = ["--epochs", "1", "--batch-size", "4", "--most-posts", "4", "--measures"]
    return ["train", "creator", str(features), "--out", str(tmp_path / "run"), *shared, *small]


def test_the_folder_answers_creators_and_posts(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["postlens", *words])
    assert run(words) == 0
    assert "creators" in capsys.readouterr().out
    out = tmp_path / "run"
    assert load_niche_model(out).creator is not None
    assert (out / "command.txt").read_text().startswith("postlens train creator ")
    assert run(["predict", words[2], "--model", str(out), "--out", str(tmp_path / "answers")]) == 0
    found = json.loads((tmp_path / "answers" / "predictions.json").read_text())
    assert len(found["creators"]) == 27
    assert found["models"].keys() == {"encoder", "head", "creator"}


def test_sample_creators_are_drawn_from_the_pictures_that_the_features_name(words, tmp_path):
    data = write_influencers(tmp_path / "data", n_per_category=3, posts=2)
    assert run(["extract", str(data), "--model", words[words.index("--model") + 1], "--out", words[2]]) == 0
    assert run(words) == 0
    with Image.open(tmp_path / "run" / "prediction_samples.png") as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 400


def test_without_pictures_no_sample_creators_are_drawn_and_the_log_tells(words, tmp_path):
    assert run(words) == 0
    assert not (tmp_path / "run" / "prediction_samples.png").exists()
    assert "no prediction_samples.png: none of the" in (tmp_path / "run" / "training.log").read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--pooling", "median"], "pooling"),
        (["--learning-rate", "0"], "learning_rate"),
        (["--splits", "absent.csv"], "absent.csv"),
        (["--made-up", "3"], "--made-up"),
        (["--recipe", "absent.toml"], "absent.toml"),
        (["--devices", "0"], "devices"),
        (["--accelerator", "abacus"], "accelerator"),
    ],
)
def test_wrong_words_are_told(words, tmp_path, capsys, change, told):
    assert run([*words, *change]) in (1, 2)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run" / "last.ckpt").exists()


def parts(path):
    with path.open() as file:
        return {row["group"]: row["split"] for row in csv.DictReader(file)}


def write_parts(path, *, niches=NICHES):
    """The first creator of each niche for training, the second for validation, the third for the test."""
    rows = [f"{niche}{k},{part}\n" for niche in niches for k, part in enumerate(("train", "val", "test"))]
    path.write_text("group,split\n" + "".join(rows))
    return parts(path)


def test_creators_are_divided_as_the_post_model_had_them(words, tmp_path, capsys):
    given = write_parts(tmp_path / "niche" / "splits.csv")
    assert run(words) == 0
    assert parts(tmp_path / "run" / "splits.csv") == given
    assert "divided as in" in capsys.readouterr().out


def test_creators_that_the_post_model_did_not_know_are_divided_anew(words, tmp_path):
    (tmp_path / "niche" / "splits.csv").write_text("group,split\nann,train\n")
    assert run(words) == 0
    assert len(parts(tmp_path / "run" / "splits.csv")) == 27


def test_creators_of_which_the_post_model_knew_some_are_refused(words, tmp_path, capsys):
    write_parts(tmp_path / "niche" / "splits.csv", niches=NICHES[1:])
    assert run(words) == 2
    assert "3 are missing" in capsys.readouterr().err


def test_features_of_another_model_are_refused_before_anything_is_trained(words, tmp_path, capsys):
    at = words.index("--model")
    assert run(words[:at] + words[at + 2 :]) == 2
    assert "--model" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_without_features_is_told(words, tmp_path, capsys):
    words[2] = str(tmp_path / "absent.npz")
    assert run(words) == 1
    assert "postlens extract" in capsys.readouterr().err
