"""Scores and intervals: known values, groups resampled as wholes, and absent classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from postlens.errors import ShapeError
from postlens.tasks.scoring import (
    bootstrap_interval,
    expected_calibration_error,
    plain_interval,
    plain_number,
    roc_auc,
    score_binary,
    score_classes,
    widened,
)

LABELS = ("a", "b", "c")


def mean(x: np.ndarray) -> float:
    return float(np.mean(x))


def random_case(n: int = 300, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    logits = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[truth]
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probs, truth, rng.integers(12, size=n)


def test_interval_of_a_mean_matches_the_normal_interval(rng):
    x = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(mean, x, rng=rng)
    half = 1.96 * x.std() / 20
    assert low == pytest.approx(x.mean() - half, abs=0.02)
    assert high == pytest.approx(x.mean() + half, abs=0.02)


def test_alike_rows_in_groups_widen_the_interval(rng):
    groups = np.repeat(np.arange(10), 40)
    x = np.random.default_rng(2).normal(size=10)[groups]
    by_row = bootstrap_interval(mean, x, rng=rng)
    by_group = bootstrap_interval(mean, x, groups=groups, rng=rng)
    assert by_group[1] - by_group[0] > 3 * (by_row[1] - by_row[0])


def test_whole_groups_are_drawn(rng):
    groups = np.array(["x", "y", "x", "z", "y", "x"])
    sizes = {"x": 3, "y": 2, "z": 1}

    def whole(rows: np.ndarray) -> float:
        assert all(count % sizes[name] == 0 for name, count in zip(*np.unique(rows, return_counts=True), strict=True))
        return 0.0

    bootstrap_interval(whole, groups, groups=groups, rng=rng, n=50)


def test_same_rng_gives_the_same_interval():
    x = np.arange(50.0)
    assert bootstrap_interval(mean, x, rng=np.random.default_rng(3)) == bootstrap_interval(
        mean, x, rng=np.random.default_rng(3)
    )


def test_one_group_says_nothing_about_the_spread(rng):
    assert np.isnan(bootstrap_interval(mean, np.arange(5.0), groups=np.zeros(5), rng=rng)).all()


def test_unequal_columns_are_refused(rng):
    with pytest.raises(ShapeError, match="same length"):
        bootstrap_interval(mean, np.zeros(3), groups=np.zeros(4), rng=rng)


@pytest.mark.parametrize(
    ("probs", "correct", "expected"),
    [
        ([1.0, 1.0], [1, 1], 0.0),
        ([1.0, 1.0], [0, 0], 1.0),
        ([0.75] * 4, [1, 1, 1, 0], 0.0),
        ([0.9, 0.1], [1, 1], 0.5),
    ],
)
def test_calibration_error_of_known_cases(probs, correct, expected):
    assert expected_calibration_error(probs, correct) == pytest.approx(expected)


def test_calibration_error_of_nothing_is_unknown():
    assert np.isnan(expected_calibration_error([], []))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_agrees_with_scikit_learn(rows):
    scores, truth = zip(*rows, strict=True)
    if len(set(truth)) == 1:
        assert np.isnan(roc_auc(scores, truth))
    else:
        assert roc_auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_class_table_agrees_with_scikit_learn(rng):
    probs, truth, groups = random_case()
    table = score_classes(probs, truth, labels=LABELS, groups=groups, rng=rng)
    answer = probs.argmax(1)
    assert table["n"] == 300
    assert table["accuracy"] == pytest.approx(accuracy_score(truth, answer), abs=1e-4)
    assert table["macro_f1"] == pytest.approx(f1_score(truth, answer, average="macro"), abs=1e-4)
    assert table["ece"] == pytest.approx(expected_calibration_error(probs.max(1), answer == truth), abs=1e-4)
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        values = [table["per_class"][label][name] for label in LABELS]
        assert values == pytest.approx(score(truth, answer, average=None), abs=1e-4)


def test_class_intervals_agree_with_the_plain_bootstrap():
    probs, truth, groups = random_case()
    table = score_classes(probs, truth, labels=LABELS, groups=groups, rng=np.random.default_rng(1))
    slow = bootstrap_interval(
        lambda p, t: f1_score(t, p, average="macro"), probs.argmax(1), truth, groups=groups,
        rng=np.random.default_rng(2), n=300,
    )  # fmt: skip
    assert table["macro_f1_ci"] == pytest.approx(slow, abs=0.02)


def test_every_score_lies_in_its_interval_and_survives_json(rng):
    probs, truth, groups = random_case()
    table = json.loads(json.dumps(score_classes(probs, truth, labels=LABELS, groups=groups, rng=rng), allow_nan=False))
    for part in (table, *table["per_class"].values()):
        for name in {key.removesuffix("_ci") for key in part if key.endswith("_ci")}:
            low, high = part[f"{name}_ci"]
            assert low <= part[name] <= high


def test_given_answers_replace_the_most_probable_label(rng):
    probs, truth, _ = random_case()
    table = score_classes(probs, truth, labels=LABELS, answers=truth, rng=rng)
    assert table["accuracy"] == 1.0
    assert table["ece"] > 0


def test_label_that_never_occurs_has_no_recall_and_is_left_out_of_the_mean(rng):
    probs, truth = np.eye(3)[[0, 0, 1, 1]], np.array([0, 0, 1, 1])
    table = score_classes(probs, truth, labels=LABELS, rng=rng)
    assert table["macro_f1"] == 1.0
    assert table["per_class"]["c"]["n"] == 0
    assert table["per_class"]["c"]["recall"] is None
    assert table["per_class"]["c"]["recall_ci"] is None


def test_probs_of_another_width_are_refused(rng):
    with pytest.raises(ShapeError, match=r"\(N, 3\)"):
        score_classes(np.zeros((4, 2)), np.zeros(4), labels=LABELS, rng=rng)


def test_empty_table_has_no_scores(rng):
    table = score_classes(np.zeros((0, 3)), np.zeros(0, int), labels=LABELS, rng=rng)
    assert table["n"] == 0
    assert table["accuracy"] is None


def test_binary_table_of_a_known_case(rng):
    table = score_binary([0.9, 0.8, 0.3, 0.2], [True, False, True, False], threshold=0.5, rng=rng)
    assert (table["n"], table["n_pos"], table["auc"]) == (4, 2, 0.75)
    assert (table["precision"], table["recall"], table["f1"]) == (0.5, 0.5, 0.5)


def test_binary_table_without_positives_has_no_auc(rng):
    table = score_binary([0.1, 0.2], [False, False], threshold=0.5, rng=rng)
    assert table["auc"] is None
    assert table["recall_ci"] is None


def test_plain_values():
    assert plain_number(float("nan")) is None
    assert plain_number(np.float64(0.123456)) == 0.1235
    assert plain_interval((0.1, float("nan"))) is None


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("interval", "value", "n", "expected"),
    [
        ([0.4, 0.6], 0.5, 3, [0.4, 0.6]),
        (None, 0.5, 3, None),
        ([1.0, 1.0], 1.0, 6, [6 / (6 + 3.8415), 1.0]),
        ([0.0, 0.0], 0.0, 3, [0.0, 3.8415 / (3 + 3.8415)]),
        ([1.0, 1.0], 1.0, 0, None),
    ],
)
def test_an_interval_without_spread_is_that_of_a_share(interval, value, n, expected):
    found = widened(interval, value, n=n)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-4))
