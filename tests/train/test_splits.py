"""No group is in two parts, every class is in each, and the shares are as near as whole groups allow."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import ShapeError, SplitError, TableError
from postlens.train.labels import LabelledImages, Split, read_splits, split_by_group


def labelled(rows: list[tuple[str, str]]) -> LabelledImages:
    """Images out of (group, label)."""
    classes = tuple(sorted({label for _, label in rows}))
    return LabelledImages(
        paths=tuple(f"{n}.jpg" for n in range(len(rows))),
        labels=np.array([classes.index(label) for _, label in rows], dtype=np.int64),
        groups=tuple(group for group, _ in rows),
        classes=classes,
    )


def accounts(sizes: dict[str, list[int]]) -> LabelledImages:
    """Label to the numbers of images of its accounts."""
    return labelled(
        [(f"{label}{k}", label) for label, counts in sizes.items() for k, n in enumerate(counts) for _ in range(n)]
    )


def shares(images: LabelledImages, split: Split) -> np.ndarray:
    """(3, K) share of each class in each part."""
    counts = np.stack([np.bincount(images.labels[r], minlength=len(images.classes)) for r in split.parts.values()])
    return counts / counts.sum(axis=0)


def split(images: LabelledImages, *, seed: int = 0, **asked: float) -> Split:
    return split_by_group(images, rng=np.random.default_rng(seed), **asked)


# --- drawn ----------------------------------------------------------------------------------------------------------

SIZES = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.integers(1, 9), min_size=3, max_size=12), min_size=1, max_size=5
)


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_every_image_is_in_one_part_no_group_in_two_and_every_class_in_each(sizes, seed):
    images = accounts(sizes)
    parts = split(images, seed=seed).parts
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(images)))
    groups = [{images.groups[row] for row in rows} for rows in parts.values()]
    assert all(not a & b for k, a in enumerate(groups) for b in groups[k + 1 :])
    assert all(len(np.unique(images.labels[rows])) == len(images.classes) for rows in parts.values())


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_share_a_file_are_in_one_part(seed):
    images = accounts({"pet": [2] * 12, "food": [2] * 12})
    copies = [f"file{row}" for row in range(len(images))]
    for chain in ((0, 2, 4), (1, 30), (31, 33)):  # pet0 = pet1 = pet2 = food3 = food4, through other files
        for row in chain:
            copies[row] = f"same{chain[0]}"
    parts = split_by_group(images, copies=copies, rng=np.random.default_rng(seed)).parts.values()
    assert [len({0, 1, 2, 3, 4, 5, 30, 31, 32, 33} & set(rows.tolist())) for rows in parts].count(0) == 2


def test_equal_small_groups_give_the_asked_shares():
    images = accounts({"pet": [1] * 200, "food": [1] * 40})
    assert np.allclose(shares(images, split(images, val=0.2, test=0.1)).T, [0.7, 0.2, 0.1], atol=0.03)


def test_large_groups_go_where_they_fit():
    images = accounts({"pet": [70, 15, 15], "food": [15, 70, 15]})
    assert np.allclose(shares(images, split(images)).T, [0.7, 0.15, 0.15])


def test_groups_of_several_labels_stay_whole():
    rows = [(f"source{k}", label) for k in range(12) for label in ("pet", "food", "travel") for _ in range(3)]
    images = labelled(rows)
    assert np.allclose(shares(images, split(images, val=0.25, test=0.25)).T, [0.5, 0.25, 0.25], atol=0.09)


def test_the_seed_decides_the_split():
    images = accounts({"pet": [3] * 30, "food": [2] * 30})
    first, same, other = split(images, seed=1), split(images, seed=1), split(images, seed=2)
    assert first.test.tolist() == same.test.tolist() != other.test.tolist()


def test_a_part_that_is_not_asked_for_is_empty():
    images = accounts({"pet": [3, 3], "food": [2, 2]})
    found = split(images, val=0.5, test=0)
    assert (len(found.train), len(found.val), len(found.test)) == (5, 5, 0)


def test_a_class_in_too_few_groups_is_named():
    with pytest.raises(SplitError, match=r"at least 3 groups .* food \(1\), travel \(2\)"):
        split(accounts({"pet": [5] * 9, "food": [50], "travel": [5, 5]}))


def test_groups_that_cannot_be_dealt_are_an_error():
    # of four groups in three parts two are in the same part, and some class is in these two and one other only
    held = {"a": "123", "b": "124", "c": "134", "d": "234"}
    with pytest.raises(SplitError, match="add groups"):
        split(labelled([(group, label) for label, groups in held.items() for group in groups]))


@pytest.mark.parametrize("asked", [{"val": 0.6, "test": 0.4}, {"val": -0.1}, {"test": 1.2}])
def test_shares_that_leave_nothing_to_train_on_are_refused(asked):
    with pytest.raises(SplitError, match="shares val and test"):
        split(accounts({"pet": [1] * 9}), **asked)


def test_a_row_in_two_parts_is_refused():
    with pytest.raises(ShapeError):
        Split(np.array([0, 1]), np.array([1]), np.array([], dtype=np.int64))


# --- given ----------------------------------------------------------------------------------------------------------

IMAGES = labelled([(f"{label}{k}", label) for label in ("pet", "food") for k in range(3)])
GOOD = [("pet0", "train"), ("food0", "train"), ("pet1", "val"), ("food1", "Validation"), ("pet2", "test")]


def table(path, rows, header=("group", "split")):
    with (path / "splits.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path / "splits.csv"


def test_a_table_gives_the_parts(tmp_path):
    found = read_splits(table(tmp_path, [*GOOD, ("food2", "test"), ("nobody", "test")]), IMAGES)
    assert {name: [IMAGES.groups[row] for row in rows] for name, rows in found.parts.items()} == {
        "train": ["pet0", "food0"],
        "val": ["pet1", "food1"],
        "test": ["pet2", "food2"],
    }


def test_a_table_of_accounts_serves_creators_named_with_their_platform(tmp_path):
    images = labelled([(f"instagram:{label}{k}", label) for label in ("pet", "food") for k in range(3)])
    path = table(tmp_path, [*GOOD, ("food2", "test")])
    assert (read_splits(path, images).val == read_splits(path, IMAGES).val).all()


def test_a_test_part_may_be_empty(tmp_path):
    rows = [(group, "val" if split == "test" else split) for group, split in GOOD]
    assert len(read_splits(table(tmp_path, [*rows, ("food2", "val")]), IMAGES).test) == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*GOOD, ("food2", "test"), ("pet0", "test")], "pet0 is in two splits"),
        ([*GOOD, ("food2", "holdout")], "got 'holdout'"),
        (GOOD, "1 are missing, such as food2"),
        ([*GOOD, ("food2", "val")], "test has no image of food"),
        ([(group, "val") for group in set(IMAGES.groups)], "train has no image of food, pet"),
    ],
)
def test_a_table_that_cannot_be_followed_is_refused(tmp_path, rows, said):
    with pytest.raises(SplitError, match=said):
        read_splits(table(tmp_path, rows), IMAGES)


def test_a_table_without_the_columns_is_refused(tmp_path):
    with pytest.raises(TableError, match="columns group and split"):
        read_splits(table(tmp_path, [("a", "train")], header=("creator", "split")), IMAGES)
