"""Losses for several labels, against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from postlens.train.losses import LOSSES


def loss(name, prob, truth):
    return float(LOSSES[name](torch.tensor([[math.log(prob / (1 - prob))]]), torch.tensor([[float(truth)]])))


@pytest.mark.parametrize(
    ("name", "prob", "truth", "expected"),
    [
        ("bce", 0.8, 1, -math.log(0.8)),
        ("bce", 0.8, 0, -math.log(0.2)),
        ("focal", 0.8, 1, -0.25 * 0.2**2 * math.log(0.8)),
        ("focal", 0.8, 0, -0.75 * 0.8**2 * math.log(0.2)),
        ("asymmetric", 0.8, 1, -math.log(0.8)),
        ("asymmetric", 0.8, 0, -(0.75**4) * math.log(0.25)),
        ("asymmetric", 0.04, 0, 0.0),  # below the margin
    ],
)
def test_each_loss_is_that_of_its_paper(name, prob, truth, expected):
    assert loss(name, prob, truth) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_sure_answers_have_finite_losses_and_gradients(name, logit, truth):
    logits = torch.tensor([[logit]], requires_grad=True)
    found = LOSSES[name](logits, torch.tensor([[truth]])).sum()
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_right_answer_costs_less_than_a_wrong_one(name):
    assert loss(name, 0.9, 1) < loss(name, 0.1, 1)
    assert loss(name, 0.1, 0) < loss(name, 0.9, 0)
