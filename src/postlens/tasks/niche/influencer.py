"""Vectors of posts to an answer in plain values: predicted category, its confidence, the next best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from postlens.errors import ShapeError
from postlens.tasks.niche import attention
from postlens.tasks.niche.attention import attend_posts
from postlens.tasks.niche.predict import POST_MODEL, Model, predict_creator, predict_posts
from postlens.types import Embeddings, NichePrediction
from postlens.vision.zoo import open_model

N_TOP = 3  # labels listed as top_predictions


@dataclass(frozen=True, slots=True)
class Categories:
    """What creators and their posts are about."""

    creators: tuple[NichePrediction, ...]
    posts: tuple[tuple[str, NichePrediction], ...] = ()  # the creator of each, and its answer
    models: Mapping[str, str] = field(default_factory=dict)  # name to version and fingerprint
    without: tuple[str, ...] = ()  # creators of which no post has a vector


def predict_influencer_category(
    vectors: ArrayLike,
    *,
    fingerprint: str | None = None,
    head: Model | None = None,
    creator_model: attention.Model | None = None,
    n_top: int = N_TOP,
) -> dict[str, Any]:
    """The category of a post from its vector (D,), or of a creator from the vectors of its posts (N, D).

    Returns `{"predicted_category", "confidence", "top_predictions"}`, the last a list of `n_top` categories with their
    confidences, most likely first. For a creator in a store see `pipelines.predict.predict_stored_creator`.

    Args:
        fingerprint: of the encoder that made the vectors. Default: the one that the model was trained on.
        head: an opened post head. Default: the one that ships.
        creator_model: an opened attention model, for a bag. Default: the posts' answers of the head are pooled
            (`creators.pool_posts`).

    Raises:
        ShapeError: an array of another shape.
        NotEnoughDataError: a bag without posts.
        ModelError: vectors of another encoder.
    """
    values = np.asarray(vectors, np.float32)
    if values.ndim not in (1, 2):
        raise ShapeError(f"expected the vector of a post (D,) or those of a creator's posts (N, D), got {values.shape}")
    bag = np.atleast_2d(values)
    if values.ndim == 2 and creator_model is not None:
        known = fingerprint or creator_model.spec.upstream[0]
        return as_category(attend_posts("creator", _posts(bag, known, creator_model), creator_model), n_top=n_top)
    opened = open_model(POST_MODEL) if head is None else head
    posts = predict_posts(_posts(bag, fingerprint or opened.spec.upstream[0], opened), opened)
    return as_category(posts[0] if values.ndim == 1 else predict_creator("creator", posts), n_top=n_top)


def as_category(niche: NichePrediction, *, n_top: int = N_TOP) -> dict[str, Any]:
    """A prediction as `predicted_category`, `confidence` and `top_predictions`, confidences to four digits."""
    top = sorted(niche.probs.items(), key=lambda item: -item[1])[:n_top]
    return {
        "predicted_category": niche.label,
        "confidence": round(niche.confidence, 4),
        "top_predictions": [{"category": label, "confidence": round(prob, 4)} for label, prob in top],
    }


def _posts(bag: Any, fingerprint: str, model: Model | attention.Model) -> Embeddings:
    width = model.spec.input_size[0]
    if bag.shape[1] != width:
        raise ShapeError(f"{model.spec.name}: expected vectors of {width} numbers, got {bag.shape[1]}")
    return Embeddings(tuple(f"post {number}" for number in range(len(bag))), bag, fingerprint)
