"""Logits and yes or no for every label to a loss: binary cross-entropy, focal loss, asymmetric loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

LabelLoss = Callable[[Tensor, Tensor], Tensor]

# Lin et al. 2017, arXiv:1708.02002, the best of their table 1b. gamma: higher, and answers that are nearly right count
# for less. alpha: weight of a yes; a no has the rest.
FOCAL_GAMMA, FOCAL_ALPHA = 2.0, 0.25
# Ridnik et al. 2021, arXiv:2009.14119, their setting for MS-COCO: a missed yes counts in full, an easy no hardly. The
# margin: a no with a probability below it counts for nothing, so that images whose label was forgotten do less harm.
POSITIVE_GAMMA, NEGATIVE_GAMMA, MARGIN = 0.0, 4.0, 0.05
TINY = 1e-8  # keeps log from 0


def bce(logits: Tensor, truth: Tensor) -> Tensor:
    """(N, K) binary cross-entropy; truth (N, K) in 0..1."""
    return binary_cross_entropy_with_logits(logits, truth, reduction="none")


def focal(logits: Tensor, truth: Tensor) -> Tensor:
    """(N, K) focal loss: the cross-entropy of each side times how wrong it is, to the power of FOCAL_GAMMA."""
    probs = torch.sigmoid(logits)
    yes = FOCAL_ALPHA * (1 - probs) ** FOCAL_GAMMA * logsigmoid(logits)
    no = (1 - FOCAL_ALPHA) * probs**FOCAL_GAMMA * logsigmoid(-logits)
    return -(truth * yes + (1 - truth) * no)


def asymmetric(logits: Tensor, truth: Tensor) -> Tensor:
    """(N, K) asymmetric loss: as focal, with a power of its own for each side, and the margin for a no."""
    probs = torch.sigmoid(logits)
    shifted = (probs - MARGIN).clamp(min=0)
    yes = (1 - probs) ** POSITIVE_GAMMA * logsigmoid(logits)
    no = shifted**NEGATIVE_GAMMA * torch.log((1 - shifted).clamp(min=TINY))
    return -(truth * yes + (1 - truth) * no)


LOSSES: Mapping[str, LabelLoss] = {"bce": bce, "focal": focal, "asymmetric": asymmetric}  # by `Recipe.loss`
