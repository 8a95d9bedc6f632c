"""Augmentations keep shape, type and range; what is switched off changes nothing; mixed targets still sum to 1."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from postlens.errors import ShapeError
from postlens.train.augment import apply_seeded, as_tensor, eval_transform, mix_batch, named_transforms, train_transform
from postlens.train.augment_recipe import AugmentRecipe
from postlens.vision.encoder import centre_square, normalize, prepare
from postlens.vision.zoo import load_spec

STRONG = AugmentRecipe(
    crop_area_min=0.1,
    rand_augment_ops=3,
    rand_augment_magnitude=20,
    colour_probability=1,
    erase_probability=1,
    mix_probability=1,
)
SHARES = st.floats(0, 1)
ALPHAS = st.floats(0.01, 10)


def picture(*, height: int = 40, width: int = 56, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))


def drawn(recipe: AugmentRecipe, image: torch.Tensor, *, seed: int, size_px: int = 32) -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return train_transform(recipe, size_px=size_px)(image)


def mixed(recipe: AugmentRecipe, images: torch.Tensor, *, seed: int = 0, n_classes: int = 3):
    labels = torch.arange(len(images)) % n_classes
    return mix_batch(images, labels, augment=recipe, n_classes=n_classes, rng=np.random.default_rng(seed))


# --- single pictures ------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    area=st.floats(0.05, 1),
    ops=st.integers(0, 4),
    magnitude=st.integers(0, 30),
    erase=SHARES,
    size=st.tuples(st.integers(8, 70), st.integers(8, 70)),
    seed=st.integers(0, 99),
)
def test_any_recipe_gives_uint8_squares_of_the_asked_size(area, ops, magnitude, erase, size, seed):
    recipe = AugmentRecipe(
        crop_area_min=area, rand_augment_ops=ops, rand_augment_magnitude=magnitude, erase_probability=erase
    )
    image = drawn(recipe, picture(height=size[0], width=size[1]), seed=seed)
    assert (image.shape, image.dtype) == ((3, 32, 32), torch.uint8)


def test_probability_0_leaves_the_picture_as_it_is():
    image = picture(height=32, width=32)
    assert torch.equal(drawn(AugmentRecipe.none(), image, seed=1), image)


def test_the_seed_decides_the_picture():
    image = picture()
    assert torch.equal(drawn(STRONG, image, seed=3), drawn(STRONG, image, seed=3))
    assert not torch.equal(drawn(STRONG, image, seed=3), drawn(STRONG, image, seed=4))


def test_a_picture_is_not_changed_in_place():
    image = picture()
    before = image.clone()
    drawn(STRONG, image, seed=0)
    assert torch.equal(image, before)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, ["random crop", "mirror", "colours", "RandAugment"]),
        ({"erase_probability": 0.5, "flip_probability": 0}, ["random crop", "colours", "RandAugment", "erasing"]),
        ({"rand_augment_ops": 0, "colour_probability": 0}, ["random crop", "mirror"]),
    ],
)
def test_only_what_is_switched_on_is_done(values, names):
    assert [name for name, _ in named_transforms(AugmentRecipe(**values), size_px=32)] == names


ONLY_COLOURS = {"crop_area_min": 1, "crop_aspect_max": 1, "flip_probability": 0, "rand_augment_ops": 0}
STILL = {"colour_probability": 1, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}


def moved_colours(image: torch.Tensor, *, seed: int = 1, **values: float) -> np.ndarray:
    return drawn(AugmentRecipe(**(ONLY_COLOURS | STILL | values)), image, seed=seed).float().numpy()


def luma(image: np.ndarray) -> np.ndarray:
    return np.tensordot([0.299, 0.587, 0.114], np.asarray(image, np.float64), axes=1)


def middling() -> torch.Tensor:
    """A picture whose values leave room to be moved."""
    return (picture(height=32, width=32) // 4) + 96


def test_colours_that_are_not_moved_stay_as_they_are():
    image = middling()
    assert np.abs(moved_colours(image) - image.numpy()).max() == 0


def test_brightness_multiplies():
    image = middling().float().numpy()
    factors = moved_colours(middling(), brightness=0.3) / image
    assert factors.std() < 0.01
    assert factors.mean() != pytest.approx(1, abs=0.01)


def test_contrast_moves_away_from_the_mean_luma():
    image = middling().float().numpy()
    mean = luma(image).mean()
    factors = (moved_colours(middling(), contrast=0.3) - mean) / (image - mean)
    assert np.median(factors) != pytest.approx(1, abs=0.01)
    assert np.abs(factors - np.median(factors))[np.abs(image - mean) > 10].max() < 0.1


@pytest.mark.parametrize("values", [{"saturation": 0.5}, {"hue": 0.2}])
def test_saturation_and_hue_leave_the_luma(values):
    image = middling().float().numpy()
    found = moved_colours(middling(), **values)
    assert np.abs(luma(found) - luma(image)).max() <= 1
    assert np.abs(found - image).max() > 3


def test_grey_stays_grey_whatever_its_hue_and_saturation():
    grey = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    assert (moved_colours(grey, saturation=0.9, hue=0.5) == 100).all()


def test_colours_are_moved_as_often_as_asked():
    image, recipe = middling(), AugmentRecipe(**(ONLY_COLOURS | STILL | {"colour_probability": 0.3, "brightness": 0.5}))
    assert 0.2 < np.mean([not torch.equal(drawn(recipe, image, seed=seed), image) for seed in range(300)]) < 0.4


def test_evaluation_sees_what_serving_sees():
    spec = load_spec("efficientnet_lite0")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    seen = eval_transform(size_px=224)(as_tensor(pixels)).numpy().transpose(1, 2, 0)
    assert np.array_equal(normalize(seen, spec), prepare(pixels, spec))


def test_a_cached_square_is_evaluated_as_it_is():
    square = as_tensor(centre_square(np.zeros((50, 70, 3), np.uint8), width_px=32, height_px=32))
    assert eval_transform(size_px=32)(square) is square


@pytest.mark.parametrize("transform", [train_transform(STRONG, size_px=32), eval_transform(size_px=32)])
def test_transforms_can_be_sent_to_worker_processes(transform):
    assert pickle.loads(pickle.dumps(transform))(picture()).shape == (3, 32, 32)


# --- batches --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(mixup=ALPHAS, cutmix=ALPHAS, share=SHARES, n=st.integers(1, 6), seed=st.integers(0, 999), is_float=st.booleans())
def test_targets_of_mixed_batches_sum_to_1_and_pictures_keep_their_form(mixup, cutmix, share, n, seed, is_float):
    recipe = AugmentRecipe(mix_probability=1, mixup_alpha=mixup, cutmix_alpha=cutmix, cutmix_share=share)
    images = torch.stack([picture(seed=k) for k in range(n)])
    images = images / 255 if is_float else images
    batch = mixed(recipe, images, seed=seed)
    assert (batch.images.shape, batch.images.dtype) == (images.shape, images.dtype)
    assert batch.images.min() >= images.min()
    assert batch.images.max() <= images.max()
    assert torch.allclose(batch.targets.sum(dim=1), torch.ones(n), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(alpha=ALPHAS, seed=st.integers(0, 999))
def test_the_targets_of_cutmix_are_the_shares_of_pixels(alpha, seed):
    images = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 3, 20, 30)
    batch = mixed(AugmentRecipe(mix_probability=1, mixup_alpha=0, cutmix_alpha=alpha), images, seed=seed, n_classes=4)
    shares = torch.stack([(batch.images[:, 0] == k).float().mean(dim=(1, 2)) for k in range(4)], dim=1)
    assert torch.allclose(batch.targets, shares, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(alpha=ALPHAS, seed=st.integers(0, 999))
def test_the_targets_of_mixup_are_the_weights_of_the_pictures(alpha, seed):
    images = torch.eye(4)[:, :, None, None].expand(4, 4, 5, 5)[:, :3]
    batch = mixed(AugmentRecipe(mix_probability=1, mixup_alpha=alpha, cutmix_alpha=0), images, seed=seed, n_classes=4)
    assert torch.allclose(batch.targets[:, :3], batch.images[:, :, 0, 0], atol=1e-6)


def test_unmixed_batches_stay_as_they_are():
    images = torch.stack([picture(seed=k) for k in range(3)])
    batch = mixed(AugmentRecipe(mix_probability=0), images)
    assert torch.equal(batch.images, images)
    assert torch.equal(batch.targets, torch.eye(3))


def test_batches_are_mixed_as_often_as_asked():
    images = torch.stack([picture(seed=k) for k in range(3)])
    recipe, rng = AugmentRecipe(mix_probability=0.3), np.random.default_rng(0)
    batches = [mix_batch(images, torch.arange(3), augment=recipe, n_classes=3, rng=rng) for _ in range(400)]
    assert 0.2 < np.mean([batch.images is not images for batch in batches]) < 0.4


def test_the_seed_decides_how_a_batch_is_mixed():
    images = torch.stack([picture(seed=k) for k in range(4)])
    assert torch.equal(mixed(STRONG, images, seed=5).images, mixed(STRONG, images, seed=5).images)
    assert not torch.equal(mixed(STRONG, images, seed=5).targets, mixed(STRONG, images, seed=6).targets)


def test_soft_targets_are_mixed_too():
    soft = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    batch = mix_batch(
        picture()[None].repeat(2, 1, 1, 1), soft, augment=STRONG, n_classes=2, rng=np.random.default_rng(0)
    )
    assert torch.allclose(batch.targets.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("targets", [torch.zeros(3, dtype=torch.long), torch.zeros(2, 5)])
def test_targets_that_do_not_fit_are_refused(targets):
    with pytest.raises(ShapeError, match="targets must have shape"):
        mix_batch(torch.zeros(2, 3, 4, 4), targets, augment=STRONG, n_classes=3, rng=np.random.default_rng(0))


# --- the recipe -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"crop_area_min": 0},
        {"flip_probability": 1.1},
        {"hue": 0.6},
        {"rand_augment_magnitude": 31},
        {"no_such_field": 1},
        {"mix_probability": 0.5, "mixup_alpha": 0, "cutmix_alpha": 0},
    ],
)
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ValidationError):
        AugmentRecipe(**values)


@pytest.mark.parametrize("name", AugmentRecipe.model_fields)
def test_every_field_says_what_moving_it_does(name):
    text = AugmentRecipe.model_fields[name].description or ""
    assert len(text) > 40


def test_a_turn_is_drawn_within_its_angle():
    recipe = AugmentRecipe.none().model_copy(update={"rotation_deg": 15})
    assert [name for name, _ in named_transforms(recipe, size_px=32)] == ["centre square", "turn"]
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    image[:, 16] = 255
    turned = apply_seeded(train_transform(recipe, size_px=32), image, seed=1)
    assert not torch.equal(turned, image)
    assert turned[0, 10:22, 15].max() > 100  # the line still crosses the middle
