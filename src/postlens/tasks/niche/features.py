"""Frame embeddings of a post's media to one vector per post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.types import Embeddings, FloatArray


def post_embeddings(posts: Mapping[str, Sequence[Embeddings]]) -> Embeddings:
    """One row per post, in the mapping's order; each post is given as the frame embeddings of its media files.

    Every media file counts the same, however many frames it has: a long video in a carousel does not outvote its
    photos. Raises `NotEnoughDataError` for a post without a frame, `ShapeError` when encoders or widths are mixed.
    """
    batches = [batch for media in posts.values() for batch in media]
    prints = {batch.fingerprint for batch in batches}
    if len(prints) > 1:
        raise ShapeError(f"expected vectors of one encoder, got {sorted(prints)}; encode the posts again with one")
    vectors = [_post_vector(post_id, media) for post_id, media in posts.items()]
    if len({len(v) for v in vectors}) > 1:
        raise ShapeError(f"expected vectors of one width, got {sorted({len(v) for v in vectors})}")
    stacked = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
    return Embeddings(ids=tuple(posts), vectors=stacked, fingerprint=prints.pop() if prints else "")


def _post_vector(post_id: str, media: Sequence[Embeddings]) -> FloatArray:
    """(D,) mean over media of the mean over frames; summed in float64, so that their order stays below float32."""
    means = [batch.vectors.mean(axis=0, dtype=np.float64) for batch in media if len(batch)]
    if not means:
        raise NotEnoughDataError(f"{post_id}: expected at least one embedded frame, got none; see its media failures")
    return np.asarray(np.mean(means, axis=0), np.float32)
