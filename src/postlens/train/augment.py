"""Pictures to altered pictures for training, as an `AugmentRecipe` says; and to what serving sees, for evaluation.

All transforms take and give uint8 (3, H, W) tensors; the normalisation is done once, on the device, for a whole batch.
They draw from torch's global generator, which the loader seeds in each worker; `mix_batch` draws from its argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from postlens.errors import ShapeError
from postlens.train.augment_recipe import AugmentRecipe
from postlens.vision.encoder import centre_square

Transform = Callable[[Tensor], Tensor]
_ERASE_AREA_MIN = 0.02  # share of the picture, and the aspects of the erased rectangle: Zhong et al. 2017
_ERASE_ASPECTS = (0.3, 3.3)
GREY = 127  # fills what is erased or turned in from outside; near the mean of photos, as 0 is after normalising


def train_transform(augment: AugmentRecipe, *, size_px: int) -> Transform:
    """Random crop to (3, size_px, size_px), mirror, turn, colours, RandAugment, erasing: in this order, where on.

    Without a random crop the picture is what `eval_transform` gives.
    """
    return v2.Compose([part for _, part in named_transforms(augment, size_px=size_px)])  # type: ignore[no-any-return]


def named_transforms(augment: AugmentRecipe, *, size_px: int) -> list[tuple[str, Transform]]:
    """The parts of `train_transform` with what they are called."""
    parts: list[tuple[str, Transform]] = [_crop(augment, size_px)]
    if augment.flip_probability > 0:
        parts.append(("mirror", v2.RandomHorizontalFlip(augment.flip_probability)))
    if augment.rotation_deg > 0:
        parts.append(("turn", _turn(augment.rotation_deg)))
    if augment.colour_probability > 0:
        parts.append(("colours", _Colours(augment)))
    if augment.rand_augment_ops > 0:
        draw = v2.RandAugment(augment.rand_augment_ops, augment.rand_augment_magnitude, fill=GREY)
        parts.append(("RandAugment", draw))
    if augment.erase_probability > 0:
        area = (min(_ERASE_AREA_MIN, augment.erase_area_max), augment.erase_area_max)
        erase = v2.RandomErasing(augment.erase_probability, scale=area, ratio=_ERASE_ASPECTS, value=GREY)
        parts.append(("erasing", erase))
    return parts


def _crop(augment: AugmentRecipe, size_px: int) -> tuple[str, Transform]:
    if augment.crop_area_min == 1 and augment.crop_aspect_max == 1:
        return "centre square", eval_transform(size_px=size_px)
    crop = v2.RandomResizedCrop(
        size_px,
        scale=(augment.crop_area_min, 1.0),
        ratio=(1 / augment.crop_aspect_max, augment.crop_aspect_max),
        interpolation=v2.InterpolationMode.BICUBIC,
        antialias=True,
    )
    return "random crop", crop


def _turn(most_deg: float) -> Transform:
    return v2.RandomRotation(most_deg, interpolation=v2.InterpolationMode.BILINEAR, fill=GREY)  # type: ignore[no-any-return]


# Luma and the two colour axes of NTSC; turning the latter turns the hue and leaves the luma.
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_RGB = torch.linalg.inv(_YIQ)


class _Colours:
    """Hue, saturation, contrast and brightness, in this order, as one matrix product.

    0.5 ms for 224 x 224 on one core, where torchvision's ColorJitter took 3.3 ms, 2.7 of which for the hue. Against it
    the order is fixed, nothing is cut off in between, and the hue is turned as NTSC does, not in HSV.
    """

    def __init__(self, augment: AugmentRecipe) -> None:
        self._probability = augment.colour_probability
        self._spans = torch.tensor([augment.brightness, augment.contrast, augment.saturation])
        self._hue = augment.hue

    def __call__(self, image: Tensor) -> Tensor:
        if torch.rand(()) >= self._probability:
            return image
        brightness, contrast, saturation = 1 + self._spans * (2 * torch.rand(3) - 1)
        angle = 2 * torch.pi * self._hue * (2 * torch.rand(()) - 1)
        cosine, sine = saturation * angle.cos(), saturation * angle.sin()
        turn = torch.eye(3)
        turn[1:, 1:] = torch.stack([cosine, -sine, sine, cosine]).reshape(2, 2)
        pixels = image.flatten(1).float()
        grey = _YIQ[0] @ pixels.mean(dim=1)
        moved = (brightness * contrast * (_RGB @ turn @ _YIQ)) @ pixels + brightness * (1 - contrast) * grey
        return moved.round_().clamp_(0, 255).to(torch.uint8).reshape(image.shape)


def eval_transform(*, size_px: int) -> Transform:
    """What serving does before the normalisation: the centre square, resized by the encoder's own code.

    A picture of (3, size_px, size_px), as a cache without margin holds, stays as it is.
    """
    return _CentreSquare(size_px)


class _CentreSquare:
    """A class, so that it can be sent to worker processes."""

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px

    def __call__(self, image: Tensor) -> Tensor:
        if image.shape[-2:] == (self._size_px, self._size_px):
            return image
        pixels = np.ascontiguousarray(image.numpy().transpose(1, 2, 0))
        return as_tensor(centre_square(pixels, width_px=self._size_px, height_px=self._size_px))


def apply_seeded(transform: Transform, image: Tensor, *, seed: int) -> Tensor:
    """The transform with its own draws: the same for the same seed, torch's global generator left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return transform(image)


def as_tensor(image: Any) -> Tensor:
    """An uint8 (H, W, 3) array as a tensor (3, H, W) of its own memory."""
    return torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C", copy=True))


# --- mixing ---------------------------------------------------------------------------------------------------------


class Mixed(NamedTuple):
    """A batch after mixing."""

    images: Tensor  # (N, 3, H, W), of the type that they came in
    targets: Tensor  # (N, K) float32, each row sums to 1


def mix_batch(
    images: Tensor, targets: Tensor, *, augment: AugmentRecipe, n_classes: int, rng: np.random.Generator
) -> Mixed:
    """Mix each picture with another of the batch, by mixup or cutmix, for a share of the batches.

    Mixup (Zhang et al. 2017, arXiv:1710.09412) averages the pictures with one weight for the batch; CutMix (Yun et al.
    2019, arXiv:1905.04899) pastes a rectangle at one place for the batch. The targets are averaged with the same
    weight: for cutmix the share of the pixels that stayed.

    Args:
        images: (N, 3, H, W), uint8 or floating.
        targets: (N,) class numbers, or (N, K) probabilities.

    Raises:
        ShapeError: targets that do not belong to the images.
    """
    soft = _as_probabilities(targets, n_images=len(images), n_classes=n_classes)
    if augment.mix_probability == 0 or len(images) < 2 or rng.random() >= augment.mix_probability:
        return Mixed(images, soft)
    # Each with one at the same distance in the shuffled batch, so that none is mixed with itself.
    partner = (torch.arange(len(images), device=images.device) + int(rng.integers(1, len(images)))) % len(images)
    if _is_cutmix(augment, rng):
        mixed, kept = _cutmix(images, images[partner], kept=float(rng.beta(*(augment.cutmix_alpha,) * 2)), rng=rng)
    else:
        kept = float(rng.beta(*(augment.mixup_alpha,) * 2))
        mixed = _mixup(images, images[partner], kept=kept)
    return Mixed(mixed, soft * kept + soft[partner] * (1 - kept))


def _as_probabilities(targets: Tensor, *, n_images: int, n_classes: int) -> Tensor:
    if targets.ndim == 1 and len(targets) == n_images:
        return torch.nn.functional.one_hot(targets, n_classes).float()
    if targets.shape != (n_images, n_classes):
        raise ShapeError(
            f"targets must have shape ({n_images},) or ({n_images}, {n_classes}), got {tuple(targets.shape)}"
        )
    return targets.float()


def _is_cutmix(augment: AugmentRecipe, rng: np.random.Generator) -> bool:
    if augment.cutmix_alpha == 0 or augment.mixup_alpha == 0:
        return augment.cutmix_alpha > 0
    return bool(rng.random() < augment.cutmix_share)


def _mixup(images: Tensor, others: Tensor, *, kept: float) -> Tensor:
    mixed = images.float() * kept + others.float() * (1 - kept)
    return (mixed if images.is_floating_point() else mixed.round()).to(images.dtype)


def _cutmix(images: Tensor, others: Tensor, *, kept: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """The batch with a rectangle of the others, and the share of pixels that stayed.

    The rectangle's sides are sqrt(1 - kept) of the picture's, its centre anywhere, cut at the border (Yun et al. 2019).
    """
    height, width = images.shape[-2:]
    (top, bottom), (left, right) = (
        _span(side, length=round(side * float(np.sqrt(1 - kept))), centre=int(rng.integers(side)))
        for side in (height, width)
    )
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _span(side: int, *, length: int, centre: int) -> tuple[int, int]:
    start = centre - length // 2
    return max(0, start), min(side, start + length)
