"""Posts to bags: real creators, made-up ones, and padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.train.bags import Bags, MadeUpBags, RealBags, bags_by_creator, draw_plan, draw_size, pad
from postlens.types import NICHES

from .creators import DIM, LABELS, drawn_photos, drawn_posts


def made_up(**values) -> MadeUpBags:
    photos = drawn_photos(NICHES)
    return MadeUpBags.of(photos, np.arange(len(photos)), **({"n": 18, "fewest": 5, "most": 40} | values))


def test_each_creator_is_one_bag_of_all_its_posts():
    posts = drawn_posts(n_creators=2, n_posts=5)
    bags = bags_by_creator(posts)
    assert bags.creators == ("food0", "food1", "pet0", "pet1", "travel0", "travel1")
    assert bags.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert [[posts.creators[i] for i in rows] for rows in bags.rows] == [[name] * 5 for name in bags.creators]


def test_posts_in_any_order_give_the_same_bags():
    posts = drawn_posts(n_creators=2, n_posts=5)
    mixed = posts[np.random.default_rng(0).permutation(len(posts))]
    found = {name: {mixed.ids[i] for i in rows} for name, rows in zip(*_of(mixed), strict=True)}
    assert found == {name: {posts.ids[i] for i in rows} for name, rows in zip(*_of(posts), strict=True)}


def _of(posts):
    bags = bags_by_creator(posts)
    return bags.creators, bags.rows


@pytest.mark.parametrize("label", [1, -1])
def test_a_creator_with_posts_of_several_labels_is_refused(label):
    posts = drawn_posts(n_creators=1, n_posts=2)
    with pytest.raises(ShapeError, match=r"food0: expected one label .*--made-up"):
        bags_by_creator(replace(posts, labels=np.array([0, label, 1, 1, 2, 2])))


def test_no_posts_are_no_creators():
    with pytest.raises(NotEnoughDataError, match="extract features first"):
        bags_by_creator(drawn_posts()[[]])


def test_a_creator_without_posts_is_refused_by_name():
    with pytest.raises(NotEnoughDataError, match="ada: expected at least one post"):
        Bags(("ada",), (np.zeros(0, np.int64),), np.zeros(1, np.int64))


def test_a_part_of_a_creators_posts_is_drawn_without_repeats():
    bags = RealBags(bags_by_creator(drawn_posts(n_posts=30)), fewest=5, most=20)
    drawn = [bags.draw(3, np.random.default_rng(seed)) for seed in range(40)]
    assert {label for _, label in drawn} == {0}
    assert all(len(set(rows.tolist())) == len(rows) and set(rows) <= set(bags.bags.rows[3]) for rows, _ in drawn)
    assert 5 <= min(len(rows) for rows, _ in drawn) < max(len(rows) for rows, _ in drawn) <= 20


def test_a_creator_with_few_posts_gives_them_all():
    bags = RealBags(bags_by_creator(drawn_posts(n_posts=2)), fewest=5, most=20)
    assert sorted(bags.draw(0, np.random.default_rng(0))[0].tolist()) == [0, 1]


def test_made_up_creators_take_the_niches_in_turn():
    bags = made_up()
    assert bags.labels.tolist() == [*range(9), *range(9)]
    assert [bags.draw(i, np.random.default_rng(0))[1] for i in range(18)] == bags.labels.tolist()


def test_a_made_up_creator_posts_about_its_niche_more_than_about_any_other():
    photos = drawn_photos(NICHES)
    bags = MadeUpBags.of(photos, np.arange(len(photos)), n=9, fewest=200, most=200)
    rng = np.random.default_rng(0)
    pet, other = NICHES.index("pet"), NICHES.index("other")
    counts = np.mean([np.bincount(photos.labels[bags.draw(pet, rng)[0]], minlength=9) for _ in range(20)], axis=0)
    assert counts[pet] > max(counts[k] for k in range(9) if k not in (pet, other))


def test_made_up_creators_are_of_the_given_photos_only():
    photos = drawn_photos(NICHES)
    rows = np.flatnonzero([not name.endswith(("0", "1")) for name in photos.creators])
    drawn = MadeUpBags.of(photos, rows, n=9, fewest=5, most=30).fixed(np.random.default_rng(0))
    assert len(drawn) == 9
    assert {int(i) for own in drawn.rows for i in own} <= set(rows.tolist())


def test_made_up_creators_need_every_niche():
    photos = drawn_photos(NICHES)
    with pytest.raises(NotEnoughDataError, match="none of travel"):
        MadeUpBags.of(photos, np.flatnonzero(photos.labels < 8), n=9, fewest=5, most=30)
    with pytest.raises(ShapeError, match="labelled beauty"):
        MadeUpBags.of(drawn_photos(LABELS), np.arange(10), n=9, fewest=5, most=30)


@given(st.integers(1, 50), st.integers(0, 300), st.integers(0, 10))
def test_sizes_lie_between_the_ends(fewest, more, seed):
    assert fewest <= draw_size(fewest, fewest + more, np.random.default_rng(seed)) <= fewest + more


@given(st.integers(0, 100))
def test_plans_have_shares_between_0_and_1(seed):
    plan = draw_plan(50, np.random.default_rng(seed))
    assert plan.n_posts == 50
    assert 0 < plan.share <= 1
    assert 0 < plan.other < 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_padding_keeps_every_post_where_the_mask_says(sizes):
    posts = drawn_posts()
    rows = [np.arange(size) + 3 * i for i, size in enumerate(sizes)]
    padded = pad(posts, rows)
    assert padded.mask.sum(1).tolist() == sizes
    assert padded.features.shape == (len(sizes), max(sizes), DIM)
    np.testing.assert_array_equal(padded.features[padded.mask], posts.vectors[np.concatenate(rows)])
    assert (padded.features[~padded.mask] == 0).all()


def test_measures_are_padded_with_not_known():
    posts = drawn_posts()
    posts = replace(posts, measures=np.ones((len(posts), 2), np.float32), measure_names=("a", "b"))
    measures = pad(posts, [np.arange(3), np.arange(1)]).measures
    assert measures is not None
    assert np.isnan(measures[1, 1:]).all()
    assert (measures[0] == 1).all()


def test_an_empty_bag_cannot_be_padded():
    with pytest.raises(NotEnoughDataError, match="without any"):
        pad(drawn_posts(), [np.arange(3), np.zeros(0, np.int64)])


@pytest.mark.parametrize(
    "change",
    [
        {"creators": ("a",)},
        {"labels": np.array([5] * 48)},
        {"vectors": np.zeros((3, 2), np.float32)},
        {"measures": np.zeros((48, 2), np.float32)},
    ],
)
def test_columns_that_do_not_fit_are_refused(change):
    with pytest.raises(ShapeError):
        replace(drawn_posts(n_creators=2), **change)
