"""`postlens train reactions`: a run by its verb, over two processes, stopped, and wrongly called."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from postlens.cli.app import run
from postlens.cli.train_reactions import Layout, Loss
from postlens.train import reactions
from postlens.train.emotion_layouts import LAYOUTS
from postlens.train.losses import LOSSES
from postlens.train.recipe import load_recipe, write_recipe

from ..train.emotions import small_recipe, write_fer2013, write_folders

WAIT_S = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_folders(tmp_path_factory.mktemp("emotions") / "images", n=12)


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    write_recipe(small_recipe(), path)
    return path


def words(data: Path, recipe: Path, out: Path, *more: str) -> list[str]:
    fixed = ["train", "reactions", str(data), "--recipe", str(recipe), "--out", str(out)]
    return [*fixed, "--accelerator", "cpu", "--workers", "0", *more]


def test_a_run_writes_the_model_and_says_how_good_it_is(data, recipe_file, tmp_path, capsys):
    more = ["--loss", "focal", "--batch-size", "8", "--learning-rate", "1e-3"]
    assert run(words(data, recipe_file, tmp_path / "run", *more)) == 0
    out, err = capsys.readouterr()
    assert "36 images, labels by table folders, version 1" in out
    assert all(word in out for word in ("macro-F1", "mAP", "happy", "angry", str(tmp_path / "run")))
    assert err == ""
    written = load_recipe(tmp_path / "run" / "recipe.toml")
    assert (written.loss, written.batch_size, written.phases[0].learning_rate) == ("focal", 8, 1e-3)
    assert (tmp_path / "run" / "reactions.pt").is_file()


# The command line without what is written after training, which takes as long as all the rest here.
SCRIPT = """
from postlens.cli import main
from postlens.train import reactions

reactions.export_reactions = lambda net, out, **values: values
main()
"""


def test_two_processes_train_one_net_and_write_once(data, recipe_file, tmp_path):
    out, script = tmp_path / "run", tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), *words(data, recipe_file, out, "--devices", "2")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model and report") == 1
    with (out / "history.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["val_macro_f1"]) == pytest.approx(macro_f1_of_best(data, out))


def macro_f1_of_best(data: Path, out: Path) -> float:
    """Of the written weights, over all validation images in one process."""
    import torch

    from postlens.train.backbones import build_net
    from postlens.train.checkpoints import load_net
    from postlens.train.data import Loading
    from postlens.train.label_learner import label_scores
    from postlens.train.predict import predict_logits
    from postlens.train.reactions import open_data

    recipe = load_recipe(out / "recipe.toml")
    opened = open_data(data, recipe=recipe)
    net = build_net(recipe, n_classes=len(opened.labels))
    load_net(net, out / "best.safetensors")
    rows, loading = opened.material.split.val, Loading(batch_size=4, workers=0)
    options = {"recipe": recipe, "loading": loading, "device": torch.device("cpu")}
    logits = predict_logits(net, opened.material.pictures, rows, **options)
    return label_scores(logits, opened.material.truth[rows])["val_macro_f1"]


def test_ctrl_c_says_how_to_go_on(data, recipe_file, tmp_path, capsys, monkeypatch):
    from postlens.train.label_learner import LabelLearner

    def stop(self, batch, batch_idx):
        raise KeyboardInterrupt

    monkeypatch.setattr(LabelLearner, "training_step", stop)
    assert run(words(data, recipe_file, tmp_path / "run")) == 130
    assert "--resume" in capsys.readouterr().err


WRONG = [
    (["--layout", "imagenet"], "--layout"),
    (["--layout", "fer2013"], "pixels"),
    (["--loss", "hinge"], "--loss"),
    (["--labels", "absent.toml"], "absent.toml"),
    (["--recipe", "resnet5000"], "expected a recipe out of [efficientnet_b0"),
    (["--balance", "loss"], "balance none or sampler"),
    (["--backbone", "resnet50000"], "timm model"),
    (["--epochs", "many"], "1 numbers"),
    (["--devices", "many"], "expected devices"),
]


@pytest.mark.parametrize(("more", "told"), WRONG)
def test_wrong_words_are_told_and_nothing_is_trained(data, recipe_file, tmp_path, capsys, more, told):
    assert run(words(data, recipe_file, tmp_path / "run", *more)) in (1, 2)
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_an_unknown_label_is_told_with_the_known_ones(recipe_file, tmp_path, capsys):
    write_folders(tmp_path / "data", labels=("happy", "bored"), n=3)
    assert run(words(tmp_path / "data", recipe_file, tmp_path / "run")) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in ("'bored'", "happy", "neutral", "--labels FILE"))


def test_one_emotion_alone_is_told(recipe_file, tmp_path, capsys):
    write_folders(tmp_path / "data", labels=("happy",), n=3)
    assert run(words(tmp_path / "data", recipe_file, tmp_path / "run")) == 1
    assert "got happy (3)" in capsys.readouterr().err


def test_a_table_of_pixels_is_a_data_set(recipe_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reactions, "export_reactions", lambda net, out, **values: values)
    data = write_fer2013(tmp_path / "fer2013.csv", n=4)
    assert run(words(data, recipe_file, tmp_path / "run", "--layout", "fer2013")) == 0
    assert "labels by table fer2013" in capsys.readouterr().out


def test_the_words_for_layouts_and_losses_are_those_that_there_are():
    assert {one.value for one in Layout} == {"auto", *LAYOUTS}
    assert {one.value for one in Loss} == set(LOSSES)
