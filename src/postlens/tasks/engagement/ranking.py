"""Photos of one account to an order by what they will probably get, from the pixels alone.

A linear score of the shared encoder's embedding and image measures, learned by logistic loss on the differences of two
posts of one account: Bradley and Terry 1952, Rank analysis of incomplete block designs; Burges et al. 2005, Learning to
rank using gradient descent (RankNet). Scores compare photos of one account; between accounts they mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np

from postlens.errors import ShapeError
from postlens.tasks.engagement.features import MEASURES
from postlens.tasks.engagement.records import Float, Model
from postlens.types import FloatArray

RANK_MODEL = "engagement_rank"  # name in the zoo
RANK_MEASURES = (*MEASURES, "aspect")  # after the embedding, in this order
THUMBNAIL_SCORE = "thumbnail_score"  # output of the weights for thumbnails
PAIR_SLOPE = "pair_slope"  # on the card: log odds per unit of score, calibrated on held-out accounts


def rank_images(
    vectors: FloatArray, measures: Sequence[Mapping[str, float] | None], model: Model, *, thumbnails: bool = False
) -> Float:
    """(N,) scores, the higher the more a photo will probably get among photos of the same account.

    vectors: (N, D) embeddings of the shared encoder, NaN rows where there is none. measures: of `vision.measures`,
    None where not measured. What is not known counts as the mean; a photo without embedding and measures scores 0.
    thumbnails: the pictures' longest side is about 42 px, as in training; enlarged thumbnails embed differently. A
    model of one's own may have learned one score for both.
    Raises `ShapeError` for other shapes.
    """
    rows = rank_features(vectors, measures)
    if not len(rows):
        return np.zeros(0)
    name = THUMBNAIL_SCORE if thumbnails and THUMBNAIL_SCORE in model.spec.outputs else "score"
    return np.asarray(model.run({"features": rows})[name], np.float64).reshape(-1)


def rank_features(vectors: FloatArray, measures: Sequence[Mapping[str, float] | None]) -> FloatArray:
    """(N, D + M) float32, the model's input: embedding, then RANK_MEASURES; NaN where not known."""
    if np.ndim(vectors) != 2 or len(vectors) != len(measures):
        raise ShapeError(f"vectors must have shape (N, D) for N = {len(measures)} measures, got {np.shape(vectors)}")
    columns = [[(row or {}).get(name, np.nan) for name in RANK_MEASURES] for row in measures]
    shown = np.array(columns, np.float32).reshape(len(measures), len(RANK_MEASURES))
    return np.hstack([np.asarray(vectors, np.float32), shown])


@overload
def pair_probability(score_a: float, score_b: float, model: Model) -> float: ...
@overload
def pair_probability(score_a: Float, score_b: Float, model: Model) -> Float: ...
def pair_probability(score_a: float | Float, score_b: float | Float, model: Model) -> float | Float:
    """Probability that a gets more than b, two photos of one account, in (0, 1); arrays give one for each pair.

    Swapping the two gives the complement; NaN scores give NaN.
    """
    odds = model.spec.thresholds[PAIR_SLOPE] * (np.asarray(score_a, np.float64) - np.asarray(score_b, np.float64))
    found = 0.5 * (1 + np.tanh(odds / 2))  # the logistic function, which does not overflow in this form
    return float(found) if np.ndim(found) == 0 else np.asarray(found)
