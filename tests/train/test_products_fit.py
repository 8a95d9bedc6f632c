"""Vectors to heads: what can be told apart is, what cannot is not, and no image is answered by its own fold."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.tasks.scoring import expected_calibration_error, roc_auc
from postlens.train.products_fit import PENALTIES, fit, fit_heads, fit_platt, held_out_logits, root, sigmoid

N, DIM = 240, 12


@pytest.fixture(scope="module")
def clouds():
    """Vectors whose first numbers tell label 0 well and label 1 less well, and nothing of label 2."""
    draw = np.random.default_rng(3)
    truth = (draw.random((N, 3)) < [0.5, 0.3, 0.5]).astype(np.float32)
    vectors = draw.normal(size=(N, DIM)).astype(np.float32)
    vectors[:, 0] += 3 * truth[:, 0]
    vectors[:, 1] += 1.2 * truth[:, 1]
    return vectors, truth, np.arange(N) % 4


def heads_of(clouds, **changes):
    vectors, truth, folds = clouds
    return fit_heads(vectors, truth, folds, **{"labels": ["a", "b", "c"], "priors": {}, **changes})


def test_what_the_vectors_show_is_learnt_and_no_more(clouds):
    heads = heads_of(clouds)
    auc = [roc_auc(heads.probs[:, k], clouds[1][:, k] > 0) for k in range(3)]
    assert auc[0] > 0.95
    assert 0.65 < auc[1] < auc[0]
    assert 0.35 < auc[2] < 0.65


def test_probabilities_are_those_that_occur(clouds):
    heads = heads_of(clouds)
    assert expected_calibration_error(heads.probs[:, 1], clouds[1][:, 1]) < 0.12
    assert abs(heads.probs[:, 1].mean() - clouds[1][:, 1].mean()) < 0.05


def test_a_prior_lowers_the_probabilities(clouds):
    rare, usual = heads_of(clouds, priors={"b": 0.02}), heads_of(clouds)
    assert rare.probs[:, 1].mean() < usual.probs[:, 1].mean() / 3
    assert np.allclose(rare.probs[:, 0], usual.probs[:, 0])


def test_a_prior_moves_probabilities_and_threshold_of_what_is_parted_without_error():
    draw = np.random.default_rng(1)
    truth = (np.arange(80) % 2).astype(np.float32)[:, None]
    vectors = draw.normal(size=(80, DIM)).astype(np.float32)
    vectors[:, 0] += 12 * truth[:, 0]
    data = vectors, truth, np.arange(80) // 2 % 4
    usual, rare = (heads_of(data, labels=["a"], priors=priors) for priors in ({}, {"a": 0.01}))
    shift = np.log(rare.probs / (1 - rare.probs)) - np.log(usual.probs / (1 - usual.probs))
    assert shift == pytest.approx(np.full((80, 1), np.log(0.01 / 0.99)), abs=1e-6)
    assert rare.scales[0].prob(np.zeros(1)) < usual.scales[0].prob(np.zeros(1)) / 20
    assert rare.scales[0].threshold < usual.scales[0].threshold / 5


def test_an_image_is_answered_by_heads_that_did_not_see_its_fold(clouds):
    vectors, truth, folds = clouds
    turned = truth.copy()
    turned[folds == 0] = 1 - turned[folds == 0]
    roots = root(vectors)
    plain, other = held_out_logits(roots, truth, folds), held_out_logits(roots, turned, folds)
    assert np.array_equal(plain[:, folds == 0], other[:, folds == 0])
    assert not np.allclose(plain[:, folds == 1], other[:, folds == 1])


def test_unknown_labels_count_for_nothing(clouds):
    vectors, truth, _ = clouds
    unknown = truth.copy()
    unknown[:60, 0] = np.nan
    without = fit(root(vectors), unknown, [1e-3] * 3)
    wrong = unknown.copy()
    wrong[:60, 0] = np.nan
    assert np.array_equal(without.weight, fit(root(vectors), wrong, [1e-3] * 3).weight)
    assert np.isfinite(without.weight).all()


def test_rows_held_out_are_answered_by_the_finished_heads(clouds):
    vectors, truth, folds = clouds
    folds = np.where(np.arange(N) < 20, -1, folds)
    heads = fit_heads(vectors, truth, folds, labels=["a", "b", "c"], priors={})
    assert np.allclose(heads.probs[:20], heads.predict(root(vectors[:20])))
    assert heads.thresholds[:20, 0] == pytest.approx(np.full(20, heads.scales[0].threshold))


def test_fewer_rows_than_numbers_are_fitted_as_well_in_their_own_span():
    draw = np.random.default_rng(0)
    vectors = root(draw.normal(size=(30, 80)).astype(np.float32))
    truth = (vectors[:, :1] > 0).astype(np.float32)
    wide = fit(vectors, truth, [1e-2])
    repeated = fit(np.tile(vectors, (2, 1)), np.tile(truth, (2, 1)), [1e-2])  # 60 rows: beyond the span's limit
    assert np.allclose(wide.logits(vectors), repeated.logits(vectors), atol=0.02)


def test_stronger_penalties_give_smaller_weights(clouds):
    vectors, truth, _ = clouds
    sizes = [np.abs(fit(root(vectors), truth[:, :1], [penalty]).weight).sum() for penalty in PENALTIES]
    assert sizes == sorted(sizes, reverse=True)


def test_few_well_parted_images_do_not_make_certain():
    logits = np.array([-5.0] * 6 + [5.0] * 6)
    slope, offset = fit_platt(logits, logits > 0, prior=0.5)
    assert sigmoid(slope * np.array([5.0]) + offset)[0] == pytest.approx(7 / 8, abs=0.01)


def test_the_root_keeps_the_sign():
    assert root(np.array([[-4.0, 9.0, 0.0]], np.float32)).tolist() == [[-2.0, 3.0, 0.0]]
