"""A net and labelled pictures to logits, in the precision that the exported model has."""

from __future__ import annotations

import numpy as np
import torch

from postlens.train.data import Loading, Material, eval_loader
from postlens.train.module import NicheNet
from postlens.train.outcome import Predictions
from postlens.train.recipe import Recipe
from postlens.types import IntArray


def predict_rows(
    net: NicheNet, material: Material, rows: IntArray, *, recipe: Recipe, loading: Loading, device: torch.device
) -> Predictions:
    """Logits (N, K) of the rows in their order, float32. The net is moved to the device and left in eval mode."""
    net.to(device).eval()
    mean, std = (torch.tensor(value, device=device)[:, None, None] for value in (recipe.mean, recipe.std))
    parts = [np.zeros((0, material.n_classes), np.float32)]
    with torch.inference_mode():
        for images, _ in eval_loader(material.pictures, rows, size_px=recipe.size_px, loading=loading):
            prepared = (images.to(device, non_blocking=True).float() - mean) / std
            parts.append(net(prepared).float().cpu().numpy())
    return Predictions(rows=rows, logits=np.concatenate(parts), truth=material.images.labels[rows])
