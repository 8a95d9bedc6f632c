"""A net and its ONNX files: the same numbers, cards that say what they are, nothing of the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from postlens.errors import ModelError
from postlens.train.backbones import build_net
from postlens.train.calibrate import Calibration
from postlens.train.export import About, Exported, export_net, is_shipped
from postlens.train.module import NicheNet
from postlens.train.recipe import Recipe, load_recipe
from postlens.types import NICHES
from postlens.vision.encoder import ENCODER, Encoder, prepare
from postlens.vision.zoo import load_spec, open_card

from .nets import Sorting, tiny_net, tiny_recipe

ABOUT = About(source="a test", limits="a test", trained_on=("8 drawings",), metrics={"n": 8, "accuracy": None})
CALIBRATION = Calibration(temperature=1.7, thresholds={"other_below": 0.3}, n=8)


def export(net: NicheNet, out: Path, recipe: Recipe) -> Exported:
    return export_net(net, out, recipe=recipe, classes=NICHES, calibration=CALIBRATION, about=ABOUT)


@pytest.fixture(scope="module")
def projecting(tmp_path_factory) -> tuple[NicheNet, Path, Exported]:
    """A net with a projection, the folder of its files, and their cards."""
    recipe, out = tiny_recipe(feature_dim=24), tmp_path_factory.mktemp("run")
    net = tiny_net(recipe)
    return net, out, export(net, out, recipe)


@pytest.mark.parametrize(
    "recipe",
    [
        tiny_recipe("test_efficientnet"),
        tiny_recipe("test_vit", size_px=160, feature_dim=32),
        tiny_recipe("test_resnet", feature_dim=24),
    ],
    ids=lambda recipe: recipe.backbone,
)
def test_files_answer_as_the_net_does(recipe, tmp_path):
    net = tiny_net(recipe, backbone=timm.create_model(recipe.backbone, pretrained=False, num_classes=0))
    image = np.random.default_rng(1).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    found = export(net, tmp_path, recipe)
    features, _ = Encoder(card=tmp_path / "encoder.toml").embed([image] * 3)
    probs = open_card(tmp_path / "head.toml").run({"features": features})["probs"]
    with torch.inference_mode():
        logits = net.eval()(torch.from_numpy(prepare(image, found.encoder)[None]))
    assert np.allclose(probs, torch.softmax(logits / 1.7, dim=1).numpy(), atol=1e-4)
    assert found.head.metrics["parity"]["max_relative_difference"] < 1e-4


def test_projected_features_are_those_that_the_head_reads(projecting):
    net, out, found = projecting
    features = np.random.default_rng(0).uniform(0, 1, (2, net.width)).astype(np.float32)
    projected = open_card(out / "head.toml").run({"features": features})["projected"]
    assert (projected.shape, found.head.dim) == ((2, 24), 24)
    assert np.allclose(projected, net.project(torch.from_numpy(features)).detach().numpy(), atol=1e-5)


def test_cards_tell_labels_thresholds_origin_and_leave_the_licence_to_the_user(projecting):
    _, out, found = projecting
    assert open_card(out / "head.toml").spec == found.head
    assert (found.head.labels, dict(found.head.thresholds)) == (NICHES, {"other_below": 0.3})
    assert found.head.upstream == (found.encoder.fingerprint,)
    assert found.head.licence.startswith("FILL IN")
    assert "accuracy" not in found.head.metrics


def test_files_tell_nothing_of_the_machine(projecting):
    data = b"".join(path.read_bytes() for path in projecting[1].iterdir())
    assert [word for word in (b"site-packages", b".py", str(Path.cwd()).encode()) if word in data] == []


def test_the_net_goes_on_learning_where_it_was(projecting):
    net = projecting[0]
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_an_untouched_shipped_backbone_needs_no_encoder_of_its_own(tmp_path):
    recipe = load_recipe("efficientnet_lite0")
    (tmp_path / "encoder.onnx").write_bytes(b"of an earlier export")
    found = export(build_net(recipe, n_classes=9), tmp_path, recipe)
    assert not found.own_encoder
    assert found.head.upstream == (load_spec(ENCODER).fingerprint,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.onnx", "head.toml"]


def test_the_least_change_of_the_shipped_backbone_or_its_input_makes_it_another():
    recipe = load_recipe("efficientnet_lite0")
    net = build_net(recipe, n_classes=9)
    assert is_shipped(net, recipe)
    assert not is_shipped(net, recipe.changed(mean=(0.0, 0.0, 0.0)))
    with torch.no_grad():
        net.backbone.conv_stem.weight[0, 0, 0, 0] += 1e-6
    assert not is_shipped(net, recipe)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("postlens.train.export.PARITY", -1.0)
    with pytest.raises(ModelError, match="relative difference"):
        export(tiny_net(tiny_recipe()), tmp_path, tiny_recipe())
    assert list(tmp_path.iterdir()) == []


def test_a_net_that_cannot_be_written_as_a_graph_is_told(tmp_path):
    with pytest.raises(ModelError, match="torch cannot export"):
        export(tiny_net(tiny_recipe(), backbone=Sorting()), tmp_path, tiny_recipe())
