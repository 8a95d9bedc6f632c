"""One phase of training on images of several labels each, some of them unknown: one yes or no for every label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from postlens.train.data import Batch
from postlens.train.history import SCORE
from postlens.train.layer_learner import VAL, LayerLearner
from postlens.train.losses import LOSSES
from postlens.train.module import NicheNet
from postlens.train.pictures import Squares
from postlens.train.recipe import Recipe
from postlens.train.splits import Split
from postlens.types import FloatArray


@dataclass(frozen=True, slots=True)
class LabelMaterial:
    """What a training on several labels learns from and is measured on."""

    pictures: Squares
    truth: FloatArray  # (N, K) 1, 0, or NaN where not known
    split: Split
    fingerprint: str

    @property
    def n_classes(self) -> int:
        """Labels that an image can have."""
        return int(self.truth.shape[1])

    def weights(self, recipe: Recipe) -> Any:
        """(R,) of the training rows: all the same."""
        return np.ones(len(self.split.train))


class LabelLearner(LayerLearner):
    """Learns which labels an image has."""

    def __init__(self, net: NicheNet, recipe: Recipe, material: LabelMaterial, *, phase: int, **options: bool) -> None:
        """`options`: as `LayerLearner`."""
        super().__init__(net, recipe, phase=phase, **options)
        truth = torch.from_numpy(np.asarray(material.truth, np.float32))
        self.register_buffer("truth", torch.nan_to_num(truth), persistent=False)
        self.register_buffer("known", ~torch.isnan(truth), persistent=False)
        self.register_buffer("answers", torch.zeros_like(truth), persistent=False)  # logits of validation rows, else 0
        self._val = np.asarray(material.split.val)

    def loss(self, images: Tensor, rows: Tensor, *, rng: np.random.Generator) -> Tensor:
        """The recipe's loss, the mean over the labels that are known, with smoothed truth."""
        truth, smoothing = self.truth[rows], self.recipe.label_smoothing
        return self._mean(self._run(images).float(), truth * (1 - smoothing) + smoothing / 2, rows)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the answers for the scores."""
        images, rows = batch
        logits = self._run(self.prepare(images)).float()
        self._add(VAL, self._mean(logits, self.truth[rows], rows), weight=len(rows))
        self.answers[rows] = logits.detach()

    def scores(self) -> dict[str, float]:
        """Of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        losses = self._losses()
        # Each validation row is answered by one process; in the others its logits are 0.
        answers = self.trainer.strategy.reduce(self.answers.clone(), reduce_op="sum")
        truth = torch.where(self.known, self.truth, torch.nan)
        self.answers.zero_()
        return {**losses, **self.measure(answers.cpu().numpy()[self._val], truth.cpu().numpy()[self._val])}

    def measure(self, logits: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
        """Scores of the validation images: logits and truth (M, K), NaN where not known."""
        return label_scores(logits, truth)

    def _mean(self, logits: Tensor, truth: Tensor, rows: Tensor) -> Tensor:
        known = self.known[rows]
        every = LOSSES[self.recipe.loss](logits, truth)
        return (every * known).sum() / known.sum().clamp(min=1)


def label_scores(logits: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Macro-F1, each label at its own best threshold, and the share of known answers that .5 tells right.

    The best threshold, since those of .5 are all no in the first epochs of a rare label, when every epoch would be as
    good as the first. Labels without a positive image do not count; 0 where that leaves none.
    """
    columns = [
        (logits[known, k], truth[known, k] > 0) for k in range(truth.shape[1]) if (known := _known(truth, k)).any()
    ]
    f1 = [best_f1(scores, positive) for scores, positive in columns if positive.any()]
    right = [(scores > 0) == positive for scores, positive in columns]
    return {
        SCORE: float(np.mean(f1)) if f1 else 0.0,
        "val_accuracy": float(np.concatenate(right).mean()) if right else 0.0,
    }


def best_f1(scores: Sequence[float] | NDArray[Any], positive: NDArray[Any]) -> float:
    """The highest F1 that any threshold of the scores gives; some are positive."""
    values = np.asarray(scores)
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.diff(values[order], append=-np.inf))  # a threshold cannot part equal scores
    hits = np.cumsum(positive[order])[ends]
    return float((2 * hits / (ends + 1 + positive.sum())).max())


def _known(truth: NDArray[Any], k: int) -> NDArray[Any]:
    return np.asarray(~np.isnan(truth[:, k]))
