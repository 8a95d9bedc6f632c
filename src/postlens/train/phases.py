"""A phase of a recipe to what learns: unfrozen layers, optimizer, learning rate over the steps.

A layer is a module of the backbone that owns parameters itself: a convolution, a dense layer, a norm, or whatever else
has weights of its own (the position table of a vision transformer). Layers are counted in the order in which the net
registers them, which for timm's nets is the order in which they run; the last is the nearest to the output. Keras also
counts layers without parameters (activations, additions, paddings), so that its "top 50 layers" reach about half as
far down. Projection and head always learn and are not counted.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from postlens.train.module import NicheNet
from postlens.train.recipe import Phase

NORMS = (
    nn.modules.batchnorm._BatchNorm,  # the only common base of batch norms of all dimensions
    nn.GroupNorm,
    nn.LayerNorm,
)
BATCH_NORMS = NORMS[0]


def layers_of(backbone: nn.Module) -> list[nn.Module]:
    """Modules that own parameters, from the input to the output; a module used twice is there once."""
    return [one for one in backbone.modules() if any(True for _ in one.parameters(recurse=False))]


def freeze(net: NicheNet, unfrozen_layers: int) -> None:
    """Let projection, head and the last `unfrozen_layers` layers of the backbone learn, and nothing else.

    More than there are: all of them. In place.
    """
    layers = layers_of(net.backbone)
    first = max(0, len(layers) - unfrozen_layers)
    for number, layer in enumerate(layers):
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(number >= first)
    for part in (net.projection, net.head):
        part.requires_grad_(True)


def set_training(net: NicheNet, *, batch_norm: str) -> None:
    """Training mode where something learns: frozen parts stay in eval mode. In place.

    A frozen batch norm must neither normalise by the batch nor move its statistics; with batch_norm "eval" the
    unfrozen ones keep theirs too and learn scale and shift only. A backbone that is frozen whole also drops nothing.
    """
    net.train()
    if not any(parameter.requires_grad for parameter in net.backbone.parameters()):
        net.backbone.eval()
        return
    for module in net.backbone.modules():
        frozen = not any(parameter.requires_grad for parameter in module.parameters())
        if isinstance(module, BATCH_NORMS) and (batch_norm == "eval" or frozen):
            module.eval()


def make_optimizer(net: NicheNet, phase: Phase, *, fused: bool = False) -> torch.optim.Optimizer:
    """The phase's optimizer over what learns; weights decay, biases and norms do not.

    The groups of the backbone come first, at the phase's rate; projection and head learn at `head_factor` times that.
    `fused`: one kernel for a step, on a CUDA device; not with fp16, whose scaled gradients could not be clipped then.
    """
    plain = {id(p) for module in net.modules() if isinstance(module, NORMS) for p in module.parameters()}
    top = [*net.projection.parameters(), *net.head.parameters()]
    parts = ((list(net.backbone.parameters()), 1.0), (top, phase.head_factor))
    groups = []
    for parameters, factor in parts:
        learning = [p for p in parameters if p.requires_grad]
        decayed = [p for p in learning if p.ndim > 1 and id(p) not in plain]
        rest = [p for p in learning if p.ndim <= 1 or id(p) in plain]
        rate = phase.learning_rate * factor
        groups += [
            {"params": decayed, "lr": rate, "weight_decay": phase.weight_decay},
            {"params": rest, "lr": rate, "weight_decay": 0.0},
        ]
    used: list[dict[str, Any]] = [group for group in groups if group["params"]]
    if phase.optimizer == "sgd":
        return torch.optim.SGD(used, lr=phase.learning_rate, momentum=phase.momentum, fused=fused or None)
    kind = torch.optim.AdamW if phase.optimizer == "adamw" else torch.optim.Adam
    return kind(used, lr=phase.learning_rate, fused=fused or None)


def make_schedule(optimizer: Any, phase: Phase, *, steps_per_epoch: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rate of every step of the phase, as `rate_factor`; with schedule "constant" it does not fall."""
    warmup, total = round(phase.warmup_epochs * steps_per_epoch), phase.epochs * steps_per_epoch
    if phase.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / max(1, warmup)))
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, warmup=warmup, total=total))


def rate_factor(step: int, *, warmup: int, total: int) -> float:
    """Share of the phase's learning rate at a step: a line up to 1 (Goyal et al. 2017), then half a cosine down to 0.

    The cosine is that of Loshchilov and Hutter 2017 without restarts. A warm-up that takes the whole phase only rises.
    """
    if step < warmup:
        return (step + 1) / warmup
    if step >= total:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
