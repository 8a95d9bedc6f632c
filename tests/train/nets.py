"""The smallest nets and labelled pictures that a training's results can be made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from postlens.train.labels import LabelledImages, Split
from postlens.train.module import NicheNet
from postlens.train.outcome import Predictions
from postlens.train.recipe import Recipe, load_recipe
from postlens.types import NICHES


class Dots(nn.Module):
    """The smallest backbone: one convolution and a mean, so that an export takes a second."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, self.num_features, 5, stride=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(images)).mean((2, 3))


class Sorting(Dots):
    """Looks at its data to decide how to go on, which no graph can say."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) if images.sum().item() > 0 else images.amax((2, 3))


def tiny_recipe(backbone: str = "dots", *, size_px: int = 32, feature_dim: int | None = None) -> Recipe:
    """A recipe for a net without weights."""
    return load_recipe("efficientnet_lite0").changed(
        backbone=backbone, weights="none", input_size=(3, size_px, size_px), feature_dim=feature_dim
    )


def tiny_net(recipe: Recipe, *, backbone: nn.Module | None = None) -> NicheNet:
    """A net of the nine niches, on `Dots` where no backbone is given."""
    torch.manual_seed(0)
    return NicheNet(backbone or Dots(), n_classes=9, feature_dim=recipe.feature_dim, dropout=0.5)


def draw_images(folder: Path, *, n_per_class: int = 4, classes: tuple[str, ...] = NICHES) -> LabelledImages:
    """Pictures of one colour for each class, two groups to a class."""
    labels = np.repeat(np.arange(len(classes)), n_per_class)
    paths = [folder / f"{i}.png" for i in range(len(labels))]
    for path, label in zip(paths, labels, strict=True):
        Image.new("RGB", (40, 50), (25 * int(label), 90, 200)).save(path)
    groups = tuple(f"{classes[label]}{i % 2}" for i, label in enumerate(labels))
    return LabelledImages(tuple(map(str, paths)), labels, groups, classes)


def split_evenly(images: LabelledImages) -> Split:
    """Every other picture for training, the others for validation and test in turn."""
    rows = np.arange(len(images))
    return Split(rows[::2], rows[1::4], rows[3::4])


def guess(images: LabelledImages, rows: np.ndarray, *, right: float = 0.75, seed: int = 0) -> Predictions:
    """Logits that name the true label in a share of the rows."""
    rng = np.random.default_rng(seed)
    k, truth = len(images.classes), images.labels[rows]
    said = np.where(rng.random(len(rows)) < right, truth, (truth + 1) % k)
    logits = 3 * np.eye(k)[said] + rng.normal(0, 0.3, (len(rows), k))
    return Predictions(rows, logits.astype(np.float32), truth)
