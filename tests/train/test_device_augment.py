"""Augmentation in batches: each picture by its own numbers, as the recipe means them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from postlens.train.augment import GREY
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.device_augment import OPERATIONS, WIDTH, Drawn, apply_draws, draw

SIZE = 16


def pictures(n: int = 2, size: int = SIZE) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 3, size, size), dtype=np.uint8))


def altered(images: torch.Tensor, **values) -> torch.Tensor:
    """The first picture altered, the others as they are."""
    rows = [Drawn(**values).as_row(), *(Drawn().as_row() for _ in images[1:])]
    return apply_draws(images, torch.from_numpy(np.stack(rows)), size_px=images.shape[-1])


def test_nothing_drawn_changes_nothing():
    images = pictures()
    assert torch.allclose(altered(images), images.float(), atol=1e-2)


@pytest.mark.parametrize("seed", range(20))
def test_a_recipe_of_nothing_changes_nothing(seed):
    row = draw(AugmentRecipe.none(), np.random.default_rng(seed))
    images = pictures(1)
    assert torch.allclose(apply_draws(images, torch.from_numpy(row)[None], size_px=SIZE), images.float(), atol=1e-2)


def test_a_turn_keeps_the_middle_and_greys_the_corners():
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    rows = [
        draw(AugmentRecipe.none().model_copy(update={"rotation_deg": 45}), np.random.default_rng(seed))
        for seed in (3, 4)
    ]
    turned = [apply_draws(images, torch.from_numpy(row)[None], size_px=64) for row in rows]
    assert all(float(one[0, :, 28:36, 28:36].abs().max()) < 0.1 for one in turned)
    assert max(float(one[0, 0, 0, 0]) for one in turned) == pytest.approx(GREY, abs=1)


MIRROR = np.diag([-1.0, 1.0, 1.0])
SHIFT = np.array([[1, 0, 1.0], [0, 1, 0], [0, 0, 1]])  # by half a side to the left
WAYS = [
    ({"place": MIRROR}, lambda x: x.flip(-1)),
    ({"place": SHIFT}, lambda x: torch.cat([x[..., SIZE // 2 :], torch.full_like(x[..., SIZE // 2 :], GREY)], dim=-1)),
    ({"brightness": 0.5}, lambda x: x * 0.5),
    ({"solarize": 128.0}, lambda x: torch.where(x >= 128, 255 - x, x)),
    ({"step": 16.0}, lambda x: x // 16 * 16),
    (
        {"erased": (0.0, 1.0, 0.0, 0.5)},
        lambda x: torch.cat([x[..., : SIZE // 2] * 0 + GREY, x[..., SIZE // 2 :]], dim=-1),
    ),
]


@pytest.mark.parametrize(("values", "expected"), WAYS, ids=lambda one: str(one)[:20])
def test_each_operation_does_what_it_says_to_its_own_picture_only(values, expected):
    images = pictures()
    got, want = altered(images, **values), expected(images[0].float())
    near = (got[0] - want).abs() < 0.1
    assert near.float().mean() > 0.98  # rounding beside a step or threshold
    assert torch.allclose(got[1], images[1].float(), atol=1e-2)


def test_without_saturation_or_contrast_pictures_are_grey_or_flat():
    images = pictures()
    grey = altered(images, saturation=0.0)[0]
    assert (grey[0] - grey[1]).abs().max() < 1.5  # NTSC's matrix is given to three places
    flat = altered(images, contrast=0.0)[0]
    assert flat.std() < 1e-3


def test_a_whole_turn_of_the_colour_wheel_is_none():
    images = pictures()
    assert torch.allclose(altered(images, hue=1.0)[0], images[0].float(), atol=0.1)


def test_autocontrast_reaches_both_ends():
    dull = (pictures() // 4 + 60).to(torch.uint8)
    got = altered(dull, autocontrast=1.0)[0]
    assert (got.amin(), got.amax()) == pytest.approx((0, 255))


def test_a_smaller_output_is_of_the_whole_picture():
    ramp = torch.arange(64, dtype=torch.uint8).expand(1, 3, 64, 64) * 4
    row = torch.from_numpy(Drawn().as_row())[None]
    got = apply_draws(ramp, row, size_px=32)
    assert got.shape == (1, 3, 32, 32)
    assert got[0, 0, 0, 0] < 10
    assert got[0, 0, 0, -1] > 240


STRONG = AugmentRecipe(rand_augment_ops=8, rand_augment_magnitude=30, erase_probability=0.5, hue=0.5)


@given(st.integers(0, 2**32))
def test_every_draw_gives_a_picture(seed):
    row = draw(STRONG, np.random.default_rng(seed))
    assert row.shape == (WIDTH,)
    got = apply_draws(pictures(1), torch.from_numpy(row)[None], size_px=SIZE)
    assert bool(((got >= 0) & (got <= 255)).all())


def test_the_same_seed_draws_the_same_and_crops_stay_inside():
    recipe = AugmentRecipe(rand_augment_ops=0, flip_probability=0)
    rows = [draw(recipe, np.random.default_rng(seed)) for seed in (1, 1, *range(200))]
    assert np.array_equal(rows[0], rows[1])
    for row in rows:
        (width, _, x), (_, height, y) = row[:6].reshape(2, 3)
        assert abs(x) + width <= 1 + 1e-6
        assert abs(y) + height <= 1 + 1e-6
        assert 0.35 * 0.7 <= width * height <= 1


def test_all_operations_of_rand_augment_are_there():
    from torchvision.transforms import RandAugment

    assert len(OPERATIONS) == len(RandAugment()._augmentation_space(31, (224, 224)))


def test_what_is_erased_or_moved_in_from_outside_is_grey_as_in_the_workers():
    away = Drawn(place=np.array([[1, 0, 3], [0, 1, 0], [0, 0, 1.0]])).as_row()
    erased = Drawn(erased=(0.0, 1.0, 0.0, 1.0)).as_row()
    images = torch.full((2, 3, 8, 8), 200, dtype=torch.uint8)
    found = apply_draws(images, torch.from_numpy(np.stack([away, erased])), size_px=8)
    assert found.unique().tolist() == [GREY]
