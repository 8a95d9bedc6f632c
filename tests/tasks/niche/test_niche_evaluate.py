"""Scores of answers, and made-up creators drawn from labelled photos."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.tasks.niche.evaluate import POOLINGS, BagPlan, draw_bag, label_indices, score_posts
from postlens.types import NICHES, NichePrediction

EVEN = dict.fromkeys(NICHES, 1 / 9)


def test_answers_are_scored_after_the_threshold():
    predictions = [NichePrediction("p", "other", EVEN | {"pet": 0.2}), NichePrediction("q", "pet", EVEN | {"pet": 0.9})]
    table = score_posts(predictions, ["other", "pet"], rng=np.random.default_rng(0))
    assert (table["n"], table["accuracy"], table["macro_f1"]) == (2, 1.0, 1.0)
    assert set(table["per_class"]) == set(NICHES)


def test_labels_outside_the_niches_are_refused():
    with pytest.raises(ShapeError, match="cars"):
        label_indices(["pet", "cars"])


@pytest.mark.parametrize("plan", [BagPlan(5, 0.2, 0.5), BagPlan(20, 0.5, 0.1), BagPlan(100, 1.0, 0.5)])
@pytest.mark.parametrize("niche", ["pet", "other"])
def test_a_bag_has_its_share_on_topic(plan, niche):
    truth = np.repeat(np.arange(9), 40)
    groups = np.arange(360) // 10
    at = NICHES.index(niche)
    bag = draw_bag(plan, at, truth=truth, groups=groups, rng=np.random.default_rng(1))
    assert len(bag) == plan.n_posts
    assert (truth[bag] == at).sum() == max(1, round(plan.share * plan.n_posts))


def test_on_topic_photos_come_from_half_of_the_sources():
    truth, groups = np.repeat(np.arange(9), 40), np.arange(360) // 10
    bag = draw_bag(BagPlan(20, 1.0, 0.5), 3, truth=truth, groups=groups, rng=np.random.default_rng(0))
    assert len(np.unique(groups[bag])) == 2
    assert len(set(bag)) == 20


@pytest.mark.parametrize("name", POOLINGS)
def test_every_pooling_finds_an_unmixed_bag(name):
    probs = np.full((10, 9), 0.05)
    probs[:, 7] = 0.6
    pooled = POOLINGS[name](probs)
    assert pooled.argmax() == 7
    assert pooled.sum() == pytest.approx(1, abs=1e-3)
