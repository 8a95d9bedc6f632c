"""A finished training to the files that tell what came of it: history, scores, pictures, the exported model."""

from __future__ import annotations

from dataclasses import dataclass

from postlens.errors import ShapeError
from postlens.types import Columns, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Predictions(Columns):
    """What a net says about labelled images: columns of equal length N."""

    rows: IntArray  # (N,) row numbers in the `LabelledImages`
    logits: FloatArray  # (N, K) in the order of the classes, before any temperature
    truth: IntArray  # (N,) positions in the classes

    def __post_init__(self) -> None:
        n = len(self.rows)
        if self.logits.ndim != 2 or len(self.logits) != n or self.truth.shape != (n,):
            raise ShapeError(
                f"predictions must be rows (N,), logits (N, K) and truth (N,), got {self.rows.shape}, "
                f"{self.logits.shape} and {self.truth.shape}"
            )
