"""Several nets over pixels: trained on folders, answering together, in an analysis as in the training."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import postlens
from postlens.config import Settings
from postlens.errors import NotEnoughDataError, SettingsError, SplitError, UsageError
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.folder import STORE_FILE
from postlens.store import Store
from postlens.store.readings import read_readings
from postlens.tasks.products.items import Label
from postlens.tasks.products.model import load_product_models, write_product_card
from postlens.tasks.products.pixels import image_square, read_squares
from postlens.train.backbones import build_net, load_backbone
from postlens.train.fit import Machine
from postlens.train.phases import layers_of
from postlens.train.products import ProductRecipe
from postlens.train.products_table import read_product_images
from postlens.train.products_vectors import Reader
from postlens.train.recipe import Phase
from postlens.train.two_networks import train_two_networks
from postlens.train.two_networks_export import export_nets
from postlens.train.two_networks_fit import fit_nets
from postlens.train.two_networks_recipe import change_nets, load_nets
from postlens.train.two_networks_squares import SquareFile, new_squares
from postlens.types import WHOLE
from postlens.vision.encoder import Encoder
from postlens.vision.zoo import open_card

from ..runs import write_colour_net
from .drawn import draw, fill_tree

PHASES = (
    Phase(name="top", epochs=1, unfrozen_layers=0, optimizer="adam", learning_rate=1e-3, warmup_epochs=0),
    Phase(name="last5", epochs=1, unfrozen_layers=5, optimizer="sgd", momentum=0.9, learning_rate=5e-5),
)
MACHINE = Machine(accelerator="cpu", progress=False)


def small_nets(**values):
    """The shipped recipe's two kinds of input, on tiny nets."""
    vgg, resnet = load_nets()
    small = {"weights": "none", "phases": PHASES, "batch_size": 8, "feature_dim": 8, **values}
    return (
        vgg.changed(backbone="test_resnet", dense_layers=True, input_size=(3, 32, 32), **small),
        resnet.changed(backbone="test_efficientnet", input_size=(3, 48, 48), **small),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("two")
    data = fill_tree(root / "data", n=8)
    recipe = ProductRecipe(reads="image", n_folds=3, items={"shoes": "footwear"})
    result = train_two_networks(
        data, out=root / "run", recipe=recipe, nets=small_nets(), name="small.toml", machine=MACHINE
    )
    return SimpleNamespace(data=data, out=root / "run", result=result, recipe=recipe)


def test_every_image_is_answered_by_nets_that_did_not_see_it(trained):
    assert [one.label for one in trained.result.scores] == ["jewellery", "shoes"]
    for one in trained.result.scores:
        assert len(one.rows) == len(trained.result.images) == 24
        assert ((one.probs > 0) & (one.probs < 1)).all()


def test_the_run_folder_tells_of_data_scores_and_trainings(trained):
    names = {path.name for path in trained.out.iterdir()}
    assert {"labels.csv", "eda.html", "report.html", "metrics.json", "answers.csv", "products.toml"} <= names
    assert {"vgg16.onnx", "vgg16.toml", "resnet50.onnx", "resnet50.toml", "training.log"} <= names
    assert "squares.npy" not in names
    assert json.loads((trained.out / "metrics.json").read_text())["recipe"] == "small.toml"
    with (trained.out / "nets" / "fold1" / "vgg16.csv").open() as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["top", "last5"]
    assert not list((trained.out / "nets").glob("fold*/*/*.safetensors"))


def test_the_report_and_the_card_speak_of_nets_that_are_not_calibrated(trained):
    page = (trained.out / "report.html").read_text()
    assert "small.toml, image labels" in page
    assert "answered by nets that saw no image of its group" in page
    assert "by a head" not in page
    assert "Probabilities are not calibrated" in (trained.out / "vgg16.toml").read_text()


def test_frozen_random_layers_are_told_of(trained):
    assert "vgg16: its frozen layers are random" in (trained.out / "training.log").read_text()


def test_the_run_is_a_product_model_over_pixels(trained):
    (model,) = load_product_models([trained.out])
    assert (model.takes, model.reads, model.names) == ("pixels", "image", ("jewellery", "shoes"))
    assert [label.item for label in model.labels] == ["jewellery", "footwear"]
    assert [spec.channel_order for spec in model.nets] == ["BGR", "RGB"]


def test_an_analysis_reads_what_the_nets_say_of_the_picture(trained, tmp_path):
    (model,) = load_product_models([trained.out])
    (tmp_path / "posts" / "ada").mkdir(parents=True)
    image = draw("shoes", seed=99)
    image.save(tmp_path / "posts" / "ada" / "one.png")
    settings = Settings(workers=1, product_models=(trained.out,))
    assert analyze(Request((str(tmp_path / "posts"),), tmp_path / "out"), settings=settings).failures == ()
    with Store.open(str(tmp_path / "out" / STORE_FILE)) as store, store.read() as conn:
        (found,) = read_readings(conn, None, model.fingerprint).values()
    assert found.rows.tolist() == [WHOLE]
    expected = read_squares([image_square(np.asarray(image))], [open_card(card) for card in model.cards])
    assert found.probs == pytest.approx(expected, abs=1e-5)


def test_a_finished_run_is_not_overwritten(trained):
    with pytest.raises(UsageError, match="earlier run"):
        train_two_networks(trained.data, out=trained.out, recipe=trained.recipe, nets=small_nets(), machine=MACHINE)


def test_two_groups_are_too_few_and_leave_no_half_run(tmp_path):
    data = tmp_path / "data"
    for seed in range(12):
        label, group = ("shoes", "none")[seed % 2], ("ada", "bea")[seed // 2 % 2]
        (data / label / group).mkdir(parents=True, exist_ok=True)
        draw(label, seed=seed).save(data / label / group / f"{seed}.png")
    with pytest.raises(SplitError, match=r"3 folds or more, .* got 2"):
        train_two_networks(
            data, out=tmp_path / "run", recipe=ProductRecipe(reads="image"), nets=small_nets(), machine=MACHINE
        )
    assert not {"squares.npy", "nets"} & {path.name for path in (tmp_path / "run").iterdir()}


def test_two_folds_and_several_devices_are_refused_before_anything_is_read(trained, tmp_path):
    with pytest.raises(SplitError, match="3 folds or more"):
        train_two_networks(
            trained.data, out=tmp_path / "run", recipe=ProductRecipe(n_folds=2), nets=small_nets(), machine=MACHINE
        )
    with pytest.raises(SettingsError, match="1 device"):
        train_two_networks(trained.data, out=tmp_path / "run", nets=small_nets(), machine=SimpleNamespace(devices=2))
    assert not (tmp_path / "run").exists()


def test_each_image_is_read_once_and_no_vector_is_made_of_it(trained, tmp_path, monkeypatch):
    opened, told = [], []
    decode = Reader.open
    monkeypatch.setattr(Reader, "open", lambda self, path: opened.append(path) or decode(self, path))
    monkeypatch.setattr(Encoder, "embed", lambda *_: pytest.fail("an embedding that nets have no use for"))

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("postlens.train.two_networks.fit_nets", stop)
    with pytest.raises(KeyboardInterrupt):
        train_two_networks(
            trained.data, out=tmp_path / "run", recipe=trained.recipe, nets=small_nets(), machine=MACHINE,
            progress=lambda *counts: told.append(counts),
        )  # fmt: skip
    assert len(opened) == len(set(opened)) == 24
    assert told == [(n, 24) for n in range(1, 25)]


def test_a_refused_training_leaves_no_squares(tmp_path):
    with pytest.raises(NotEnoughDataError):
        train_two_networks(
            fill_tree(tmp_path / "data", n=3), out=tmp_path / "run", recipe=ProductRecipe(reads="image"),
            nets=small_nets(), machine=MACHINE,
        )  # fmt: skip
    assert not (tmp_path / "run" / "squares.npy").exists()


def test_a_head_is_cut_for_training_as_an_analysis_cuts_it(tmp_path, sample_campaign):
    path = sample_campaign / "media" / "sample.portraits" / "flight-suit.jpg"
    squares = new_squares(tmp_path / "squares.npy", 2)
    faceless = sample_campaign / "media" / "sample.cats.coffee" / "espresso.jpg"
    (tmp_path / "table.csv").write_text(f"file,hat\n{faceless},0\n{path},1\n")
    images, found = Reader().read(read_product_images(tmp_path / "table.csv"), "face", squares=squares)
    square = SquareFile(tmp_path / "squares.npy", found.row).image(0)
    assert (len(images.failures), found.row.tolist(), found.vectors.shape) == (1, [1], (1, 0))
    write_colour_net(tmp_path, "net", labels=("red", "green", "blue"))
    labels = [Label(name, name, "face", 0.5, wearable=True, optional=False) for name in ("red", "green", "blue")]
    write_product_card(tmp_path, reads="face", takes="pixels", nets=["net.toml"], labels=labels)
    (model,) = load_product_models([tmp_path])
    with postlens.Lens(Settings(workers=1, product_models=(tmp_path,)), store=tmp_path / "postlens.db") as lens:
        lens.analyze(path)
    with Store.open(str(tmp_path / "postlens.db"), read_only=True) as store, store.read() as conn:
        (found,) = read_readings(conn, None, model.fingerprint).values()
    assert found.probs == pytest.approx(read_squares([square], [open_card(model.cards[0])]), abs=0.01)


def test_squares_can_be_read_by_another_process(tmp_path):
    np.save(tmp_path / "squares.npy", np.full((2, 224, 224, 3), 7, np.uint8))
    squares = SquareFile(tmp_path / "squares.npy")
    copied = pickle.loads(pickle.dumps(squares))
    assert (len(copied), copied.fingerprint) == (2, squares.fingerprint)
    assert (copied.image(1) == 7).all()


# --- fitting --------------------------------------------------------------------------------------------------------


class Colours:
    """Pictures whose label is the side that is bright; always the same."""

    fingerprint = "colours"

    def __init__(self, n: int) -> None:
        self.truth = (np.arange(n) % 2).astype(np.float32)[:, None]

    def image(self, row: int) -> np.ndarray:
        image = np.random.default_rng(row).integers(0, 60, (32, 32, 3)).astype(np.uint8)
        image[:, : 16 if self.truth[row, 0] else 32] += 150 if self.truth[row, 0] else 20
        return image


def fit(out: Path, *, n: int = 18, n_folds: int = 3, **values):
    pictures, nets = Colours(n), small_nets(**values)
    truth = pictures.truth.copy()
    truth[0] = np.nan
    folds = np.arange(n) // 2 % n_folds
    folds[-1] = -1
    return fit_nets(pictures, truth, folds, nets[:1], out=out, machine=MACHINE)


def test_a_training_that_was_stopped_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    whole = fit(tmp_path / "whole")
    from postlens.train import two_networks_fit

    train = two_networks_fit.NetRuns.train

    def stop(self, name, split, number):
        if name == "fold3":
            raise KeyboardInterrupt
        return train(self, name, split, number)

    with monkeypatch.context() as patch:
        patch.setattr(two_networks_fit.NetRuns, "train", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "cut")
    trained = []
    monkeypatch.setattr(two_networks_fit.NetRuns, "train", lambda *a: trained.append(a[1]) or train(*a))
    assert np.array_equal(fit(tmp_path / "cut").probs, whole.probs)
    assert trained == ["fold3", "final"]
    assert np.isfinite(whole.probs).all()


def test_another_recipe_trains_anew(tmp_path):
    first = fit(tmp_path / "nets")
    with pytest.raises(SettingsError, match="seed 0 \\(now 5\\)"):
        fit(tmp_path / "nets", seed=5)
    assert not np.array_equal(first.probs, fit(tmp_path / "other", seed=5).probs)


def test_too_few_folds_and_several_devices_are_refused(tmp_path):
    with pytest.raises(SplitError, match="3 folds or more"):
        fit(tmp_path, n_folds=2)
    pictures = Colours(6)
    machine = SimpleNamespace(devices=2)
    with pytest.raises(SettingsError, match="1 device"):
        fit_nets(pictures, pictures.truth, np.arange(6) % 3, small_nets(), out=tmp_path, machine=machine)


# --- the real nets --------------------------------------------------------------------------------------------------


def test_the_last_five_layers_of_vgg16_are_its_last_convolutions():
    vgg = load_nets()[0].changed(weights="none")
    layers = layers_of(load_backbone(vgg))
    assert len(layers) == 13
    assert [tuple(layer.weight.shape) for layer in layers[-5:]] == [(512, 512, 3, 3)] * 5


@pytest.mark.parametrize("number", [0, 1], ids=["vgg16", "resnet50"])
def test_the_real_nets_are_exported_as_torch_computes_them(number, tmp_path):
    recipe = load_nets()[number].changed(weights="none")
    net = build_net(recipe, n_classes=2).eval()
    labels = [Label(name, name, "face", 0.5, wearable=True, optional=False) for name in ("hat", "beard")]
    (spec,) = export_nets(
        [net], tmp_path, nets=(recipe,), reads="face", labels=labels, metrics={}, trained_on=(), limits="a test"
    )
    assert spec.metrics["parity"]["max_relative_difference"] < 1e-3
    (model,) = load_product_models([tmp_path])
    square = np.random.default_rng(0).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    assert read_squares([square], [open_card(card) for card in model.cards]).shape == (1, 2)


def test_pretrained_weights_of_vgg16_are_taken_from_a_local_file(tmp_path):
    """As timm's hub has them, with random numbers in them: the hub cannot be reached from a test."""
    recipe = load_nets()[0].changed(weights="none", channel_order="RGB")
    state = {name: value.contiguous() for name, value in load_backbone(recipe).state_dict().items()}
    dense = {"pre_logits.fc1.weight": torch.zeros(2, 2), "head.fc.weight": torch.zeros(2, 2)}
    save_file(state | dense, tmp_path / "vgg16.safetensors")
    (vgg, _) = change_nets(load_nets(), weights={"vgg16": str(tmp_path / "vgg16.safetensors")})
    loaded = load_backbone(vgg).state_dict()
    assert torch.equal(loaded["features.28.weight"], state["features.28.weight"])
    assert loaded["features.0.weight"].flip(1).div(state["features.0.weight"]).std(dim=(0, 2, 3)).max() < 1e-6
