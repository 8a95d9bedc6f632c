"""Photos of one account to columns of about unit spread: embeddings reduced by principal components, and measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.tasks.engagement.content import DIFFERENCES, MEASURES, compared_numbers
from postlens.tasks.engagement.records import Float, PostFacts
from postlens.types import FloatArray

EXTRAS = (*MEASURES, "aspect", "log_caption_length", "n_hashtags")  # columns of `AccountRows.extras`
# 16 and 48 did about as well on drawn accounts: more see finer effects, fewer find coarse ones with less data.
N_COMPONENTS = 32
POSTS_PER_COMPONENT = 4  # small accounts get fewer
MIN_STEP = 1e-9  # relative; below it a column counts as constant


@dataclass(frozen=True, slots=True)
class AccountRows:
    """What is known of N photos of one account, without any count."""

    vectors: FloatArray  # (N, D) embeddings of one encoder; a row of NaN where there is no picture
    extras: Float  # (N, E) numbers such as EXTRAS; NaN where not known

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.extras.ndim != 2 or len(self.vectors) != len(self.extras):
            raise ShapeError(
                f"vectors and extras must have shapes (N, D) and (N, E), got {self.vectors.shape}, {self.extras.shape}"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.intp]) -> AccountRows:
        """The rows of an index array."""
        return AccountRows(self.vectors[rows], self.extras[rows])


@dataclass(frozen=True, slots=True)
class Space:
    """How rows become columns, learned from some rows; counts never enter."""

    vector_mean: Float  # (D,)
    components: Float  # (K, D) principal directions
    extra_mean: Float  # (E,)
    scale: Float  # (K + E,); infinite for columns that say nothing

    def design(self, rows: AccountRows) -> Float:
        """(N, K + E) columns; what is not known is 0, the mean. Raises `ShapeError` for rows of another width."""
        want, got = (len(self.vector_mean), len(self.extra_mean)), (rows.vectors.shape[1], rows.extras.shape[1])
        if got != want:
            raise ShapeError(f"rows must have {want} columns of embedding and extras as the account's own, got {got}")
        parts = [(rows.vectors - self.vector_mean) @ self.components.T, rows.extras - self.extra_mean]
        return np.asarray(np.nan_to_num(np.hstack(parts) / self.scale, nan=0.0, posinf=0.0, neginf=0.0))


def read_rows(posts: Sequence[PostFacts]) -> AccountRows:
    """Posts to rows; posts without an embedding get NaN. Raises `ShapeError` for embeddings of different lengths."""
    known = [post.vector for post in posts if post.vector is not None]
    widths = {len(vector) for vector in known} or {0}
    if len(widths) > 1:
        raise ShapeError(f"embeddings must be of one encoder, got lengths {sorted(widths)}")
    blank = np.full(widths.pop(), np.nan, np.float32)
    vectors = [blank if post.vector is None else post.vector for post in posts]
    extras = [_extras(post) for post in posts]
    return AccountRows(
        np.array(vectors, np.float32).reshape(len(posts), len(blank)),
        np.array(extras, np.float64).reshape(len(posts), len(EXTRAS)),
    )


def _extras(post: PostFacts) -> list[float]:
    """Without counting the signs of the caption and the words of the description, most of the cost of all numbers."""
    row = dict(post.measures or {}) | dict(zip(DIFFERENCES, compared_numbers(post), strict=True))
    return [row.get(name, math.nan) for name in EXTRAS]


def learn_space(rows: AccountRows) -> Space:
    """Principal directions of the known embeddings, and the moments of the extras."""
    mean, components, scale = _components(rows.vectors.astype(np.float64))
    extra_mean, spread = _known_moments(rows.extras)
    return Space(mean, components, extra_mean, np.concatenate([scale, spread]))


def _components(vectors: Float) -> tuple[Float, Float, Float]:
    """(mean, components, scale), by the Gram matrix of the rows, which are fewer than the columns."""
    known = np.asarray(np.isfinite(vectors).all(axis=1))
    mean = vectors[known].mean(0) if known.any() else np.zeros(vectors.shape[1])
    centred = np.where(known[:, None], vectors - mean, 0.0)
    values, sides = np.linalg.eigh(centred @ centred.T)
    k = min(N_COMPONENTS, len(vectors) // POSTS_PER_COMPONENT)
    values, sides = values[::-1][:k], sides[:, ::-1][:, :k]
    keep = values > MIN_STEP * max(1.0, values.max(initial=0.0))
    roots = np.sqrt(values[keep])
    components = (sides[:, keep] / roots).T @ centred
    # One scale for all components: dividing each by its own would make the weakest as likely to matter as the first.
    first = roots[0] / math.sqrt(len(vectors)) if len(roots) else 1.0
    return mean, components, np.full(len(roots), first)


def _known_moments(columns: Float) -> tuple[Float, Float]:
    """Means and standard deviations of what is known; 0 and infinity for columns that are empty or constant."""
    known = np.isfinite(columns)
    n = np.maximum(known.sum(0), 1)
    filled = np.where(known, columns, 0.0)
    mean = filled.sum(0) / n
    spread = np.sqrt((np.where(known, columns - mean, 0.0) ** 2).sum(0) / n)
    return mean, np.where(spread > MIN_STEP * (1 + np.abs(mean)), spread, np.inf)
