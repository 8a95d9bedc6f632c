"""One phase of training on images of one label each: cross-entropy, and the scores of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from postlens.train.augment import mix_batch
from postlens.train.data import Batch, Material
from postlens.train.layer_learner import VAL, LayerLearner
from postlens.train.module import NicheNet
from postlens.train.recipe import Recipe
from postlens.train.targets import soft_targets


class PhaseLearner(LayerLearner):
    """Learns which one label an image has."""

    def __init__(self, net: NicheNet, recipe: Recipe, material: Material, *, phase: int, **options: bool) -> None:
        """`options`: as `LayerLearner`."""
        super().__init__(net, recipe, phase=phase, **options)
        self.confusion = MulticlassConfusionMatrix(material.n_classes, validate_args=False)
        for name, value in _tables(material, recipe).items():
            self.register_buffer(name, value, persistent=False)

    def loss(self, images: Tensor, rows: Tensor, *, rng: np.random.Generator) -> Tensor:
        """Mean over the batch of the cross-entropy with weighted, smoothed, maybe mixed targets."""
        mixed, targets = mix_batch(
            images,
            self.targets[self.labels[rows]] * self.weights[rows, None],
            augment=self.recipe.augment,
            n_classes=self.targets.shape[1],
            rng=rng,
        )
        return -(targets * torch.log_softmax(self._run(mixed).float(), dim=1)).sum(dim=1).mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count answers by true label; the loss is the plain cross-entropy."""
        images, rows = batch
        logits, truth = self._run(self.prepare(images)).float(), self.labels[rows]
        self._add(VAL, torch.nn.functional.cross_entropy(logits, truth), weight=len(rows))
        self.confusion.update(logits, truth)

    def scores(self) -> dict[str, float]:
        """Of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        losses = self._losses()
        counts = self.confusion.compute().double().cpu().numpy()
        self.confusion.reset()
        return {**losses, **class_scores(counts)}


def _tables(material: Material, recipe: Recipe) -> dict[str, Tensor]:
    """By row number: labels (N,) and weights (N,) in the loss; by label: targets (K, K)."""
    n_classes, labels = material.n_classes, material.images.labels
    weights = np.ones(len(labels), np.float32)
    if recipe.balance == "loss":
        weights[material.split.train] = material.weights(recipe)
    every = soft_targets(np.arange(n_classes), n_classes=n_classes, smoothing=recipe.label_smoothing)
    return {
        "labels": torch.from_numpy(np.asarray(labels, np.int64)),
        "weights": torch.from_numpy(weights),
        "targets": torch.from_numpy(every),
    }


def class_scores(counts: Any) -> dict[str, float]:
    """Macro-F1 over the labels that occur, and accuracy, of counts (true label, answer)."""
    true, hit = counts.sum(axis=1), np.diag(counts)
    f1 = 2 * hit / np.maximum(true + counts.sum(axis=0), 1)
    return {"val_macro_f1": float(f1[true > 0].mean()), "val_accuracy": float(hit.sum() / counts.sum())}
