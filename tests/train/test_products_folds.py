"""Images to folds: groups stay whole, labels even, and what cannot be divided is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import NotEnoughDataError, SplitError
from postlens.train.products_folds import check_enough, fold_of, join_groups, near_pairs
from postlens.train.products_table import ProductImages


def images(truth: Any, *, held_out: Any = None) -> ProductImages:
    table = np.asarray(truth, np.float32)
    n, k = table.shape
    names = tuple(f"{i}.jpg" for i in range(n))
    held = np.zeros(n, bool) if held_out is None else np.asarray(held_out, bool)
    return ProductImages(names, names, table, ("",) * n, held, tuple(f"label{i}" for i in range(k)))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def hashes(*flips: int) -> np.ndarray:
    """Hashes that differ from one by so many bits."""
    base = np.random.default_rng(1).integers(0, 2, 256)
    return np.stack([np.packbits(np.concatenate([1 - base[:n], base[n:]]).astype(np.uint8)) for n in flips])


def test_near_copies_are_found_and_pictures_without_detail_are_not_compared():
    bits = hashes(0, 31, 64, 0)
    rows, columns = near_pairs(bits, np.array([90, 90, 90, 10]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1)]


def test_many_pictures_are_compared_some_at_a_time(monkeypatch):
    monkeypatch.setattr("postlens.train.products_folds._PAIRS", 1)
    rows, columns = near_pairs(hashes(0, 100, 5, 105), np.full(4, 90))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 2), (1, 3)]


def test_groups_are_joined_by_near_copies():
    groups = join_groups(["ann", "ben", "", "ann"], hashes(0, 10, 128, 200), np.full(4, 90))
    assert groups[0] == groups[1] == groups[3] != groups[2]


def test_images_without_a_group_are_each_their_own():
    assert len(set(join_groups(["", "", ""], hashes(0, 100, 200), np.full(3, 90)).tolist())) == 3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_groups=st.integers(12, 30), n_folds=st.integers(2, 5))
def test_groups_are_whole_and_every_fold_leaves_both_sides_to_train_on(seed, n_groups, n_folds):
    draw = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), draw.integers(1, 4, n_groups))
    truth = (draw.random((len(groups), 2)) < 0.4).astype(np.float32)
    try:
        folds = fold_of(images(truth), groups, n_folds=n_folds, rng=rng())
    except (NotEnoughDataError, SplitError):
        return
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(n_groups))
    for fold in range(folds.max() + 1):
        rest = truth[folds != fold]
        assert ((rest == 1).any(axis=0) & (rest == 0).any(axis=0)).all()


def test_labels_are_even_over_the_folds():
    truth = np.zeros((100, 2), np.float32)
    truth[:20, 0], truth[10:60, 1] = 1, 1
    folds = fold_of(images(truth), np.arange(100), n_folds=5, rng=rng())
    counts = np.array([[truth[folds == fold, k].sum() for k in range(2)] for fold in range(5)])
    assert np.abs(counts - [4, 10]).max() <= 1


def test_fewer_groups_than_folds_give_fewer_folds():
    truth = np.array([[1]] * 6 + [[0]] * 12, np.float32)
    groups = np.array([0, 0, 1, 1, 2, 2, *range(3, 15)])
    assert fold_of(images(truth), groups, n_folds=5, rng=rng()).max() == 2


def test_images_held_out_are_in_no_fold_and_count_for_nothing():
    truth = np.array([[1]] * 8 + [[0]] * 8, np.float32)
    held = np.arange(16) % 8 == 0
    folds = fold_of(images(truth, held_out=held), np.arange(16), n_folds=3, rng=rng())
    assert (folds[held] == -1).all()
    assert (folds[~held] >= 0).all()
    few = images(truth, held_out=np.arange(16) < 4)
    with pytest.raises(NotEnoughDataError, match="4 with label0"):
        check_enough(few, np.arange(16))


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ([[1, 0]] * 3 + [[0, 1]] * 9, "got 3 with label0, 3 without label1; add some"),
        ([[1]] * 9, "0 without label0; add some, for images without any label in a folder `none`"),
        ([[0, 0]] * 9, "got 0 with label0, 0 with label1; add some"),
        ([[1], [1], [np.nan], [0], [0], [0], [0], [0]], "2 with label0"),
    ],
)
def test_too_few_images_are_told_with_all_labels(truth, told):
    with pytest.raises(NotEnoughDataError, match=told):
        check_enough(images(truth), np.arange(len(truth)))


def test_a_group_that_holds_all_positives_is_told():
    truth = [[1]] * 6 + [[0]] * 6
    with pytest.raises(SplitError, match=r"got only one with label0.* add images of others"):
        check_enough(images(truth), np.array([0] * 6 + list(range(1, 7))))


def test_labels_that_whole_groups_cannot_part_are_told():
    truth = [[1, 0]] * 5 + [[1, 1]] * 5 + [[0, 1]] * 5 + [[0, 0]] * 5
    groups = np.array([0] * 10 + [1] * 10)
    with pytest.raises(SplitError):
        fold_of(images(truth), groups, n_folds=2, rng=rng())
