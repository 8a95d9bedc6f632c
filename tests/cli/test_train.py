"""`postlens train niche`: a run by its verb, over several processes, killed, and wrongly called."""

from __future__ import annotations

import csv
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postlens.cli.app import run
from postlens.train import loop
from postlens.train.recipe import load_recipe, write_recipe

from ..train.small import PHASES, drawn_folders, small_recipe, without_clock

WAIT_S = 120
ONE_EPOCH = tuple(phase.model_copy(update={"epochs": 1}) for phase in PHASES)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return drawn_folders(tmp_path_factory.mktemp("drawn") / "images")


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    write_recipe(small_recipe(), path)
    return path


def words(data: Path, recipe: Path, out: Path, *more: str) -> list[str]:
    fixed = ["train", "niche", str(data), "--recipe", str(recipe), "--out", str(out)]
    return [*fixed, "--accelerator", "cpu", "--workers", "0", *more]


def rows_of(out: Path) -> list[dict[str, str]]:
    path = out / "history.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return without_clock(csv.DictReader(file))


def test_a_run_writes_model_and_report_and_says_where(data, recipe_file, tmp_path, capsys):
    assert run(words(data, recipe_file, tmp_path / "run", "--epochs", "0,1", "--batch-size", "8")) == 0
    out, err = capsys.readouterr()
    assert str(tmp_path / "run") in out
    assert "macro-F1" in out
    assert err == ""
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"encoder.onnx", "head.onnx", "classification_report.json", "training_history.png", "last.ckpt"} <= names
    written = load_recipe(tmp_path / "run" / "recipe.toml")
    assert [(phase.name, phase.epochs) for phase in written.phases] == [("top", 1)]
    assert written.batch_size == 8


# The command line without what is written after training, which takes as long as all the rest here.
SCRIPT = """
from postlens.cli import main
from postlens.train import loop

loop.write_outcome = lambda out, **values: None
main()
"""


def test_two_processes_train_one_net_and_write_once(data, tmp_path):
    recipe, out, script = tmp_path / "r.toml", tmp_path / "run", tmp_path / "script.py"
    write_recipe(small_recipe(phases=ONE_EPOCH), recipe)
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), *words(data, recipe, out, "--devices", "2")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model and report") == 1
    assert [row["epoch"] for row in rows_of(out)] == ["1", "2"]
    assert float(rows_of(out)[-1]["val_macro_f1"]) == pytest.approx(macro_f1_of_best(data, out))


def macro_f1_of_best(data: Path, out: Path) -> float:
    """Of the written weights, over all validation images in one process."""
    import numpy as np
    import torch

    from postlens.train.backbones import build_net
    from postlens.train.checkpoints import load_net
    from postlens.train.data import Loading, Material
    from postlens.train.labels import read_splits
    from postlens.train.learner import class_scores
    from postlens.train.pictures import open_pictures
    from postlens.train.predict import predict_rows

    recipe = load_recipe(out / "recipe.toml")
    pictures = open_pictures(data, size_px=recipe.size_px)
    material = Material(pictures, pictures.labelled, read_splits(out / "splits.csv", pictures.labelled))
    net = build_net(recipe, n_classes=material.n_classes)
    load_net(net, out / "phase2_top.safetensors")
    loading, rows = Loading(batch_size=4, workers=0), material.split.val
    found = predict_rows(net, material, rows, recipe=recipe, loading=loading, device=torch.device("cpu"))
    counts = np.zeros((material.n_classes,) * 2)
    np.add.at(counts, (found.truth, found.logits.argmax(axis=1)), 1)
    return class_scores(counts)["val_macro_f1"]


def numbers_of(folder):
    return [float(row[name]) for row in rows_of(folder) for name in ("epoch", "train_loss", "val_loss", "val_macro_f1")]


def test_a_killed_run_goes_on_as_if_nothing_was(data, recipe_file, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "write_outcome", lambda out, **values: None)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "postlens", *words(data, recipe_file, killed)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + WAIT_S
    while len(rows_of(killed)) < 2 and time.monotonic() < give_up and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(rows_of(killed)) >= 2
    assert (killed / "command.txt").read_text() == shlex.join(["postlens", *command[3:]]) + "\n"
    assert run(words(data, recipe_file, killed, "--resume")) == 0
    assert run(words(data, recipe_file, whole)) == 0
    # The killed process had one thread; sums over another number of threads differ in the last bits.
    assert [row["phase"] for row in rows_of(killed)] == [row["phase"] for row in rows_of(whole)]
    assert numbers_of(killed) == pytest.approx(numbers_of(whole), rel=1e-4, abs=1e-7)


def test_ctrl_c_keeps_the_epochs_and_says_how_to_go_on(data, recipe_file, tmp_path, capsys, monkeypatch):
    from postlens.train.learner import PhaseLearner

    def stop(self, batch, batch_idx):
        raise KeyboardInterrupt

    monkeypatch.setattr(PhaseLearner, "training_step", stop)
    before = signal.getsignal(signal.SIGINT)
    assert run(words(data, recipe_file, tmp_path / "run")) == 130
    assert "--resume" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


WRONG = [
    (["--epochs", "1,2,3"], "2 numbers"),
    (["--epochs", "many"], "2 numbers"),
    (["--epochs", "0"], "at least one epoch"),
    (["--epochs", "0.5"], "epochs"),
    (["--epochs", "nan"], "epochs"),
    (["--learning-rate", "0"], "learning_rate"),
    (["--learning-rate", "nan"], "learning_rate"),
    (["--learning-rate", "1e-3,-1"], "2 numbers"),
    (["--precision", "fp8"], "precision"),
    (["--backbone", "resnet50000"], "timm model"),
    (["--logger", "excel"], "wandb"),
    (["--devices", "0"], "expected devices"),
    (["--devices", "many"], "expected devices"),
    (["--accelerator", "abacus"], "expected an accelerator"),
    (["--splits", "absent.csv"], "absent.csv"),
]


@pytest.mark.parametrize(("more", "told"), WRONG)
def test_wrong_words_are_told(data, recipe_file, tmp_path, capsys, more, told):
    assert run(words(data, recipe_file, tmp_path / "run", *more)) in (1, 2)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_a_folder_that_cannot_be_made_is_told(data, recipe_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(words(data, recipe_file, tmp_path / "file" / "run")) == 2
    assert "expected a folder that can be written" in capsys.readouterr().err


def test_a_missing_extra_says_what_to_install(data, recipe_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert run(words(data, recipe_file, tmp_path / "run")) == 2
    assert 'pip install "postlens[train]"' in capsys.readouterr().err
