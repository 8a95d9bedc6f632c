"""The reference network of likes: its exact size, its training by the loop of all others, and its folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from postlens.errors import SettingsError
from postlens.train.backbones import build_net
from postlens.train.engagement import Material
from postlens.train.engagement_cnn import _material as material_of
from postlens.train.engagement_cnn_recipe import CnnSettings
from postlens.train.engagement_cnn_run import run_cnn
from postlens.train.engagement_net import N_PARAMETERS, is_reference
from postlens.train.engagement_photos import PhotoSquares, collect_photos
from postlens.train.engagement_split import split_posts
from postlens.train.fit import Machine
from postlens.vision.zoo import open_card

from .drawn_engagement import drawn_accounts, drawn_picture

CPU = Machine(1, "cpu", progress=False)


@pytest.fixture(scope="module")
def material():
    return Material(drawn_accounts(n_accounts=4, n_posts=5), "drawn posts", drawn_picture, ("a note",))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, material):
    """Two epochs with turned copies after a search of two trials; read only."""
    out = tmp_path_factory.mktemp("cnn") / "run"
    settings = CnnSettings(target="log_likes", epochs=2, batch_size=8, turned=True)
    return run_cnn(material, settings, out=out, trials=1, machine=CPU, command="the command"), out


def test_network_has_exactly_the_published_number_of_weights():
    net = build_net(CnnSettings().recipe, n_classes=1)
    assert sum(weight.numel() for weight in net.parameters()) == N_PARAMETERS == 1_625_281
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 1)


def test_published_settings_are_the_defaults():
    recipe = CnnSettings().recipe
    phase = recipe.phases[0]
    assert (phase.optimizer, phase.epochs, recipe.batch_size, recipe.dropout) == ("adam", 30, 32, 0.2)
    assert (recipe.mean, recipe.std) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("values", [{"target": "views"}, {"dropout": 1.5}, {"learning_rate": -1.0}])
def test_settings_that_cannot_be_used_are_told(values):
    with pytest.raises(SettingsError):
        _ = CnnSettings(**values).recipe


@pytest.mark.parametrize(
    ("name", "is_one"), [("reference_cnn_32", True), ("reference_cnn_x", False), ("resnet50", False)]
)
def test_only_its_own_names_are_the_reference(name, is_one):
    assert is_reference(name) == is_one


def test_run_folder_holds_model_history_and_report(trained):
    _, out = trained
    names = {path.name for path in out.iterdir()}
    assert {"cnn.onnx", "cnn.toml", "history.csv", "losses.png", "report.html", "trials.csv", "last.ckpt"} <= names
    assert len((out / "history.csv").read_text().splitlines()) == 3
    assert "constant" in json.loads((out / "scores.json").read_text())["baselines"]


def test_exported_network_gives_likes(trained):
    session = open_card(trained[1] / "cnn.toml")
    found = session.run({"image": np.zeros((3, 3, 64, 64), np.float32)})["likes"]
    assert found.shape == (3, 1)
    assert (found >= 0).all()


def test_finished_run_resumes_to_the_same_scores(trained, material):
    first, out = trained
    settings = CnnSettings(target="log_likes", epochs=2, batch_size=8, turned=True)
    again = run_cnn(material, settings, out=out, machine=CPU, resume=True)
    assert again.scores["mae_log"] == first.scores["mae_log"]


def test_turned_copies_are_of_training_photos_alone(material):
    photos = collect_photos(material.accounts, material.picture)
    split, _ = split_posts(photos.account, rng=np.random.default_rng(0))
    found = material_of(photos, split, CnnSettings(turned=True))
    assert len(found.split.train) == 4 * len(split.train)
    assert set((found.split.train % len(photos)).tolist()) == set(split.train.tolist())
    assert (found.truth[found.split.train] == photos.likes[found.split.train % len(photos)]).all()


def test_rows_beyond_the_photos_are_turned():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    squares = PhotoSquares(pixels, turned=True)
    assert (squares.image(1) == pixels[1]).all()
    assert (squares.image(3) == np.rot90(pixels[1])).all()
