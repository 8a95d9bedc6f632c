"""A file of `postlens extract` to posts: images of one post averaged, labels as numbers, measures where asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from postlens.tasks.niche.attention import MEASURES, post_measures
from postlens.train.bags import PostFeatures
from postlens.train.feature_file import ImageFeatures
from postlens.types import NICHES, FloatArray, IntArray


def posts_of(features: ImageFeatures, *, measures: bool = False, classes: Sequence[str] | None = None) -> PostFeatures:
    """One row for each post, in the order of their first images.

    Args:
        measures: with likes, age and caption length (`attention.post_measures`), as far as the file knows them.
        classes: the labels in the order of their numbers. Default: those found, sorted, niches as postlens writes them.

    A post whose label is none of the classes has the number -1, "not known".
    """
    rows = _rows_by_post(features)
    first = np.array([own[0] for own in rows], np.int64)
    order = tuple(classes) if classes is not None else _classes(features.labels)
    number = {label.casefold(): k for k, label in enumerate(order)}
    creators = tuple(features.creators[i] for i in first)
    return PostFeatures(
        ids=tuple(features.posts[i] for i in first),
        creators=creators,
        labels=np.array([number.get(features.labels[i].casefold(), -1) for i in first], np.int64),
        vectors=_means(features.vectors, rows),
        classes=order,
        fingerprint=features.fingerprint,
        measures=_measures(features, first, creators) if measures else None,
        measure_names=MEASURES if measures else (),
        paths=tuple(features.paths[i] for i in first),
    )


def _rows_by_post(features: ImageFeatures) -> list[list[int]]:
    """Rows of each post's images. Equal names of two creators' posts are two posts."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(features.creators, features.posts, strict=True)):
        found[key].append(row)
    return list(found.values())


def _classes(labels: Sequence[str]) -> tuple[str, ...]:
    spelled = {niche: niche for niche in NICHES}
    folded = {label.casefold(): label for label in reversed(labels) if label}
    return tuple(sorted(spelled.get(key, label) for key, label in folded.items()))


def _means(vectors: FloatArray, rows: Sequence[Sequence[int]]) -> FloatArray:
    """(P, D) as `features.post_embeddings` averages a post's media."""
    found = np.empty((len(rows), vectors.shape[1]), np.float32)
    for number, own in enumerate(rows):
        found[number] = vectors[own[0]] if len(own) == 1 else vectors[list(own)].mean(axis=0, dtype=np.float64)
    return found


def _measures(features: ImageFeatures, first: IntArray, creators: Sequence[str]) -> FloatArray:
    """(P, 3), each creator's posts compared with its own."""
    found = np.full((len(first), len(MEASURES)), np.nan, np.float32)
    member = np.unique(np.asarray(creators, object), return_inverse=True)[1]
    for own in np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1]):
        rows = first[own]
        found[own] = post_measures(
            likes=[_known(features.likes[i]) for i in rows],
            published_at=[_time(features.published_at_s[i]) for i in rows],
            caption_length=[_known(features.caption_length[i]) for i in rows],
        )
    return found


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _time(seconds: float) -> datetime | None:
    return None if np.isnan(seconds) else datetime.fromtimestamp(float(seconds), UTC)
