"""Features of faces to calibrated probabilities of hat, beard, moustache, stubble, eyeglasses and sunglasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.types import ATTRIBUTES, FloatArray, ModelSpec

MODEL = "face_attributes"


class Head(Protocol):
    """An opened model: `vision.session.Session`."""

    @property
    def spec(self) -> ModelSpec:
        """Its card."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        ...


def predict_attributes(features: FloatArray, model: Head) -> FloatArray:
    """Probabilities (N, 6) float32 in the order of ATTRIBUTES, from `face_features` (N, D); no faces give (0, 6).

    One sigmoid per label: a face may have several. They are calibrated for the label frequencies named on the card.
    Raises `ShapeError` when the features are not those that the model was trained on.
    """
    if tuple(model.spec.labels) != ATTRIBUTES:
        raise ShapeError(f"{model.spec.name}: expected the labels {ATTRIBUTES}, got {model.spec.labels}")
    if features.ndim != 2 or features.shape[1] != model.spec.input_size[0]:
        raise ShapeError(f"features must have shape (N, {model.spec.input_size[0]}), got {features.shape}")
    if not len(features):
        return np.zeros((0, len(ATTRIBUTES)), np.float32)
    return np.asarray(model.run({"features": features.astype(np.float32)})["probs"], np.float32)
