"""One phase of training on images of several emotions: as several labels, with the scores of emotions beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.train.label_learner import LabelLearner, LabelMaterial
from postlens.train.layer_learner import LayerLearner
from postlens.train.module import NicheNet
from postlens.train.reactions_scores import epoch_scores
from postlens.train.recipe import Recipe


class EmotionMaterial(LabelMaterial):
    """What a training on emotions learns from; rare emotions are drawn more often where the recipe says `sampler`."""

    def weights(self, recipe: Recipe) -> Any:
        """(R,) of the training rows, mean 1: one over the root of the share of the rarest emotion that a row has.

        The root, since drawing every emotion alike often shows the few images of a rare one too often.
        """
        truth = np.nan_to_num(np.asarray(self.truth)[self.split.train])
        share = np.maximum(truth.mean(axis=0), 1 / max(len(truth), 1))
        own = (truth / np.sqrt(share)).max(axis=1)
        weights = np.where(own > 0, own, 1.0)
        return weights / weights.mean()


class EmotionLearner(LabelLearner):
    """Learns which emotions an image conveys."""

    labels: Sequence[str] = ()

    def measure(self, logits: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
        """With micro-F1, mAP, and the average precision of each emotion."""
        return {**super().measure(logits, truth), **epoch_scores(logits, truth, self.labels)}


def emotion_learner(labels: Sequence[str]) -> Callable[..., LayerLearner]:
    """The learner of a run whose net has these outputs."""

    def learner(net: NicheNet, recipe: Recipe, material: LabelMaterial, **options: Any) -> LayerLearner:
        made = EmotionLearner(net, recipe, material, **options)
        made.labels = tuple(labels)
        return made

    return learner
