"""A creator's post vectors to the creator's niche by a trained attention model, with the weights of the posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ModelError, NotEnoughDataError, ShapeError
from postlens.types import Embeddings, FloatArray, ModelSpec, NichePrediction

CREATOR_FILE, CREATOR_MODEL = "creator.onnx", "creator"  # in a run folder; its name there
# What can stand beside the vectors: likes against the account's own, age of the post, length of the caption.
MEASURES = ("likes", "age", "caption_length")
DAYS_PER_YEAR = 365.25


class Model(Protocol):
    """An opened creator model, as `vision.zoo.open_model` returns it."""

    @property
    def spec(self) -> ModelSpec:
        """The card."""

    @property
    def inputs(self) -> Mapping[str, tuple[int | str, ...]]:
        """Names and shapes of what it takes."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """`features` (1, N, D), maybe `measures` (1, N, F), to `probs` (1, K) and `attention` (1, N)."""


def attend_posts(
    creator_id: str, embeddings: Embeddings, model: Model, *, measures: FloatArray | None = None
) -> NichePrediction:
    """What an account is about, from the vectors of any number of its posts, in any order.

    `attention` holds every post and its weight, heaviest first; the weights sum to 1.

    Args:
        embeddings: a row per post (`features.post_embeddings`).
        measures: (N, F) as `post_measures`, where the model was trained with them; None: not known.

    Raises:
        NotEnoughDataError: no post.
        ModelError: vectors of an encoder that the model was not trained on.
        ShapeError: measures for another number of posts.
    """
    if not len(embeddings):
        raise NotEnoughDataError(f"{creator_id}: expected at least one post with a vector, got none")
    if embeddings.fingerprint not in model.spec.upstream:
        raise ModelError(
            f"{model.spec.name}: trained on vectors of encoder {' or '.join(model.spec.upstream)}, got "
            f"{embeddings.fingerprint}; extract the features again with that encoder, or train the model on yours"
        )
    order = sorted(range(len(embeddings)), key=lambda i: (embeddings.ids[i], embeddings.vectors[i].tobytes()))
    found = model.run(_inputs(embeddings.vectors[order], measures, order, model))
    probs = np.asarray(found["probs"][0], np.float64)
    weights = np.asarray(found["attention"][0], np.float64)
    pairs = zip([embeddings.ids[i] for i in order], (weights / weights.sum()).tolist(), strict=True)
    labels = model.spec.labels
    return NichePrediction(
        subject_id=creator_id,
        label=labels[int(probs.argmax())],
        probs=dict(zip(labels, (probs / probs.sum()).tolist(), strict=True)),
        attention=tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))),
        n_posts=len(embeddings),
    )


def _inputs(
    vectors: FloatArray, measures: FloatArray | None, order: Sequence[int], model: Model
) -> dict[str, NDArray[Any]]:
    inputs: dict[str, NDArray[Any]] = {"features": vectors[None]}
    if "measures" in model.inputs:
        width = model.inputs["measures"][2]
        unknown = np.full((len(vectors), int(width)), np.nan, np.float32)
        given = unknown if measures is None else np.asarray(measures, np.float32)
        if given.shape != unknown.shape:
            raise ShapeError(f"{model.spec.name}: measures must have shape {unknown.shape}, got {given.shape}")
        inputs["measures"] = given[list(order)][None]
    return inputs


def post_measures(
    *,
    likes: Sequence[float | None],
    published_at: Sequence[datetime | None],
    caption_length: Sequence[float | None],
) -> FloatArray:
    """(N, 3) measures of one account's posts in the order of `MEASURES`, NaN where not known; used to train and serve.

    - likes: log(1 + likes) less the account's own median of it, so that large and small accounts are alike;
    - age: log(1 + years) before the account's latest post;
    - caption length: log(1 + characters) / 5, which is about 1 for a caption of 150 characters.
    """
    counted = np.log1p(_numbers(likes))
    at = _numbers([None if time is None else time.timestamp() / 86_400 for time in published_at])
    age = np.log1p((_latest(at) - at) / DAYS_PER_YEAR)
    length = np.log1p(_numbers(caption_length)) / 5
    return np.stack([counted - _median(counted), age, length], axis=1).astype(np.float32)


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _latest(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else float("nan")
