"""A file of `postlens extract` to the categories of its creators and posts, by ONNX models alone: no torch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from postlens.errors import EmptySourceError, ModelError
from postlens.media.probe import display_name
from postlens.tasks.niche.attention import attend_posts
from postlens.tasks.niche.influencer import Categories
from postlens.tasks.niche.model import NicheModel, load_niche_model
from postlens.tasks.niche.predict import predict_creator, predict_posts
from postlens.train.bags import PostFeatures
from postlens.train.creator_features import posts_of
from postlens.train.feature_file import read_features
from postlens.types import Embeddings, IntArray, NichePrediction


def predict_features(path: Path, *, run: Path | None = None, threshold: float | None = None) -> Categories:
    """What the creators and posts of a features file are about.

    Creators are answered by the attention model of the run, or where it has none from the answers of their posts.
    Posts are answered by the head, unless the vectors went through its projection already.

    Args:
        run: folder of a run; default: the models that ship.
        threshold: as `predict.predict_posts`.

    Raises:
        EmptySourceError: no vector in the file.
        ModelError: vectors of an encoder that the models were not trained on.
        SettingsError, SourceError: the run or the file cannot be used.
    """
    model, posts = load_niche_model(run), posts_of(read_features(path), measures=True)
    if not len(posts):
        raise EmptySourceError(f"{display_name(path)}: expected vectors of posts, got none; see the failures beside it")
    ids = _unique_ids(posts)
    answers = _posts(model, Embeddings(ids, posts.vectors, posts.fingerprint), threshold=threshold)
    rows = np.split(*_by_creator(posts))
    creators = [_creator(model, posts, ids, own, answers) for own in rows]
    return Categories(
        creators=tuple(creators),
        posts=tuple((posts.creators[i], one) for i, one in enumerate(answers)),
        models={spec.name: f"{spec.version} {spec.fingerprint}" for spec in model.specs},
    )


def _by_creator(posts: PostFeatures) -> tuple[IntArray, IntArray]:
    """Rows sorted by creator, and where each creator but the first begins."""
    member = np.unique(np.asarray(posts.creators, object), return_inverse=True)[1]
    return np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1]


def _unique_ids(posts: PostFeatures) -> tuple[str, ...]:
    """The posts' ids; those that several creators use with the creator before them."""
    counts = Counter(posts.ids)
    pairs = zip(posts.creators, posts.ids, strict=True)
    return tuple(f"{creator}/{post_id}" if counts[post_id] > 1 else post_id for creator, post_id in pairs)


def _posts(model: NicheModel, vectors: Embeddings, *, threshold: float | None) -> tuple[NichePrediction, ...]:
    """Nothing for projected vectors, which no head reads."""
    reads_projected = model.creator is not None and vectors.fingerprint == model.head.fingerprint
    return () if reads_projected else predict_posts(vectors, model.open_head(), threshold=threshold)


def _creator(
    model: NicheModel, posts: PostFeatures, ids: tuple[str, ...], rows: IntArray, answers: tuple[NichePrediction, ...]
) -> NichePrediction:
    name, attention = posts.creators[int(rows[0])], model.open_creator()
    if attention is None:
        return predict_creator(name, [answers[i] for i in rows])
    vectors = Embeddings(tuple(ids[i] for i in rows), posts.vectors[rows], posts.fingerprint)
    if posts.fingerprint not in attention.spec.upstream:  # trained on what the head makes of them
        if "projected" not in model.head.outputs or posts.fingerprint not in model.head.upstream:
            raise ModelError(
                f"{attention.spec.name}: trained on vectors of {' or '.join(attention.spec.upstream)}, got "
                f"{posts.fingerprint}; extract the features again with that model"
            )
        projected = model.open_head().run({"features": vectors.vectors})["projected"]
        vectors = Embeddings(vectors.ids, projected, model.head.fingerprint)
    return attend_posts(name, vectors, attention, measures=None if posts.measures is None else posts.measures[rows])
