"""Augmentation of a whole batch on the training device, each picture with numbers of its own.

`draw` is cheap and runs where the picture is read; `apply_draws` runs once for the batch. An `AugmentRecipe` means the
same as in `train.augment`, where one core alters some 300 pictures/s, with these departures: crop, mirror and
RandAugment's shear, shift and turn are one bilinear resampling (no antialiasing, so stored pictures should not be much
larger than the input); the operations on colours always run in one order; `equalize` of RandAugment is left out, since
it needs a histogram of each picture, and does nothing where it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from postlens.train.augment import GREY
from postlens.train.augment_recipe import AugmentRecipe
from postlens.types import FloatArray

FULL = 255.0
# RandAugment's operations and largest strengths, at magnitude 30 (Cubuk et al. 2019, as torchvision has them).
OPERATIONS = (
    *("identity", "shear_x", "shear_y", "shift_x", "shift_y", "turn", "brightness", "saturation", "contrast"),
    *("sharpness", "posterize", "solarize", "autocontrast", "equalize"),
)
MAGNITUDES = 30
MOST_SHEAR, MOST_SHIFT, MOST_TURN_DEG, MOST_FACTOR, MOST_BITS = 0.3, 150 / 331, 30.0, 0.9, 4
ERASE_AREA_MIN, ERASE_ASPECT_MAX = 0.02, 3.3  # of a painted rectangle (Zhong et al. 2017)
Matrix = NDArray[np.float64]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
TO_YIQ: Matrix = np.array([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])  # NTSC: luma and two of colour
TO_RGB: Matrix = np.linalg.inv(TO_YIQ).astype(np.float64)


@dataclass(slots=True)
class Drawn:
    """What was drawn for one picture; the defaults change nothing."""

    place: Matrix = field(default_factory=lambda: np.eye(3))  # output to input, both from -1 to 1
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0  # turns of the colour wheel
    sharpness: float = 1.0
    autocontrast: float = 0.0  # 1: stretched to the full range
    step: float = 1.0  # between the values that posterize leaves
    solarize: float = FULL + 1  # values from here on are inverted
    erased: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # top, bottom, left, right as shares of the side

    def as_row(self) -> FloatArray:
        """(WIDTH,) numbers: two rows of `place`, the matrix of the colours, the scalars in order, the rectangle."""
        scalars = [getattr(self, name) for name in SCALARS]
        parts = (self.place[:2].ravel(), self._colours().ravel(), scalars, self.erased)
        return np.concatenate(parts).astype(np.float32)

    def _colours(self) -> Matrix:
        """RGB to RGB: saturation and hue are linear in YIQ, where hue is an angle around the axis of luma."""
        along, across = (self.saturation * f(2 * math.pi * self.hue) for f in (math.cos, math.sin))
        turned = np.array([[1, 0, 0], [0, along, -across], [0, across, along]])
        return np.asarray(TO_RGB @ turned @ TO_YIQ)


SCALARS = ("brightness", "contrast", "sharpness", "autocontrast", "step", "solarize")
SIZES = (6, 9, len(SCALARS), 4)  # of the parts of a row
WIDTH = sum(SIZES)


def draw(augment: AugmentRecipe, rng: np.random.Generator) -> FloatArray:
    """(WIDTH,) float32: the numbers of one picture, for `apply_draws`."""
    one = Drawn(place=_crop(augment, rng))
    if rng.random() < augment.flip_probability:
        one.place = one.place @ np.diag([-1.0, 1.0, 1.0])
    if augment.rotation_deg:
        one.place = one.place @ _turn(math.radians(augment.rotation_deg) * rng.uniform(-1, 1))
    if rng.random() < augment.colour_probability:
        for name in ("brightness", "contrast", "saturation"):
            most = getattr(augment, name)
            setattr(one, name, 1 + rng.uniform(-most, most))
        one.hue = rng.uniform(-augment.hue, augment.hue)
    for number in rng.integers(len(OPERATIONS), size=augment.rand_augment_ops).tolist():
        _operate(one, OPERATIONS[number], augment.rand_augment_magnitude / MAGNITUDES, rng)
    if rng.random() < augment.erase_probability:
        one.erased = _rectangle(augment, rng)
    return one.as_row()


def _crop(augment: AugmentRecipe, rng: np.random.Generator) -> Matrix:
    """Output to input of a crop of random area, aspect and place (Szegedy et al. 2015), kept inside the picture."""
    area = rng.uniform(augment.crop_area_min, 1.0)
    aspect = math.exp(rng.uniform(-1, 1) * math.log(augment.crop_aspect_max))
    width, height = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    x, y = rng.uniform(-1, 1) * (1 - width), rng.uniform(-1, 1) * (1 - height)
    return np.array([[width, 0, x], [0, height, y], [0, 0, 1.0]])


def _turn(angle: float) -> Matrix:
    """Output to input of a turn about the centre of a square picture, by an angle in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])


def _operate(one: Drawn, name: str, strength: float, rng: np.random.Generator) -> None:
    """One operation of RandAugment at a strength of 0..1, its direction drawn."""
    signed = strength * rng.choice((-1.0, 1.0))
    turn = math.radians(MOST_TURN_DEG * signed)
    places = {
        "shear_x": [[1, MOST_SHEAR * signed, 0], [0, 1, 0]],
        "shear_y": [[1, 0, 0], [MOST_SHEAR * signed, 1, 0]],
        "shift_x": [[1, 0, 2 * MOST_SHIFT * signed], [0, 1, 0]],
        "shift_y": [[1, 0, 0], [0, 1, 2 * MOST_SHIFT * signed]],
        "turn": [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0]],
    }
    if name in places:
        one.place = one.place @ np.array([*places[name], [0, 0, 1.0]])
    elif name in ("brightness", "saturation", "contrast", "sharpness"):
        setattr(one, name, getattr(one, name) * (1 + MOST_FACTOR * signed))
    elif name == "posterize":
        one.step = 2.0 ** round(MOST_BITS * strength)
    elif name == "solarize":
        one.solarize = FULL * (1 - strength)
    elif name == "autocontrast":
        one.autocontrast = 1.0


def _rectangle(augment: AugmentRecipe, rng: np.random.Generator) -> tuple[float, float, float, float]:
    area = rng.uniform(min(ERASE_AREA_MIN, augment.erase_area_max), augment.erase_area_max)
    aspect = math.exp(rng.uniform(-1, 1) * math.log(ERASE_ASPECT_MAX))
    height, width = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    top, left = rng.uniform(0, 1 - height), rng.uniform(0, 1 - width)
    return top, top + height, left, left + width


# --- on the device --------------------------------------------------------------------------------------------------


def apply_draws(images: Tensor, draws: Tensor, *, size_px: int) -> Tensor:
    """Altered pictures (N, 3, size_px, size_px), float32 in 0..255.

    images: uint8 (N, 3, H, W); draws: (N, WIDTH) on the same device. Always in full precision.
    """
    with torch.autocast(images.device.type, enabled=False):
        place, colours, scalars, erased = draws.split(SIZES, dim=1)
        value = {name: scalars[:, k, None, None, None] for k, name in enumerate(SCALARS)}
        value["colours"] = colours.reshape(-1, 3, 3)
        shape = [len(images), 3, size_px, size_px]
        grid = torch.nn.functional.affine_grid(place.reshape(-1, 2, 3), shape, align_corners=False)
        pictures = torch.nn.functional.grid_sample(images.float() - GREY, grid, align_corners=False) + GREY
        for step in _STEPS:
            pictures = step(pictures, value).clamp_(0, FULL)
        return _erase(pictures, erased)


def _light(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    return pictures * value["brightness"]


def _contrast(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    grey = sum(weight * pictures[:, k : k + 1] for k, weight in enumerate(LUMA))
    mean = torch.as_tensor(grey).mean(dim=(2, 3), keepdim=True)
    return mean + (pictures - mean) * value["contrast"]


def _colour(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    return torch.matmul(value["colours"], pictures.flatten(2)).view_as(pictures)


def _sharpen(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    """Away from, or towards, a smoothed copy; the kernel is that of Pillow and torchvision (5 in the middle, 1 around).

    Unlike there, pixels at the border are smoothed too.
    """
    kernel = torch.ones(3, 1, 3, 3, device=pictures.device)
    kernel[:, :, 1, 1] = 5.0
    padded = torch.nn.functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    smooth = torch.nn.functional.conv2d(padded, kernel / kernel[0].sum(), groups=3)
    return smooth + (pictures - smooth) * value["sharpness"]


def _stretch(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    low, high = pictures.amin(dim=(2, 3), keepdim=True), pictures.amax(dim=(2, 3), keepdim=True)
    stretched = (pictures - low) * (FULL / (high - low).clamp(min=1.0))
    return torch.where(value["autocontrast"] > 0, stretched, pictures)


def _posterize(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    return torch.where(value["step"] > 1, (pictures / value["step"]).floor() * value["step"], pictures)


def _solarize(pictures: Tensor, value: dict[str, Tensor]) -> Tensor:
    return torch.where(pictures >= value["solarize"], FULL - pictures, pictures)


_STEPS: tuple[Callable[[Tensor, dict[str, Tensor]], Tensor], ...] = (
    _light,
    _contrast,
    _colour,
    _sharpen,
    _stretch,
    _posterize,
    _solarize,
)


def _erase(pictures: Tensor, erased: Tensor) -> Tensor:
    """Paint the rectangles."""
    at = (torch.arange(pictures.shape[-1], device=pictures.device) + 0.5) / pictures.shape[-1]
    top, bottom, left, right = erased[:, :, None].unbind(dim=1)
    rows, columns = (at >= top) & (at < bottom), (at >= left) & (at < right)
    return pictures.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], GREY)
