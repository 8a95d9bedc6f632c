"""The settings of a creator training as a frozen record, read from and written to TOML. No torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from postlens.config import read_toml
from postlens.errors import SettingsError
from postlens.train.recipe import Phase

PHASE = "creator"
NONE = "none"
Fraction = Annotated[float, Field(ge=0, lt=1)]


class CreatorRecipe(BaseModel):
    """Everything that decides a creator training but the data, the machine and the number of devices.

    In TOML, which has no word for it, `"none"` stands for None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # attention: query from the whole bag, keys and values from the posts (Vaswani et al. 2017); gated: attention from
    # each post alone (Ilse et al. 2018, arXiv:1802.04712); mean: no attention, the baseline.
    pooling: Literal["attention", "gated", "mean"] = "attention"
    width: int = Field(512, ge=1)  # of an embedded post
    # The D -> width projection as a product of two of this inner width; None: one full matrix. Lower: faster and less
    # able to tell sources apart.
    rank: int | None = Field(128, ge=1)
    n_heads: int = Field(4, ge=1)
    key_width: int = Field(64, ge=1)  # of all heads together; more: finer distinctions of posts, slower
    hidden: int = Field(256, ge=1)  # of the head
    dropout: Fraction = 0.5  # before both layers of the head
    post_dropout: Fraction = 0.2  # share of the posts' features that are blanked; higher: slower, less overfitting

    epochs: int = Field(40, ge=1)
    batch_size: int = Field(32, ge=1)  # creators a step, for each device
    # A creator is seen each epoch through a random part of its posts, between these numbers (log-uniform), so that
    # every bag size is learnt. Validation and test see up to `most_posts` of each.
    fewest_posts: int = Field(5, ge=1)
    most_posts: int = Field(300, ge=1)
    learning_rate: float = Field(1e-3, gt=0)  # the highest, reached after the warm-up; falls to 0 along a cosine
    warmup_epochs: float = Field(1.0, ge=0)
    weight_decay: float = Field(0.05, ge=0)  # of AdamW, on weights; never on biases and norms
    label_smoothing: Fraction = 0.05  # Szegedy et al. 2016
    patience: int | None = Field(10, ge=1)  # epochs without a better validation macro-F1 that end the training
    clip_norm: float | None = Field(1.0, gt=0)  # largest norm of all gradients together
    precision: Literal["auto", "32", "bf16", "fp16"] = "32"  # the net is small: less buys next to nothing
    seed: int = Field(0, ge=0)

    @field_validator("rank", "patience", "clip_norm", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == NONE else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.key_width % self.n_heads or self.width % self.n_heads:
            raise ValueError(f"key_width and width must be multiples of n_heads ({self.n_heads})")
        if self.fewest_posts > self.most_posts:
            raise ValueError(f"fewest_posts ({self.fewest_posts}) must not be above most_posts ({self.most_posts})")
        return self

    @property
    def phases(self) -> tuple[Phase]:
        """The one phase, as the training loop counts them."""
        return (
            Phase(
                name=PHASE,
                epochs=self.epochs,
                unfrozen_layers=0,
                learning_rate=self.learning_rate,
                warmup_epochs=self.warmup_epochs,
                weight_decay=self.weight_decay,
            ),
        )

    @property
    def backbone(self) -> str:
        """What the weight files name as their architecture."""
        return f"creator {self.pooling}"

    def changed(self, **values: Any) -> CreatorRecipe:
        """A copy with other values, checked again; those that are None stay. Raises `SettingsError`."""
        given = {name: value for name, value in values.items() if value is not None}
        return _checked(self.model_dump() | given, origin="creator recipe")


def load_creator_recipe(path: Path | None) -> CreatorRecipe:
    """The recipe in a TOML file, settings that it leaves out as they ship; None: all as they ship.

    Raises `SettingsError` when the file cannot be read, or a value cannot be used.
    """
    if path is None:
        return CreatorRecipe()
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"expected a readable TOML file of a creator recipe at {path}, got: {error}") from error
    return _checked(values, origin=str(path))


def write_creator_recipe(recipe: CreatorRecipe, path: Path) -> None:
    """Write the whole recipe as TOML that `load_creator_recipe` reads back."""
    values = {name: NONE if value is None else value for name, value in recipe.model_dump(mode="json").items()}
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()), encoding="utf-8")


def _checked(values: dict[str, Any], *, origin: str) -> CreatorRecipe:
    try:
        return CreatorRecipe.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in one['loc']) or 'recipe'}: {one['msg']}, got {one['input']!r}"
            for one in error.errors()
        ]
        raise SettingsError(f"{origin}: {'; '.join(problems)}") from error
