"""Recipes of several nets: what ships, what may be changed, what is refused."""

from __future__ import annotations

import pytest

from postlens.errors import SettingsError
from postlens.train.two_networks_recipe import change_nets, list_net_recipes, load_nets


def test_the_shipped_recipe_is_the_published_one():
    vgg, resnet = load_nets()
    assert [(net.name, net.size_px, net.channel_order) for net in (vgg, resnet)] == [
        ("vgg16", 150, "BGR"),
        ("resnet50", 224, "RGB"),
    ]
    assert vgg.std == (1, 1, 1)
    for net in (vgg, resnet):
        assert (net.batch_size, net.weights) == (16, "pretrained")
        top, last = net.phases
        assert (top.optimizer, top.unfrozen_layers, top.epochs) == ("adam", 0, 50)
        assert (last.optimizer, last.unfrozen_layers, last.epochs) == ("sgd", 5, 50)
        assert (last.learning_rate, last.momentum, last.schedule) == (5e-5, 0.9, "constant")


@pytest.mark.parametrize("name", list_net_recipes())
def test_every_shipped_recipe_can_be_loaded(name):
    assert [net.name for net in load_nets(name)] == ["vgg16", "resnet50"]


def test_without_pretrained_weights_every_layer_learns():
    for net in load_nets("two_networks_scratch"):
        assert (net.weights, net.batch_norm, net.phases[0].unfrozen_layers) == ("none", "train", 1000)


def test_weights_are_given_for_all_nets_or_for_each():
    nets = load_nets()
    assert [net.weights for net in change_nets(nets, weights="none")] == ["none", "none"]
    assert [net.weights for net in change_nets(nets, weights={"vgg16": "a.pth"})] == ["a.pth", "pretrained"]
    assert change_nets(nets, batch_size=4)[1].batch_size == 4
    assert change_nets(nets) == nets


@pytest.mark.parametrize(
    ("weights", "message"),
    [({"vgg19": "a.pth"}, "vgg16, resnet50, got some for vgg19"), ("a.pth", "vgg16=FILE"), ("shipped", "none or a")],
)
def test_weights_that_fit_no_net_are_refused(weights, message):
    with pytest.raises(SettingsError, match=message):
        change_nets(load_nets(), weights=weights)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[\[nets\]\]"),
        ("nets = 3", r"\[\[nets\]\]"),
        ("[[nets]]\nname = 'a'", "backbone"),
        ("not toml", "TOML"),
    ],
)
def test_a_file_that_is_no_recipe_is_told(text, message, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_nets(path)


def test_nets_of_one_name_or_for_one_label_are_refused():
    with pytest.raises(SettingsError, match="different names"):
        change_nets(load_nets(), name="a")
    with pytest.raises(SettingsError, match="balance none"):
        change_nets(load_nets(), balance="loss")
