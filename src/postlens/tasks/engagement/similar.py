"""One post's embedding and those of earlier posts to the posts that look most alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from postlens.tasks.engagement.answer import SimilarPost
from postlens.tasks.engagement.history import known_count
from postlens.tasks.engagement.records import PostFacts

N_SIMILAR = 4  # shown; more say less, fewer hang on one post


def similar_posts(
    post: PostFacts, others: Sequence[PostFacts], *, metric: str, n: int = N_SIMILAR
) -> tuple[SimilarPost, ...]:
    """The `n` posts of `others` nearest by cosine that have a count; () where the post has no vector.

    `others` are those known before the post; the post itself is left out.
    """
    known = [
        (one, count)
        for one in others
        if one.vector is not None and one.post_id != post.post_id and (count := known_count(one, metric)) is not None
    ]
    if post.vector is None or not known:
        return ()
    vectors = np.stack([one.vector for one, _ in known if one.vector is not None]).astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(post.vector)
    close = vectors @ post.vector / np.maximum(lengths, np.finfo(np.float64).tiny)
    order = sorted(range(len(known)), key=lambda row: (-close[row], known[row][0].post_id))[:n]
    return tuple(
        SimilarPost(known[row][0].post_id, min(1.0, float(close[row])), known[row][1], known[row][0].published_at)
        for row in order
    )
