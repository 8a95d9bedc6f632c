"""Phases: what learns, what stays as it is, and how fast."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from postlens.train.backbones import build_net
from postlens.train.module import NicheNet
from postlens.train.phases import (
    BATCH_NORMS,
    freeze,
    layers_of,
    make_optimizer,
    make_schedule,
    rate_factor,
    set_training,
)
from postlens.train.recipe import Phase, load_recipe

PHASE = Phase(name="p", epochs=2, unfrozen_layers=0, learning_rate=1e-3, warmup_epochs=1, weight_decay=0.1)


def make_net(backbone: str = "test_efficientnet", feature_dim: int | None = 8) -> NicheNet:
    recipe = load_recipe("efficientnet_lite0").changed(backbone=backbone, weights="none", feature_dim=feature_dim)
    return build_net(recipe, n_classes=3)


def learning(net: NicheNet) -> int:
    """Layers of the backbone that learn."""
    return sum(any(p.requires_grad for p in one.parameters(recurse=False)) for one in layers_of(net.backbone))


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_vit", "test_resnet"])
@pytest.mark.parametrize("asked", [0, 1, 7, 1000])
def test_the_asked_number_of_layers_learns(backbone, asked):
    net = make_net(backbone)
    freeze(net, asked)
    assert learning(net) == min(asked, len(layers_of(net.backbone)))
    assert all(p.requires_grad for part in (net.head, net.projection) for p in part.parameters())


def test_layers_are_counted_from_the_output():
    net = make_net()
    freeze(net, 2)
    names = [name for name, p in net.backbone.named_parameters() if p.requires_grad]
    assert {name.split(".")[0] for name in names} == {"conv_head", "bn2"}


def test_every_parameter_is_in_one_layer():
    net = make_net("test_vit")
    counted = [p for layer in layers_of(net.backbone) for p in layer.parameters(recurse=False)]
    assert len(counted) == len({id(p) for p in counted}) == len(list(net.backbone.parameters()))


def run_one_step(net: NicheNet, batch_norm: str) -> dict[str, torch.Tensor]:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    set_training(net, batch_norm=batch_norm)
    optimizer = make_optimizer(net, PHASE)
    net(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    return {name: value for name, value in net.state_dict().items() if not torch.equal(value, before[name])}


def test_a_frozen_backbone_does_not_change_at_all():
    net = make_net()
    freeze(net, 0)
    assert not [name for name in run_one_step(net, "train") if name.startswith("backbone.")]


def test_frozen_layers_below_unfrozen_ones_do_not_change():
    net = make_net()
    freeze(net, 2)
    changed = run_one_step(net, "train")
    assert {name.split(".")[1] for name in changed if name.startswith("backbone.")} == {"conv_head", "bn2"}
    assert "backbone.bn2.running_mean" in changed


def test_batch_norms_keep_their_statistics_by_default():
    net = make_net()
    freeze(net, 1000)
    changed = run_one_step(net, "eval")
    assert not [name for name in changed if "running_" in name]
    assert "backbone.bn1.weight" in changed
    assert not any(module.training for module in net.modules() if isinstance(module, BATCH_NORMS))


def test_weights_decay_but_biases_and_norms_do_not():
    net = make_net("test_vit")
    freeze(net, 1000)
    groups = make_optimizer(net, PHASE).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0] * 2
    norms = [p for one in net.modules() if isinstance(one, nn.LayerNorm) for p in one.parameters()]
    held = {id(p) for group in groups[1::2] for p in group["params"]}
    assert {id(p) for p in norms} | {id(net.head.bias)} <= held
    assert id(net.head.weight) not in held


def test_projection_and_head_learn_at_their_own_rate():
    net = make_net()
    freeze(net, 1000)
    groups = make_optimizer(net, PHASE.model_copy(update={"head_factor": 10.0})).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-3, 1e-2, 1e-2])
    top = {id(p) for group in groups[2:] for p in group["params"]}
    assert top == {id(p) for part in (net.projection, net.head) for p in part.parameters()}


def test_only_what_learns_is_optimized():
    net = make_net(feature_dim=None)
    freeze(net, 0)
    groups = make_optimizer(net, PHASE).param_groups
    assert sum(len(group["params"]) for group in groups) == 2


def test_the_rate_rises_over_the_warm_up_and_falls_to_nothing():
    schedule = make_schedule(make_optimizer(make_net(), PHASE), PHASE, steps_per_epoch=4)
    rates = []
    for _ in range(8):
        rates.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    assert rates[4] == pytest.approx(1e-3)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert schedule.get_last_lr()[0] == 0


@given(st.integers(0, 400), st.integers(0, 100), st.integers(1, 300))
def test_the_rate_is_never_above_the_phase_s(step, warmup, total):
    assert 0 <= rate_factor(step, warmup=warmup, total=total) <= 1


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_the_phase_names_its_optimizer(name, kind):
    phase = PHASE.model_copy(update={"optimizer": name, "momentum": 0.9})
    optimizer = make_optimizer(make_net(), phase)
    assert type(optimizer) is kind
    assert optimizer.param_groups[0].get("momentum", 0.9) == 0.9


def test_a_constant_rate_stays_after_the_warm_up():
    phase = PHASE.model_copy(update={"schedule": "constant"})
    schedule = make_schedule(make_optimizer(make_net(), phase), phase, steps_per_epoch=2)
    rates = []
    for _ in range(4):
        rates.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.5e-3, 1e-3, 1e-3, 1e-3])
