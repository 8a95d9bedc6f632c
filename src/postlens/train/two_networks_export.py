"""Trained nets to ONNX files with cards and `products.toml`: a folder for the setting `product_models`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from postlens.tasks.products.items import Label
from postlens.tasks.products.model import Reads, write_product_card
from postlens.train.export import PROBE_ROWS, write_model
from postlens.train.module import NicheNet
from postlens.train.recipe import Recipe
from postlens.train.two_networks_recipe import Nets
from postlens.types import ModelSpec
from postlens.vision.cards import known

LICENCE = (
    "FILL IN: the licence of this model, given the terms of its training images and of the weights it started from"
)
PAPERS = {
    "vgg": "Simonyan and Zisserman 2014, arXiv:1409.1556",
    "resnet": "He et al. 2015, arXiv:1512.03385",
}


def export_nets(
    trained: Sequence[NicheNet],
    out: Path,
    *,
    nets: Nets,
    reads: Reads,
    labels: Sequence[Label],
    metrics: Mapping[str, Any],
    trained_on: Sequence[str],
    limits: str,
) -> tuple[ModelSpec, ...]:
    """Write `<name>.onnx` with its card for each net, and `products.toml`, which says that their mean counts.

    metrics: of the mean of all nets. The nets themselves are left as they are.

    Raises `ModelError` when torch cannot export a net, or its file does not compute what it does.
    """
    names = tuple(label.name for label in labels)
    told = {"scores_are_of": f"the mean of {' and '.join(net.name for net in nets)}", **known(metrics)}
    specs = []
    for net, recipe in zip(trained, nets, strict=True):
        spec = _spec(recipe, names, metrics=told, trained_on=tuple(trained_on), limits=limits)
        module = _Probs(copy.deepcopy(net).cpu().float().eval())
        specs.append(write_model(module, spec, out, input_name="image", probe=_probe(recipe)))
    write_product_card(out, reads=reads, takes="pixels", nets=[f"{net.name}.toml" for net in nets], labels=labels)
    return tuple(specs)


class _Probs(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    def __init__(self, net: NicheNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.net(image))


def _spec(recipe: Recipe, names: tuple[str, ...], **told: Any) -> ModelSpec:
    began = {"pretrained": "timm's pretrained weights", "none": "random weights"}
    return ModelSpec(
        name=recipe.name,
        version="1",
        task="products",
        file=f"{recipe.name}.onnx",
        sha256="",
        licence=LICENCE,
        source=f"postlens train products: {recipe.backbone} from {began.get(recipe.weights, 'weights of a file')}",
        paper=next((paper for start, paper in PAPERS.items() if recipe.backbone.startswith(start)), recipe.backbone),
        input_size=recipe.input_size,
        mean=recipe.mean,
        std=recipe.std,
        interpolation=recipe.interpolation,
        channel_order=recipe.channel_order,
        outputs=("probs",),
        labels=names,
        **told,
    )


def _probe(recipe: Recipe) -> Any:
    """Noise as the net takes it."""
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (recipe.mean, recipe.std))
    pixels = np.random.default_rng(0).integers(0, 256, (max(PROBE_ROWS), *recipe.input_size))
    return ((pixels - mean) / std).astype(np.float32)
