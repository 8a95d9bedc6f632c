"""`postlens train products`: from a folder of drawn things to a run folder, and what it refuses."""

from __future__ import annotations

import json
import sys

import pytest

from postlens.cli.app import run
from postlens.errors import UsageError
from postlens.tasks.products.model import load_product_models

from ..train.drawn import draw, fill_tree

OWN_NETS = """weights = "none"
balance = "none"
batch_size = 8
feature_dim = 8

[augment]
rand_augment_ops = 0

[[phases]]
name = "all"
epochs = 1
unfrozen_layers = 1000
learning_rate = 1e-3

[[nets]]
name = "tiny"
backbone = "test_resnet"
input_size = [3, 32, 32]
mean = [127.5, 127.5, 127.5]
std = [64, 64, 64]
"""


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """Eight pictures each of shoes, jewellery and neither, and a file that is no picture."""
    root = fill_tree(tmp_path_factory.mktemp("things"), n=8)
    (root / "shoes" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return root


def train(data, out, *more):
    return run(["train", "products", "--data", str(data), "--out", str(out), *more])


def test_the_folder_of_a_run_is_a_product_model(things, tmp_path, capsys, monkeypatch):
    words = ["--item", "Jewellery=Gifts", "--prior", "SHOES=0.1", "--folds", "3"]
    monkeypatch.setattr(sys, "argv", ["postlens", "train", "products", *words])
    assert train(things, tmp_path / "run", *words) == 0
    told = capsys.readouterr().out
    assert "24 images, read from whole images; scores by heads that saw no image of the group" in told
    assert "not used: 1 files" in told
    (model,) = load_product_models([tmp_path / "run"])
    assert {label.name: label.item for label in model.labels} == {"jewellery": "gifts", "shoes": "shoes"}
    assert (model.reads, model.takes) == ("image", "vectors")
    assert "--folds 3" in (tmp_path / "run" / "command.txt").read_text()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["n_folds"] == 3


def test_a_run_of_nets_is_told_by_the_name_of_its_recipe(things, tmp_path, capsys):
    (tmp_path / "own.toml").write_text(OWN_NETS)
    words = ["--recipe", str(tmp_path / "own.toml"), "--reads", "image", "--folds", "3", "--accelerator", "cpu"]
    assert train(things, tmp_path / "run", *words) == 0
    assert "scores by nets that saw no image of the group" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["recipe"] == "own.toml"


def test_a_shipped_recipe_goes_by_its_own_name(things, tmp_path, monkeypatch):
    named = []

    def stop(*_, name, **__):
        named.append(name)
        raise UsageError("enough")

    monkeypatch.setattr("postlens.train.two_networks.train_two_networks", stop)
    assert train(things, tmp_path / "run", "--recipe", "two_networks_scratch") == 2
    assert named == ["two_networks_scratch"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--prior", "shoes"], "expected LABEL=NUMBER for --prior, got 'shoes'"),
        (["--prior", "shoes=often"], "expected LABEL=NUMBER"),
        (["--prior", "shoes=2"], "expected a prior between 0 and 1"),
        (["--item", "shoes=red, blue"], "expected a label's name of printable signs without ; , |"),
        (["--item", "=x"], "expected LABEL=ITEM for --item"),
        (["--item", "hats=x"], "expected items and priors of the labels jewellery, shoes, got hats"),
        (["--label", "hats"], "expected labels out of jewellery, shoes, got hats"),
        (["--weights", "none"], "expected --weights with a recipe of nets"),
        (["--recipe", "three_networks"], "expected a recipe out of"),
        (["--recipe", "two_networks", "--weights", "vgg19=x"], "expected weights for the nets vgg16, resnet50"),
        (["--folds", "1"], "--folds"),
        (["--reads", "hands"], "--reads"),
    ],
)
def test_wrong_words_are_told_and_nothing_is_written(things, tmp_path, capsys, words, told):
    assert train(things, tmp_path / "run", *words) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_written_over(things, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    (out / "products.toml").write_text("reads = 'image'")
    assert train(things, out) == 2
    assert "expected a new folder" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["products.toml"]


def test_data_that_is_not_there_is_told(tmp_path, capsys):
    assert train(tmp_path / "nowhere", tmp_path / "run") == 1
    assert "expected a folder of label folders or a CSV file" in capsys.readouterr().err


def test_one_label_without_others_is_told_with_what_to_do(tmp_path, capsys):
    (tmp_path / "data" / "shoes").mkdir(parents=True)
    for i in range(6):
        draw("shoes", seed=i).save(tmp_path / "data" / "shoes" / f"{i}.png")
    assert train(tmp_path / "data", tmp_path / "run") == 1
    assert "0 without shoes; add some, for images without any label in a folder `none`" in capsys.readouterr().err
    assert (tmp_path / "run" / "eda.html").exists()
