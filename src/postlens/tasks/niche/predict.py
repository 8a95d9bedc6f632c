"""Post vectors, and the posts' faces where known, to niches, and a creator's posts to the creator's niche."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ModelError, NotEnoughDataError, ShapeError
from postlens.tasks.niche.creators import CreatorModel, pool_posts
from postlens.types import NICHES, Embeddings, FloatArray, ModelSpec, NichePrediction

OTHER = "other"
POST_MODEL = "niche_post"  # the shipped head, by its name in the zoo
FACE_MODEL = "niche_faces"  # the head over faces that goes with it
THRESHOLD = "other_below"  # its name on the card


class Model(Protocol):
    """An opened head, as `vision.zoo.open_model` returns it."""

    @property
    def spec(self) -> ModelSpec:
        """The head's card."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """`features` (N, D) float32 to `probs` (N, 9)."""


def predict_posts(
    embeddings: Embeddings,
    model: Model,
    *,
    faces: FloatArray | None = None,
    face_model: Model | None = None,
    threshold: float | None = None,
) -> tuple[NichePrediction, ...]:
    """One prediction per row of `embeddings` (`features.post_embeddings`), in its order.

    With a face model, the answer of a post is the product of both models' probabilities, scaled to sum to 1 (a product
    of experts, Hinton 2002, doi:10.1162/089976602760128018). How much the faces weigh is in that model's temperature.

    Below the threshold (default: `other_below` on the head's card) the answer is `other` and `low_confidence` is set:
    a higher threshold gives fewer wrong niches and more posts of a niche called `other`. The probabilities stay as
    they are.

    Args:
        faces: (N, 146) of `features.face_features`; posts with NaN in their row are answered from the vector alone.
        face_model: the head over faces that was calibrated with `model`; without it faces are not looked at.

    Raises:
        ModelError: vectors of an encoder that the head was not trained on, or a face model of another head.
        ShapeError: faces of another shape.
    """
    if not len(embeddings):
        return ()
    _check_encoder(embeddings, model.spec)
    limit = model.spec.thresholds[THRESHOLD] if threshold is None else threshold
    probs = np.asarray(model.run({"features": embeddings.vectors})["probs"], np.float64)
    if faces is not None and face_model is not None:
        _check_faces(faces, len(embeddings), face_model.spec, model.spec)
        probs = probs * _face_probs(faces, face_model)
    return tuple(
        _answer(post_id, row / row.sum(), threshold=limit) for post_id, row in zip(embeddings.ids, probs, strict=True)
    )


def predict_creator(
    creator_id: str,
    posts: Sequence[NichePrediction],
    *,
    model: CreatorModel | None = None,
    threshold: float = 0.0,
) -> NichePrediction:
    """What an account is about, from the predictions of any number of its posts, in any order.

    `attention` holds every post and its weight, heaviest first; the weights sum to 1. How the posts are weighed is
    told in `creators`. Raises `NotEnoughDataError` without posts.
    """
    if not posts:
        raise NotEnoughDataError(f"{creator_id}: expected at least one post with a niche, got none")
    ordered = sorted(posts, key=lambda post: (post.subject_id, *(post.probs[label] for label in NICHES)))
    probs, weights = pool_posts([[post.probs[label] for label in NICHES] for post in ordered], model or CreatorModel())
    attention = sorted(
        zip([post.subject_id for post in ordered], weights.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0])
    )
    return _answer(creator_id, probs, threshold=threshold, attention=tuple(attention), n_posts=len(posts))


def _answer(subject_id: str, probs: NDArray[np.float64], *, threshold: float, **fields: Any) -> NichePrediction:
    best = int(probs.argmax())
    unsure = bool(probs[best] < threshold) and NICHES[best] != OTHER
    return NichePrediction(
        subject_id=subject_id,
        label=OTHER if unsure else NICHES[best],
        probs=dict(zip(NICHES, probs.tolist(), strict=True)),
        low_confidence=unsure,
        **fields,
    )


def _face_probs(faces: FloatArray, model: Model) -> NDArray[np.float64]:
    """(N, 9); ones where the faces are not known."""
    known = np.flatnonzero(~np.isnan(faces).any(axis=1))
    probs = np.ones((len(faces), len(NICHES)))
    if len(known):
        probs[known] = model.run({"features": faces[known]})["probs"]
    return probs


def _check_faces(faces: FloatArray, n_posts: int, spec: ModelSpec, head: ModelSpec) -> None:
    if faces.shape != (n_posts, *spec.input_size):
        raise ShapeError(f"faces must have shape {(n_posts, *spec.input_size)}, got {faces.shape}")
    if head.fingerprint not in spec.upstream:
        raise ModelError(
            f"{spec.name}: calibrated with another head than {head.name} {head.fingerprint}; "
            "leave the faces out, or train both with recipes/niche.py"
        )


def _check_encoder(embeddings: Embeddings, spec: ModelSpec) -> None:
    if embeddings.fingerprint not in spec.upstream:
        raise ModelError(
            f"{spec.name}: trained on vectors of encoder {' or '.join(spec.upstream)}, got {embeddings.fingerprint}; "
            "encode the media again with the shipped encoder, or train the head on yours"
        )
