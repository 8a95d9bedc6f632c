"""A TOML file to the frozen record of a training: backbone, preprocessing, phases, augmentation, settings.

No torch here: recipes are read, checked and shown before anything heavy is loaded. Shipped recipes lie beside this
file under `recipes/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from postlens.config import read_toml
from postlens.errors import SettingsError
from postlens.train.augment_recipe import AugmentRecipe

SHIPPED_RECIPES = Path(__file__).resolve().parent / "recipes"
DEFAULT_RECIPE = "efficientnet_lite0"
FORMS = ("shipped", "pretrained", "none")  # of `weights`; anything else is the path of a checkpoint

Triple = tuple[float, float, float]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Phase(BaseModel):
    """One stretch of training with a fixed set of layers that learn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_]+$")  # part of a file name
    epochs: int = Field(ge=1)
    # Layers of the backbone that learn beside the head, counted from its output; 0: none, more than there are: all.
    # What a layer is: `phases.layers_of`. More: fits the photos better, forgets ImageNet sooner, costs more time.
    unfrozen_layers: int = Field(ge=0)
    learning_rate: float = Field(1e-4, gt=0)  # the highest, reached after the warm-up; falls to 0 along a cosine
    # Projection and head, which begin with random numbers, learn at so many times that rate. On frozen features 10
    # gave a macro-F1 of .75 after 10 epochs at 1e-4 where 1 gave .70, and 100 .72 (docs/log/training.md).
    head_factor: float = Field(1.0, gt=0)
    warmup_epochs: float = Field(1.0, ge=0)  # may be a part of an epoch
    weight_decay: float = Field(0.05, ge=0)  # on weights; never on biases and norms
    # adamw: Loshchilov and Hutter 2019, adam: Kingma and Ba 2014, sgd: with `momentum`, which the others leave alone.
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: Fraction = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"  # after the warm-up


class Recipe(BaseModel):
    """Everything that decides a training but the data, the machine and the number of devices."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    backbone: str  # timm's name
    weights: str = "pretrained"  # "shipped", "pretrained", "none", or the path of a checkpoint
    input_size: tuple[int, int, int] = (3, 224, 224)  # channels, height, width in pixels
    mean: Triple  # on 0..255, as on a model's card
    std: Triple  # both in the order of `channel_order`
    channel_order: Literal["RGB", "BGR"] = "RGB"  # that the net is given
    # Of the pixels that the weights were made for. RGB: timm's and torchvision's, normalised as timm's card says; where
    # `channel_order` is BGR, the first convolution is changed to take it. BGR: Caffe's, Keras's, or of an earlier run.
    weights_order: Literal["RGB", "BGR"] = "RGB"
    interpolation: str = "bicubic, antialiased, centre square"
    dense_layers: bool = True  # false: features are the mean of the last convolution, without a VGG's two dense layers
    feature_dim: int | None = Field(None, ge=1)  # width of the learned projection; None: the backbone's own features
    dropout: Fraction = 0.0  # on what the head reads
    drop_path: Fraction = 0.0  # stochastic depth of the backbone (Huang et al. 2016)
    phases: tuple[Phase, ...] = Field(min_length=1)
    augment: AugmentRecipe = Field(default_factory=AugmentRecipe)
    # workers: where pictures are read (torchvision, the whole of `augment`); device: in batches on the GPU, about as
    # `train.device_augment` tells, for machines whose processors cannot keep up with it.
    augment_on: Literal["workers", "device"] = "workers"
    # Of images with several labels (Lin et al. 2017; Ridnik et al. 2021); images with one label take cross-entropy.
    loss: Literal["bce", "focal", "asymmetric"] = "bce"
    batch_size: int = Field(32, ge=1)  # for each device
    label_smoothing: Fraction = 0.1  # Szegedy et al. 2016
    # loss: rows weigh in the loss, sampler: rows are drawn more or less often, none: as they come.
    balance: Literal["loss", "sampler", "none"] = "loss"
    # Within a label a group of n images weighs n ** (1 - group_damping): 0: every image the same, 1: every group.
    group_damping: float = Field(0.5, ge=0, le=1)
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"  # auto: bf16 on an accelerator that has it, else 32
    # eval: unfrozen batch norms keep the statistics that they came with, train: they follow the batches.
    batch_norm: Literal["eval", "train"] = "eval"
    # Both are off where absent, since TOML cannot say None.
    patience: int | None = Field(None, ge=1)  # epochs without a better validation macro-F1 that end a phase
    clip_norm: float | None = Field(None, gt=0)  # largest norm of all gradients together
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases must have different names, got {names}")
        if self.input_size[0] != 3 or self.input_size[1] != self.input_size[2]:
            raise ValueError(f"input_size must be [3, side, side], got {list(self.input_size)}")
        if self.weights_order == "BGR" and self.channel_order == "RGB":
            raise ValueError("weights_order BGR needs channel_order BGR, got RGB")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        return self

    @property
    def size_px(self) -> int:
        """Side of the square image that the net takes."""
        return self.input_size[1]

    def changed(self, **values: Any) -> Recipe:
        """A copy with other values, checked again; those that are None stay. Raises `SettingsError`."""
        given = {name: value for name, value in values.items() if value is not None}
        return check_recipe(self.model_dump() | given, origin=f"recipe {self.name}")


def list_recipes(folder: Path = SHIPPED_RECIPES) -> tuple[str, ...]:
    """Names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def load_recipe(name_or_path: str | Path, *, folder: Path = SHIPPED_RECIPES) -> Recipe:
    """A shipped recipe by name, or one from a TOML file; `folder`: of the shipped ones.

    Raises:
        SettingsError: no such name or file, the file is not TOML, or a value cannot be used.
    """
    named = folder / f"{name_or_path}.toml"
    path = named if str(name_or_path) in list_recipes(folder) else Path(name_or_path)
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        known = ", ".join(list_recipes(folder))
        raise SettingsError(
            f"expected a recipe out of [{known}] or a TOML file, got {name_or_path} ({error})"
        ) from error
    return check_recipe(values, origin=str(path))


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write the recipe as TOML that `load_recipe` reads back unchanged."""
    values = recipe.model_dump(exclude_none=True, mode="json")
    phases, augment = values.pop("phases"), values.pop("augment")
    lines = [*_toml_lines(values), "", "[augment]", *_toml_lines(augment)]
    for phase in phases:
        lines += ["", "[[phases]]", *_toml_lines(phase)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml_lines(values: Mapping[str, Any]) -> list[str]:
    """JSON's strings, numbers, booleans and flat arrays are also TOML's."""
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value is not None]


def check_recipe(values: Mapping[str, Any], *, origin: str) -> Recipe:
    """The recipe of these values. Raises `SettingsError`, which names `origin` and all that cannot be used."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in one['loc']) or 'recipe'}: {one['msg']}, got {one['input']!r}"
            for one in error.errors()
        ]
        raise SettingsError(f"{origin}: {'; '.join(problems)}") from error
