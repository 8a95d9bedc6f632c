"""Posts of made-up accounts that a tiny net can tell apart in a second, without a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.train.bags import PostFeatures
from postlens.train.creator_recipe import CreatorRecipe
from postlens.train.feature_file import ImageFeatures, open_writer

LABELS = ("food", "pet", "travel")
DIM = 9


def vectors_of(labels: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A post about label k has its k-th number raised."""
    return (rng.uniform(0, 0.5, (len(labels), DIM)) + 2 * np.eye(DIM)[list(labels)]).astype(np.float32)


def drawn_posts(
    *, n_creators: int = 6, n_posts: int = 8, on_topic: float = 0.5, labels: Sequence[str] = LABELS, seed: int = 0
) -> PostFeatures:
    """Accounts of each label; their other posts are about anything."""
    rng, ids, creators, truth, about = np.random.default_rng(seed), [], [], [], []
    for k, label in enumerate(labels):
        for number in range(n_creators):
            for post in range(n_posts):
                ids.append(f"{label}{number}_{post}")
                creators.append(f"{label}{number}")
                truth.append(k)
                about.append(k if post < on_topic * n_posts else int(rng.integers(len(labels))))
    return PostFeatures(
        tuple(ids), tuple(creators), np.array(truth), vectors_of(about, rng), tuple(labels), "tiny-encoder"
    )


def drawn_photos(labels: Sequence[str], *, n_sources: int = 6, n_photos: int = 4) -> PostFeatures:
    """Labelled photos by source."""
    return drawn_posts(n_creators=n_sources, n_posts=n_photos, on_topic=1.0, labels=labels)


def tiny_recipe(**values: Any) -> CreatorRecipe:
    """Learns the posts above in a second."""
    small = {"width": 16, "rank": None, "n_heads": 2, "key_width": 8, "hidden": 8, "dropout": 0.1, "post_dropout": 0.0}
    fit = {"epochs": 6, "batch_size": 4, "learning_rate": 2e-2, "most_posts": 8, "fewest_posts": 4, "patience": None}
    return CreatorRecipe(**(small | fit | values))


def write_features(posts: PostFeatures, path: Path, *, likes: Sequence[float] | None = None) -> Path:
    """As `postlens extract` writes them, an image for each post."""
    n, unknown = len(posts), np.full(len(posts), np.nan)
    rows = ImageFeatures(
        ids=posts.ids,
        posts=posts.ids,
        paths=posts.ids,
        creators=posts.creators,
        labels=tuple(posts.classes[k] if k >= 0 else "" for k in posts.labels),
        likes=unknown if likes is None else np.resize(np.asarray(likes, float), n),
        published_at_s=unknown,
        caption_length=unknown,
        vectors=posts.vectors,
        fingerprint=posts.fingerprint,
    )
    with open_writer(path, dim=posts.dim, fingerprint=posts.fingerprint) as writer:
        writer.append(rows)
    return path
