"""Images to step-by-step pictures of what a model is given, and of what training makes of them.

The steps are those of the product: `media.image` decodes and turns, `vision.encoder` crops, resizes and normalises,
`train.augment` augments. Only the augmentations need the train extra.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from postlens.config import Settings
from postlens.errors import MissingExtraError
from postlens.media.image import DecodedImage, ImageLimits, decode_image, decode_stored, read_image_bytes
from postlens.media.probe import HEAD_BYTES, display_name, media_format
from postlens.train.augment_recipe import AugmentRecipe
from postlens.types import FloatArray, Image, ModelSpec
from postlens.vision.encoder import centre_square, normalize, square_box

if TYPE_CHECKING:
    from postlens.train.recipe import Recipe

# EXIF 2.32, 4.6.4 A: what is done to the stored pixels to stand upright.
_TURNS: Final = {
    1: "upright as stored",
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored and turned by 180°",
    5: "mirrored and turned by 90° to the left",
    6: "turned by 90° to the right",
    7: "mirrored and turned by 90° to the right",
    8: "turned by 90° to the left",
}
_DIMMED: Final = 0.3  # brightness of what the crop leaves out
_BLUE, _WHITE, _RED = (np.array(colour, np.float32) for colour in ((33, 102, 172), (247, 247, 247), (178, 24, 43)))


@dataclass(frozen=True, slots=True)
class Step:
    """One picture of a sheet with its caption."""

    title: str
    picture: Image  # uint8 (H, W, 3)
    facts: tuple[str, ...]  # sizes and ranges, a line each


@dataclass(frozen=True, slots=True)
class Inspection:
    """All pictures of one image."""

    name: str
    preprocessing: tuple[Step, ...]
    augmentations: tuple[Step, ...] = ()

    @property
    def sections(self) -> tuple[tuple[str, tuple[Step, ...]], ...]:
        """Headings and their pictures, those that there are."""
        parts = {"What the model is given": self.preprocessing, "What training makes of it": self.augmentations}
        return tuple((heading, steps) for heading, steps in parts.items() if steps)


def inspect_image(
    path: Path,
    *,
    spec: ModelSpec,
    settings: Settings | None = None,
    augment: AugmentRecipe | None = None,
    n_augmented: int = 0,
    seed: int = 0,
) -> Inspection:
    """The steps of one image.

    Args:
        spec: card of the model that it is prepared for, see `spec_of`.
        settings: as of `postlens analyze`. Default: the defaults.
        augment: what is drawn. Default: the recipe's defaults.
        n_augmented: pictures of all augmentations together; with 0 the augmentations are left out.
        seed: of the first of these; the others follow.

    Raises:
        MediaError: the image cannot be decoded.
        MissingExtraError: augmentations are asked for, but torch is not installed.
    """
    if n_augmented > 0 and any(importlib.util.find_spec(library) is None for library in ("torch", "torchvision")):
        raise MissingExtraError("train", needed_for="showing augmentations (--augmentations 0 leaves them out)")
    steps = tuple(_preprocessing(path, spec=spec, settings=settings or Settings()))
    if n_augmented == 0:
        return Inspection(display_name(path), steps)
    drawn = _augmentations(_square(steps), augment or AugmentRecipe(), n_augmented=n_augmented, seed=seed)
    return Inspection(display_name(path), steps, tuple(drawn))


def inspect_mixing(inspections: Sequence[Inspection], *, augment: AugmentRecipe, seed: int = 0) -> Inspection | None:
    """Mixup and cutmix of the inspected images with each other; None for a single image, or where neither is on.

    The captions say how much of which image's label a picture has.
    """
    alphas = {"mixup": augment.mixup_alpha, "cutmix": augment.cutmix_alpha}
    if len(inspections) < 2 or augment.mix_probability == 0:
        return None
    steps = [step for kind, alpha in alphas.items() if alpha > 0 for step in _mixed(inspections, augment, kind, seed)]
    share = f"Batches, {augment.mix_probability:.0%} of which are mixed"
    return Inspection(share, (), tuple(steps))


def spec_of(recipe: Recipe, encoder: ModelSpec) -> ModelSpec:
    """The card of the net that a recipe trains, as far as its preprocessing is concerned."""
    from dataclasses import replace

    return replace(
        encoder,
        name=recipe.name,
        input_size=recipe.input_size,
        mean=recipe.mean,
        std=recipe.std,
        interpolation=recipe.interpolation,
    )


# --- preprocessing --------------------------------------------------------------------------------------------------

RESIZED: Final = "resized"


def _preprocessing(path: Path, *, spec: ModelSpec, settings: Settings) -> Iterator[Step]:
    """Decoded, turned upright, cropped, resized, normalised."""
    _, height_px, width_px = spec.input_size
    side_px = max(settings.image_max_side_px, 2 * max(width_px, height_px))
    data = read_image_bytes(path)
    limits = ImageLimits(max_pixels=settings.max_pixels)
    decoded = decode_image(data, max_side_px=side_px, limits=limits, name=display_name(path))
    yield from _decoding(data, decoded, max_side_px=side_px, name=display_name(path))
    yield _crop(decoded.image)
    square = centre_square(decoded.image, width_px=width_px, height_px=height_px)
    method = spec.interpolation or "bicubic, antialiased"
    yield Step(RESIZED, square, (_size(square), method, _range(square)))
    yield _normalised(normalize(square, spec), spec)


def _decoding(data: bytes, decoded: DecodedImage, *, max_side_px: int, name: str) -> Iterator[Step]:
    """As stored and turned upright; one step for formats whose decoder does both."""
    form = media_format(data[:HEAD_BYTES], name=name)
    width_px, height_px = decoded.size_px
    stored = decode_stored(data, max_side_px=max_side_px, name=name)
    scale = f"{form}, {width_px} x {height_px} px when upright, decoded at scale {decoded.scale:.3g}"
    if stored is None:
        facts = (_size(decoded.image), scale, "EXIF orientation applied by the decoder", _range(decoded.image))
        yield Step("decoded, upright", decoded.image, facts)
        return
    yield Step("decoded", stored.image, (_size(stored.image), scale, _range(stored.image)))
    turn = f"EXIF orientation {stored.orientation}: {_TURNS[stored.orientation]}"
    yield Step("upright", decoded.image, (_size(decoded.image), turn))


def _crop(image: Image) -> Step:
    """The picture with what is left out dimmed."""
    height, width = image.shape[:2]
    side, (left, top) = min(height, width), (int(edge) for edge in square_box(image)[:2])
    shown = (image * np.float32(_DIMMED)).astype(np.uint8)
    shown[top : top + side, left : left + side] = image[top : top + side, left : left + side]
    kept = side * side / (height * width)
    return Step("cropped", shown, (f"centre square of {side} x {side} px", f"{kept:.0%} of the area"))


def _normalised(values: FloatArray, spec: ModelSpec) -> Step:
    """A map of the values of each channel: blue below 0, white 0, red above."""
    low, high = (
        (bound - np.asarray(spec.mean, np.float32)) / np.asarray(spec.std, np.float32) for bound in (0.0, 255.0)
    )
    limit = float(max(np.abs(low).max(), np.abs(high).max()))
    facts = (
        f"{values.shape[0]} x {values.shape[1]} x {values.shape[2]} float32: red, green, blue",
        f"(x - {_numbers(spec.mean)}) / {_numbers(spec.std)}",
        f"values {values.min():.2f} .. {values.max():.2f}, mean {values.mean():.2f}",
        f"colours: blue {-limit:.2f}, white 0, red {limit:.2f}",
    )
    return Step("normalised", np.concatenate([value_map(plane, limit) for plane in values], axis=1), facts)


def value_map(plane: FloatArray, limit: float) -> Image:
    """Values (H, W) in -limit .. limit as colours, uint8 (H, W, 3): blue, white at 0, red."""
    share = np.clip(plane / limit, -1, 1)[..., None]
    colours = _WHITE + (np.where(share < 0, _BLUE, _RED) - _WHITE) * np.abs(share)
    return np.asarray(np.rint(colours), dtype=np.uint8)


# --- augmentations --------------------------------------------------------------------------------------------------


def _augmentations(square: Image, augment: AugmentRecipe, *, n_augmented: int, seed: int) -> Iterator[Step]:
    """Each augmentation alone, then all together with one seed after the other."""
    from postlens.train.augment import apply_seeded, as_tensor, named_transforms, train_transform

    image, size_px = as_tensor(square), square.shape[0]
    for name, transform in named_transforms(_always(augment), size_px=size_px):
        picture = apply_seeded(transform, image, seed=seed).numpy().transpose(1, 2, 0)
        yield Step(f"{name} alone", picture, (f"done to {_share(name, augment):.0%} of the pictures", _range(picture)))
    for number in range(n_augmented):
        drawn = apply_seeded(train_transform(augment, size_px=size_px), image, seed=seed + number)
        picture = drawn.numpy().transpose(1, 2, 0)
        yield Step(f"all, draw {number + 1}", picture, (f"{_size(picture)}, seed {seed + number}", _range(picture)))


# Most mixes leave a picture nearly as it is; the first seed is shown that gives both at least this share.
_SHOWN_SHARE: Final = 0.2
_MOST_TRIED: Final = 100
_OTHER_ALPHA: Final = {"mixup": "cutmix_alpha", "cutmix": "mixup_alpha"}


def _mixed(inspections: Sequence[Inspection], augment: AugmentRecipe, kind: str, seed: int) -> Iterator[Step]:
    """The images as one batch, mixed in one way."""
    import torch

    from postlens.train.augment import as_tensor, mix_batch

    n = len(inspections)
    batch = torch.stack([as_tensor(_square(one.preprocessing)) for one in inspections])
    only = augment.model_copy(update={"mix_probability": 1.0, _OTHER_ALPHA[kind]: 0.0})
    for tried in range(seed, seed + _MOST_TRIED):
        rng = np.random.default_rng(tried)
        images, targets = mix_batch(batch, torch.arange(n), augment=only, n_classes=n, rng=rng)
        if (targets > _SHOWN_SHARE).sum() > n:
            break
    for image, shares in zip(images.numpy(), targets.numpy(), strict=True):
        facts = [f"{shares[k]:.0%} of {Path(inspections[k].name).name}" for k in np.flatnonzero(shares).tolist()]
        yield Step(kind, image.transpose(1, 2, 0), (*facts, f"seed {tried}"))


def _square(steps: Sequence[Step]) -> Image:
    return next(step.picture for step in steps if step.title == RESIZED)


_PROBABILITIES: Final = {
    "mirror": "flip_probability",
    "colours": "colour_probability",
    "erasing": "erase_probability",
}


def _always(augment: AugmentRecipe) -> AugmentRecipe:
    """The recipe with what it does to some pictures done to each."""
    return augment.model_copy(update={name: 1.0 for name in _PROBABILITIES.values() if getattr(augment, name) > 0})


def _share(name: str, augment: AugmentRecipe) -> float:
    return float(getattr(augment, _PROBABILITIES[name])) if name in _PROBABILITIES else 1.0


def _size(image: Image) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"


def _range(image: Image) -> str:
    return f"values {image.min()} .. {image.max()}, mean {image.mean():.0f}"


def _numbers(values: tuple[float, ...]) -> str:
    """One number where all are equal, else all."""
    return f"{values[0]:g}" if len(set(values)) == 1 else "(" + ", ".join(f"{value:g}" for value in values) + ")"
