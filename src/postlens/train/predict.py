"""A net and pictures to logits, in the precision that the exported model has."""

from __future__ import annotations

import numpy as np
import torch

from postlens.train.data import Loading, Material, eval_loader
from postlens.train.module import NicheNet, normalise
from postlens.train.outcome import Predictions
from postlens.train.pictures import Squares
from postlens.train.recipe import Recipe
from postlens.types import FloatArray, IntArray


def predict_rows(
    net: NicheNet, material: Material, rows: IntArray, *, recipe: Recipe, loading: Loading, device: torch.device
) -> Predictions:
    """What the net says of the rows in their order; as `predict_logits`."""
    logits = predict_logits(net, material.pictures, rows, recipe=recipe, loading=loading, device=device)
    return Predictions(rows=rows, logits=logits, truth=material.images.labels[rows])


def predict_logits(
    net: NicheNet, pictures: Squares, rows: IntArray, *, recipe: Recipe, loading: Loading, device: torch.device
) -> FloatArray:
    """Logits (N, K) of the rows in their order, float32. The net is moved to the device and left in eval mode."""
    net.to(device).eval()
    mean, std = (torch.tensor(value, device=device)[:, None, None] for value in (recipe.mean, recipe.std))
    parts = [np.zeros((0, net.head.out_features), np.float32)]
    with torch.inference_mode():
        for images, _ in eval_loader(pictures, rows, size_px=recipe.size_px, loading=loading):
            moved = images.to(device, non_blocking=True)
            prepared = normalise(moved, mean=mean, std=std, channel_order=recipe.channel_order)
            parts.append(net(prepared).float().cpu().numpy())
    return np.concatenate(parts)
