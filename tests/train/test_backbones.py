"""Backbones: each kind of weights gives the net it promises, and what does not fit is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from postlens.errors import ModelError, SettingsError, UnknownNameError
from postlens.train.backbones import build_net, load_backbone, recipe_for
from postlens.train.checkpoints import load_net, read_weights, save_net
from postlens.train.recipe import Recipe, load_recipe
from postlens.vision.encoder import Encoder

TINY = "test_efficientnet"
OTHER = "test_resnet"
PARITY = 1e-4  # on features in [0, 6]


def recipe(weights: str = "none", backbone: str = TINY, **values) -> Recipe:
    return load_recipe("efficientnet_lite0").changed(
        backbone=backbone, weights=weights, input_size=(3, 32, 32), **values
    )


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_shipped_weights_compute_what_the_shipped_encoder_does():
    net = load_backbone(load_recipe("efficientnet_lite0"))
    batch = np.random.default_rng(0).uniform(-1, 1, (3, 3, 224, 224)).astype(np.float32)
    expected, _ = Encoder().embed_prepared(batch)
    with torch.inference_mode():
        got = net(torch.from_numpy(batch)).numpy()
    assert np.abs(got - expected).max() < PARITY


def test_shipped_weights_of_another_net_are_refused():
    with pytest.raises(SettingsError, match="tf_efficientnet_lite0, got backbone test_efficientnet"):
        load_backbone(recipe("shipped"))


def test_an_unknown_backbone_names_near_ones():
    with pytest.raises(UnknownNameError, match="tf_efficientnet_lite0"):
        load_backbone(recipe(backbone="tf_efficientnet_lite_0"))


def test_a_setting_that_the_backbone_does_not_take_is_told():
    with pytest.raises(SettingsError, match="vgg11 cannot be made"):
        load_backbone(recipe(backbone="vgg11", drop_path=0.1))


def test_a_hub_out_of_reach_is_told_with_the_two_other_ways(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"--weights FILE.*--weights none"):
        load_backbone(recipe("pretrained", "test_vit2.r160_in1k"))


@pytest.mark.parametrize("way", ["safetensors", "pth", "wrapped", "run"])
def test_a_checkpoint_of_the_same_net_is_loaded(way, tmp_path):
    net = build_net(recipe(), n_classes=3)
    path = tmp_path / ("w.safetensors" if way in ("safetensors", "run") else "w.pth")
    state = net.backbone.state_dict()
    if way == "safetensors":
        save_file(state, path)
    elif way == "run":
        save_net(net, path, architecture=TINY)
    else:
        wrapped = {f"module.{name}": value for name, value in state.items()}
        torch.save(state if way == "pth" else {"arch": TINY, "state_dict": wrapped, "epoch": 3}, path)
    assert same(load_backbone(recipe(str(path))), net.backbone)


def test_the_classifier_of_a_checkpoint_is_left_out(tmp_path):
    import timm

    whole = timm.create_model(TINY, num_classes=5)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    loaded = load_backbone(recipe(str(tmp_path / "w.safetensors")))
    assert torch.equal(loaded.conv_stem.weight, whole.conv_stem.weight)


def test_a_checkpoint_of_another_architecture_names_both(tmp_path):
    save_net(build_net(recipe(backbone=OTHER), n_classes=3), tmp_path / "w.safetensors", architecture=OTHER)
    with pytest.raises(ModelError, match=rf"weights of {TINY}.*architecture {OTHER}.*missing.*not expected"):
        load_backbone(recipe(str(tmp_path / "w.safetensors")))


def test_a_weight_of_another_shape_is_named_with_both_shapes(tmp_path):
    state = load_backbone(recipe()).state_dict() | {"conv_stem.weight": torch.zeros(2, 3, 3, 3)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"conv_stem.weight \(24, 3, 3, 3\) there \(2, 3, 3, 3\)"):
        load_backbone(recipe(str(tmp_path / "w.pth")))


class Planted:
    """What an unpickler would run."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", [b"", b"no weights", {"state_dict": Planted()}, [1, 2]])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_holds_no_weights_is_told_and_never_run(content, suffix, tmp_path, capsys):
    path = tmp_path / f"w{suffix}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ModelError, match=r"expected a readable checkpoint .* got: .+"):
        read_weights(path)
    assert capsys.readouterr().out == ""


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(ModelError, match="expected a readable checkpoint"):
        load_backbone(recipe(str(tmp_path / "none.safetensors")))


def test_saved_weights_are_readable_by_whom_other_new_files_are(tmp_path):
    (tmp_path / "other").touch()
    save_net(torch.nn.Linear(2, 2), tmp_path / "net.safetensors", architecture="linear")
    assert (tmp_path / "net.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_saved_net_is_read_back_whole(tmp_path):
    net, again = (build_net(recipe(feature_dim=8), n_classes=3) for _ in range(2))
    save_net(net, tmp_path / "w.safetensors", architecture=TINY)
    load_net(again, tmp_path / "w.safetensors")
    assert same(net, again)
    assert read_weights(tmp_path / "w.safetensors")[1] == TINY


@pytest.mark.parametrize("backbone", [TINY, OTHER, "test_vit", "test_convnext"])
@pytest.mark.parametrize("feature_dim", [None, 8])
def test_any_timm_net_gives_features_and_logits(backbone, feature_dim):
    net = build_net(recipe(backbone=backbone, feature_dim=feature_dim), n_classes=3).eval()
    images = torch.zeros(2, 3, 32, 32)
    features = net.features(images)
    assert features.shape == (2, net.width)
    assert net.project(features).shape == (2, net.feature_dim)
    assert torch.allclose(net(images), net.head(net.project(features)))


def test_a_recipe_for_another_net_takes_its_preprocessing():
    got = recipe_for(load_recipe("efficientnet_lite0"), "resnet50")
    assert (got.backbone, got.weights) == ("resnet50", "pretrained")
    assert got.mean == pytest.approx(load_recipe("resnet50").mean)
    assert got.std == pytest.approx(load_recipe("resnet50").std)


def test_weights_made_for_rgb_answer_the_same_on_bgr_without_division(tmp_path):
    net = load_backbone(recipe(backbone=OTHER))
    path = tmp_path / "weights.safetensors"
    save_file(net.state_dict(), path)
    mean, std = timm_preprocessing(OTHER)
    swapped = recipe(str(path), OTHER, channel_order="BGR", mean=mean[::-1], std=(1, 1, 1))
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    as_timm = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    as_recipe = pixels.flip(1) - torch.tensor(mean[::-1])[:, None, None]
    with torch.inference_mode():
        assert torch.allclose(net(as_timm), load_backbone(swapped)(as_recipe), atol=1e-4)


def timm_preprocessing(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    found = recipe_for(load_recipe("efficientnet_lite0"), backbone)
    return found.mean, found.std


def test_weights_of_an_earlier_run_are_not_swapped_again(tmp_path):
    net = load_backbone(recipe(backbone=OTHER))
    path = tmp_path / "weights.safetensors"
    save_file(net.state_dict(), path)
    assert same(net, load_backbone(recipe(str(path), OTHER, channel_order="BGR", weights_order="BGR")))


def test_dense_layers_can_only_be_left_out_where_there_are_some():
    with pytest.raises(SettingsError, match="cannot be made"):
        load_backbone(recipe(dense_layers=False))
