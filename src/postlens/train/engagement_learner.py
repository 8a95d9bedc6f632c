"""One phase of training on images with a number each: squared error, and how well the numbers are ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from postlens.tasks.engagement.evaluate import spearman
from postlens.train.data import Batch
from postlens.train.layer_learner import VAL, LayerLearner
from postlens.train.module import NicheNet
from postlens.train.pictures import Squares
from postlens.train.recipe import Recipe
from postlens.train.splits import Split
from postlens.types import FloatArray


@dataclass(frozen=True, slots=True)
class NumberMaterial:
    """What a training on numbers learns from and is measured on."""

    pictures: Squares
    truth: FloatArray  # (N,) float32
    split: Split
    fingerprint: str

    @property
    def n_classes(self) -> int:
        """Outputs of the net."""
        return 1

    def weights(self, recipe: Recipe) -> Any:
        """(R,) of the training rows: all the same."""
        return np.ones(len(self.split.train))


class NumberLearner(LayerLearner):
    """Learns the number of an image by mean squared error."""

    def __init__(self, net: NicheNet, recipe: Recipe, material: NumberMaterial, *, phase: int, **options: bool) -> None:
        """`options`: as `LayerLearner`."""
        super().__init__(net, recipe, phase=phase, **options)
        truth = torch.from_numpy(np.asarray(material.truth, np.float32))
        self.register_buffer("truth", truth, persistent=False)
        self.register_buffer("answers", torch.zeros_like(truth), persistent=False)  # of validation rows, else 0
        self._val = np.asarray(material.split.val)

    def loss(self, images: Tensor, rows: Tensor, *, rng: np.random.Generator) -> Tensor:
        """Mean squared error of the batch."""
        return torch.nn.functional.mse_loss(self._run(images).float()[:, 0], self.truth[rows])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the answers for the scores."""
        images, rows = batch
        found = self._run(self.prepare(images)).float()[:, 0]
        self._add(VAL, torch.nn.functional.mse_loss(found, self.truth[rows]), weight=len(rows))
        self.answers[rows] = found.detach()

    def scores(self) -> dict[str, float]:
        """Of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        losses = self._losses()
        # Each validation row is answered by one process; in the others it is 0.
        answers = self.trainer.strategy.reduce(self.answers.clone(), reduce_op="sum").cpu().numpy()
        self.answers.zero_()
        rank = spearman(answers[self._val].astype(np.float64), self.truth.cpu().numpy()[self._val].astype(np.float64))
        return {**losses, "val_spearman": float(np.nan_to_num(rank))}
