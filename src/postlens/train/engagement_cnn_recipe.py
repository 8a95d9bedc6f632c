"""Settings of the reference network of likes to the recipe of its training: the published one, and what may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postlens.errors import SettingsError
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.engagement_net import N_FILTERS, reference_name
from postlens.train.engagement_photos import SIDE_PX
from postlens.train.recipe import Phase, Recipe

Target = Literal["likes", "log_likes"]
TARGETS: tuple[Target, ...] = ("likes", "log_likes")
Keep = Literal["last", "best"]
KEEPS: tuple[Keep, ...] = ("last", "best")
PHASE = "all"
FULL_SCALE = 255.0
ALL_LAYERS = 1000  # more than the network has


@dataclass(frozen=True, slots=True)
class CnnSettings:
    """The published training: Adam, mean squared error, 30 epochs, batches of 32."""

    target: Target = "likes"  # log_likes: log(1 + likes), which one famous account cannot drown
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3  # Adam's own (Kingma and Ba 2014)
    dropout: float = 0.2
    n_filters: int = N_FILTERS  # of the first convolution; the second has twice as many
    dense: int = 128
    turned: bool = False  # copies of the training photos turned by 90, 180 and 270 degrees
    keep: Keep = "last"  # epoch that answers; best: with the lowest validation loss, which departs from the published
    seed: int = 0

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise SettingsError(f"expected a target out of {', '.join(TARGETS)}, got {self.target!r}")
        if self.keep not in KEEPS:
            raise SettingsError(f"expected to keep one of {', '.join(KEEPS)}, got {self.keep!r}")

    @property
    def recipe(self) -> Recipe:
        """As the training loop takes it. Raises `SettingsError` for a value that cannot be used."""
        try:
            return self._recipe()
        except ValueError as error:  # pydantic's
            raise SettingsError(f"the network's settings cannot be used: {error}") from error

    def _recipe(self) -> Recipe:
        phase = Phase(
            name=PHASE,
            epochs=self.epochs,
            unfrozen_layers=ALL_LAYERS,
            learning_rate=self.learning_rate,
            warmup_epochs=0.0,
            weight_decay=0.0,
            optimizer="adam",
            schedule="constant",
        )
        return Recipe(
            name="reference_cnn",
            backbone=reference_name(self.n_filters),
            weights="none",
            input_size=(3, SIDE_PX, SIDE_PX),
            mean=(0.0, 0.0, 0.0),
            std=(FULL_SCALE, FULL_SCALE, FULL_SCALE),
            interpolation="bilinear, the whole picture",
            feature_dim=self.dense,
            dropout=self.dropout,
            phases=(phase,),
            augment=AugmentRecipe.none(),
            batch_size=self.batch_size,
            label_smoothing=0.0,
            balance="none",
            seed=self.seed,
        )
