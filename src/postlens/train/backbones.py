"""A recipe to a net with its first weights: shipped, downloaded by timm, out of a checkpoint, or drawn at random."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from postlens.errors import ModelError, SettingsError, UnknownNameError
from postlens.train.checkpoints import load_weights
from postlens.train.engagement_net import ReferenceConvolutions, is_reference
from postlens.train.folded import load_folded
from postlens.train.module import NicheNet
from postlens.train.recipe import Recipe
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import WEIGHTS, load_spec

SHIPPED_BACKBONE = "tf_efficientnet_lite0"  # timm's name of the architecture of the shipped encoder
_DENSE_WIDTH = 4096  # of the dense layers of a VGG
FULL_SCALE = 255.0  # timm's cards count brightness from 0 to 1, ours from 0 to 255


def build_net(recipe: Recipe, *, n_classes: int) -> NicheNet:
    """The recipe's backbone with its weights, under a new head. Raises as `load_backbone`.

    The head's first weights come from torch's random numbers: seed them before.
    """
    return NicheNet(load_backbone(recipe), n_classes=n_classes, feature_dim=recipe.feature_dim, dropout=recipe.dropout)


def load_backbone(recipe: Recipe) -> nn.Module:
    """A timm net without classifier: images (N, 3, H, W) to pooled features (N, D), in eval mode.

    Or the reference network of likes (`engagement_net`), which begins with random weights.

    Raises:
        UnknownNameError: timm has no net of the name; near names are told.
        SettingsError: the net does not take one of the recipe's settings, or no weights of that kind are there for it.
        ModelError: weights cannot be downloaded or read, or belong to another architecture.
    """
    if is_reference(recipe.backbone):
        return ReferenceConvolutions.named(recipe.backbone).eval()
    if recipe.weights == "pretrained":
        backbone = _download(recipe)
        _drop_dense_layers(backbone, recipe)
    else:
        backbone = _create(recipe, pretrained=False)
        _drop_dense_layers(backbone, recipe)
        _fill(backbone, recipe)
    if recipe.weights != "none" and recipe.channel_order != recipe.weights_order:
        take_swapped(backbone, recipe)
    return backbone.eval()


def take_swapped(backbone: Any, recipe: Recipe) -> None:
    """Change the first convolution, in place, from timm's normalised RGB to the recipe's BGR: the output stays.

    Departs from that only by the difference of the two means, which padding keeps from moving into a bias: below .01
    of a standard deviation between timm's card (torchvision's means) and Caffe's.
    """
    card = timm.get_pretrained_cfg(recipe.backbone)
    first = next(one for one in backbone.modules() if isinstance(one, nn.Conv2d))
    theirs = torch.tensor(card.std) * FULL_SCALE
    ours = torch.tensor(recipe.std)
    first.weight.data = first.weight.data.flip(1) * (ours / theirs.flip(0))[None, :, None, None]


def _drop_dense_layers(backbone: Any, recipe: Recipe) -> None:
    """Leave out the dense layers of a VGG before its classifier, in place, if the recipe says so."""
    if recipe.dense_layers:
        return
    if not isinstance(getattr(backbone, "pre_logits", None), nn.Module):
        raise SettingsError(f"dense_layers = false is for nets of the VGG kind, got {recipe.backbone}; leave it out")
    backbone.pre_logits = nn.Identity()
    backbone.head_hidden_size = backbone.num_features


def recipe_for(recipe: Recipe, backbone: str) -> Recipe:
    """The recipe for another timm net, with the preprocessing that timm lists for it and its own learned width.

    The input stays at the recipe's size: timm's nets take it, or say so when they are made. Weights that are of
    another net (the shipped ones) become "pretrained". Raises `UnknownNameError`.
    """
    _check_name(backbone)
    card = timm.get_pretrained_cfg(backbone)
    mean, std = (tuple(round(FULL_SCALE * value, 3) for value in values) for values in (card.mean, card.std))
    other = recipe.weights == "shipped" and backbone != SHIPPED_BACKBONE
    weights = "pretrained" if other else recipe.weights
    return recipe.changed(name=backbone, backbone=backbone, mean=mean, std=std, weights=weights)


def _create(recipe: Recipe, *, pretrained: bool) -> nn.Module:
    _check_name(recipe.backbone)
    options: dict[str, Any] = {"drop_path_rate": recipe.drop_path} if recipe.drop_path else {}
    if getattr(timm.get_pretrained_cfg(recipe.backbone), "fixed_input_size", False):
        options["img_size"] = recipe.size_px
    if not recipe.dense_layers and not pretrained:
        options["mlp_ratio"] = 1 / _DENSE_WIDTH  # one neuron instead of 500 MB of weights that are dropped at once
    try:
        return timm.create_model(recipe.backbone, pretrained=pretrained, num_classes=0, **options)
    except (TypeError, AssertionError) as error:
        raise SettingsError(f"{recipe.backbone} cannot be made with {options}: {error}; change the recipe") from error


def _check_name(backbone: str) -> None:
    if timm.is_model(backbone):
        return
    near = difflib.get_close_matches(backbone, timm.list_models(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() lists them"
    raise UnknownNameError(f"expected the name of a timm model, got {backbone!r}; {hint}")


def _fill(backbone: nn.Module, recipe: Recipe) -> None:
    """Put weights into a net with random ones, in place; "none" leaves those."""
    if recipe.weights == "none":
        return
    if recipe.weights != "shipped":
        load_weights(backbone, Path(recipe.weights), architecture=recipe.backbone)
    elif recipe.backbone == SHIPPED_BACKBONE:
        load_folded(backbone, WEIGHTS / load_spec(ENCODER).file)
    else:
        raise SettingsError(
            f'weights "shipped" are of {SHIPPED_BACKBONE}, got backbone {recipe.backbone}; '
            'use weights "pretrained", the path of a checkpoint, or "none"'
        )


def _download(recipe: Recipe) -> nn.Module:
    """The net with timm's weights from the hub, or out of the hub's cache on this machine."""
    try:
        return _create(recipe, pretrained=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ModelError(
            f"expected timm's pretrained weights of {recipe.backbone} from its hub, which gave none: {reason[0]} "
            "Two other ways: --weights FILE with a checkpoint (.safetensors or .pth) fetched elsewhere, or "
            "--weights none to train from random weights"
        ) from error
