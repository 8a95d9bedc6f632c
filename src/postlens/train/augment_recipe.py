"""What is drawn at random when training: every augmentation with its range and the effect of moving it.

Without torch, so that recipes are read and shown where the train extra is not installed. `train.augment` does it.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class AugmentRecipe(BaseModel):
    """Augmentation of a training run. A probability, strength or alpha of 0 switches its part off.

    Raises pydantic's `ValidationError` for an unknown field or a value out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_area_min: float = Field(
        0.35,
        gt=0,
        le=1,
        description="Smallest share of the picture that a random crop keeps (Szegedy et al. 2015, there 0.08); drawn up"
        " to 1. Higher: the subject stays whole; lower: more variety, more crops without the subject. 1: no crop.",
    )
    crop_aspect_max: float = Field(
        4 / 3,
        ge=1,
        le=3,
        description="A random crop's aspect lies between 1/this and this before it is made square. Higher: more"
        " squashed pictures. 1: square crops only.",
    )
    flip_probability: float = Field(
        0.5, ge=0, le=1, description="Share of pictures mirrored left to right. 0 where letters or sides matter."
    )
    rotation_deg: float = Field(
        0.0,
        ge=0,
        le=180,
        description="Pictures are turned by up to this angle either way, grey behind the corners. Higher: tilted shots"
        " tell less, more of the picture is corner. 0: off.",
    )
    colour_probability: float = Field(0.8, ge=0, le=1, description="Share of pictures whose colours are moved.")
    brightness: float = Field(
        0.2, ge=0, lt=1, description="Factor drawn from 1 - this to 1 + this. Higher: light tells less."
    )
    contrast: float = Field(
        0.2, ge=0, lt=1, description="Factor drawn from 1 - this to 1 + this. Higher: haze and punch tell less."
    )
    saturation: float = Field(
        0.2, ge=0, lt=1, description="Factor drawn from 1 - this to 1 + this. Higher: photo filters tell less."
    )
    hue: float = Field(
        0.02,
        ge=0,
        le=0.5,
        description="Turn of the colour wheel, up to this share of it. Higher: skin and food look wrong.",
    )
    rand_augment_ops: int = Field(
        2,
        ge=0,
        le=8,
        description="Operations drawn for each picture (RandAugment, Cubuk et al. 2019, there 1 to 3). More: slower,"
        " stronger. 0: off.",
    )
    rand_augment_magnitude: int = Field(
        7,
        ge=0,
        le=30,
        description="Strength of these operations (Cubuk et al. 2019: 9 for ResNet-50 on ImageNet). Higher helps"
        " large nets and large data, harms small ones.",
    )
    erase_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of pictures with a rectangle painted over (random erasing, Zhong et al. 2017, there 0.5)."
        " Higher: less weight on one spot.",
    )
    erase_area_max: float = Field(
        0.2, gt=0, le=0.5, description="Largest share of the picture that is erased, from 0.02. Higher: more is hidden."
    )
    mix_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of batches whose pictures are mixed in pairs, labels with them. Higher: softer"
        " probabilities, less overfitting, longer training.",
    )
    mixup_alpha: float = Field(
        0.2,
        ge=0,
        le=10,
        description="Pictures are averaged with a weight from Beta(this, this) (mixup, Zhang et al. 2017, there 0.2)."
        " Higher: nearer to half and half. 0: no mixup.",
    )
    cutmix_alpha: float = Field(
        1.0,
        ge=0,
        le=10,
        description="A rectangle of area from Beta(this, this) is pasted in (CutMix, Yun et al. 2019, there 1)."
        " 1: any area alike. 0: no cutmix.",
    )
    cutmix_share: float = Field(
        0.5, ge=0, le=1, description="Of the mixed batches, the share mixed by cutmix where both are on; else mixup."
    )

    @model_validator(mode="after")
    def _mixing_is_possible(self) -> Self:
        if self.mix_probability > 0 and self.mixup_alpha == 0 and self.cutmix_alpha == 0:
            raise ValueError("mix_probability is above 0: expected mixup_alpha or cutmix_alpha above 0, got 0 for both")
        return self

    @classmethod
    def none(cls) -> AugmentRecipe:
        """Nothing is drawn: training sees what serving sees."""
        return cls(
            crop_area_min=1,
            crop_aspect_max=1,
            flip_probability=0,
            rotation_deg=0,
            colour_probability=0,
            rand_augment_ops=0,
            erase_probability=0,
            mix_probability=0,
        )
