"""The reference network of likes: its exact size, its training by the loop of all others, and its folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from postlens.cli.app import run
from postlens.errors import DivergedError, SettingsError
from postlens.train.backbones import build_net
from postlens.train.engagement import Material
from postlens.train.engagement_cnn import _material as material_of
from postlens.train.engagement_cnn import fit_cnn
from postlens.train.engagement_cnn_recipe import CnnSettings
from postlens.train.engagement_net import N_PARAMETERS, is_reference
from postlens.train.engagement_photos import PhotoSquares, collect_photos
from postlens.train.engagement_search import read_search, search_settings
from postlens.train.engagement_split import split_posts
from postlens.train.fit import Machine
from postlens.vision.zoo import open_card

from .drawn_collection import write_collection
from .drawn_engagement import drawn_accounts, drawn_picture

CPU = Machine(1, "cpu", progress=False)
ONCE = ("--epochs", "2", "--batch-size", "8", "--target", "log_likes", "--accelerator", "cpu")


@pytest.fixture(scope="module")
def material():
    return Material(drawn_accounts(n_accounts=4, n_posts=5), "drawn posts", drawn_picture, ("a note",))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("collection"), n_accounts=4, n_posts=5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, collection):
    """Two epochs with turned copies after a search of one trial, by the command; read only but for `--resume`."""
    out = tmp_path_factory.mktemp("cnn") / "run"
    assert run([*words(collection, out), "--rotated", "--trials", "1"]) == 0
    return out


def words(collection, out):
    return ["train", "engagement", str(collection), "--out", str(out), "--model", "cnn", *ONCE]


def losses(out):
    return column(out / "history.csv", "val_loss")


def column(path, name):
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def small(**changes):
    """A net of 900 weights instead of 1.6 million."""
    return CnnSettings(**({"n_filters": 1, "dense": 2, "epochs": 1, "batch_size": 8, "dropout": 0.0} | changes))


def test_network_has_exactly_the_published_number_of_weights():
    net = build_net(CnnSettings().recipe, n_classes=1)
    assert sum(weight.numel() for weight in net.parameters()) == N_PARAMETERS == 1_625_281
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 1)


def test_published_settings_are_the_defaults():
    recipe = CnnSettings().recipe
    phase = recipe.phases[0]
    assert (phase.optimizer, phase.epochs, recipe.batch_size, recipe.dropout) == ("adam", 30, 32, 0.2)
    assert (recipe.mean, recipe.std) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("values", [{"target": "views"}, {"keep": "first"}, {"dropout": 1.5}, {"learning_rate": -1.0}])
def test_settings_that_cannot_be_used_are_told(values):
    with pytest.raises(SettingsError):
        _ = CnnSettings(**values).recipe


@pytest.mark.parametrize(
    ("name", "is_one"), [("reference_cnn_32", True), ("reference_cnn_x", False), ("resnet50", False)]
)
def test_only_its_own_names_are_the_reference(name, is_one):
    assert is_reference(name) == is_one


def test_run_folder_holds_model_history_and_report(trained):
    names = {path.name for path in trained.iterdir()}
    assert {"cnn.onnx", "cnn.toml", "history.csv", "losses.png", "report.html", "trials.csv", "last.ckpt"} <= names
    assert "trial1" not in names
    assert len(losses(trained)) == 2
    assert "constant" in json.loads((trained / "scores.json").read_text())["baselines"]


def test_turned_copies_are_trained_on_and_told(trained):
    page = (trained / "report.html").read_text()
    assert '<td data-label="setting">turned</td><td data-label="value">True</td>' in page
    assert '<td data-label="setting">trials</td><td data-label="value">1</td>' in page


def test_exported_network_gives_likes(trained):
    session = open_card(trained / "cnn.toml")
    found = session.run({"image": np.zeros((3, 3, 64, 64), np.float32)})["likes"]
    assert found.shape == (3, 1)
    assert (found >= 0).all()


def test_finished_run_resumes_to_the_same_scores_without_another_search(trained, collection):
    before, trials = json.loads((trained / "scores.json").read_text()), (trained / "trials.csv").read_text()
    assert run([*words(collection, trained), "--rotated", "--trials", "3", "--resume"]) == 0
    assert json.loads((trained / "scores.json").read_text()) == before
    assert (trained / "trials.csv").read_text() == trials


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_last_epoch_is_kept_as_published_and_the_best_where_it_is_asked_for(tmp_path, material):
    photos = collect_photos(material.accounts, material.picture)
    settings = small(epochs=4, learning_rate=0.05, target="log_likes")
    last = fit_cnn(photos, settings, out=tmp_path / "run", machine=CPU)
    best = fit_cnn(photos, replace(settings, keep="best"), out=tmp_path / "run", machine=CPU, resume=True)
    seen = [row["val_loss"] for row in last.history]
    assert (last.val_loss, best.val_loss) == (seen[-1], min(seen))
    assert seen[-1] > min(seen)  # else the test tells nothing
    rows = [(fit, _squared_error(fit, photos)) for fit in (last, best)]
    assert all(error == pytest.approx(fit.val_loss, rel=1e-3) for fit, error in rows)


def _squared_error(fit, photos):
    """Of the validation photos, by the net that is kept."""
    images = torch.from_numpy(photos.pixels[fit.split.val]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        found = fit.net.cpu().eval()(images.float())[:, 0].numpy()
    return float(np.mean((found - np.log1p(photos.likes[fit.split.val])) ** 2))


# --- search ---------------------------------------------------------------------------------------------------------


def test_search_takes_the_trial_with_the_lowest_loss(tmp_path):
    found = search_settings(CnnSettings(), trials=4, out=tmp_path, loss=lambda one, _: one.dropout)
    assert found.dropout == min(column(tmp_path / "trials.csv", "dropout"))
    assert read_search(CnnSettings(), tmp_path) == (found, 4)


@pytest.mark.parametrize("given", [{"learning_rate": 0.1}, {"n_filters": 5}, {"dropout": 0.9}])
def test_given_settings_outside_the_ranges_are_the_first_trial(tmp_path, given):
    tried = []
    search_settings(CnnSettings(**given), trials=1, out=tmp_path, loss=lambda one, _: tried.append(one) or 1.0)
    assert replace(tried[0], epochs=30) == CnnSettings(**given)


def test_search_without_any_loss_is_told(tmp_path):
    def diverge(one, folder):
        raise DivergedError("no number")

    with pytest.raises(DivergedError, match="none in 2 trials"):
        search_settings(CnnSettings(), trials=2, out=tmp_path, loss=diverge)


# --- photos ---------------------------------------------------------------------------------------------------------


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
