"""Accounts of posts whose likes follow from followers, the account, and the picture, drawn from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from postlens.tasks.engagement import PostFacts
from postlens.types import Image

N_VECTOR = 6
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def drawn_accounts(*, n_accounts: int, n_posts: int, effect: float = 0.0) -> dict[str, tuple[PostFacts, ...]]:
    """`effect`: of the first number of a post's vector on log(1 + likes)."""
    rng = np.random.default_rng(0)
    found = {}
    for number in range(n_accounts):
        followers, own = float(rng.integers(500, 200_000)), rng.normal(0, 0.5)
        vectors = rng.normal(size=(n_posts, N_VECTOR)).astype(np.float32)
        level = -2.4 + 0.88 * np.log1p(followers) + own + rng.normal(0, 0.3, n_posts) + effect * vectors[:, 0]
        found[f"instagram:a{number}"] = tuple(
            _post(f"{number}.{k}", float(np.expm1(max(level[k], 0.7))), k, followers, vectors[k])
            for k in range(n_posts)
        )
    return found


def _post(post_id: str, likes: float, day: int, followers: float, vector: np.ndarray) -> PostFacts:
    return PostFacts(
        post_id=post_id,
        published_at=BEGIN + timedelta(days=day),
        counts={"likes": round(likes)},
        followers=followers,
        caption="a caption " * (day % 4),
        media=None,
        measures={"brightness": 0.5},
        vector=vector,
    )


def drawn_picture(post: PostFacts) -> Image:
    """42 px of one colour, which the post id decides."""
    rng = np.random.default_rng(int(post.post_id.replace(".", "")))
    return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), (42, 42, 3)).copy()
