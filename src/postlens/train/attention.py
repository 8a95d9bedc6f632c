"""Posts of creators to the creators' niches: attention over bags of any size, and the baselines beside it.

A bag is a creator's posts as rows of features. Each post is embedded (D -> 512, batch norm), the embedded posts are
pooled by attention, and a head (512 -> 256 -> K) answers. The query is made of the whole bag, keys and values of the
posts (scaled dot products, Vaswani et al. 2017, arXiv:1706.03762): one row of weights per head, so that the cost grows
with the number of posts, not with its square, and the weights say which posts decided.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from postlens.errors import NotEnoughDataError, ShapeError

if TYPE_CHECKING:
    from postlens.train.creator_recipe import CreatorRecipe


class AttentionNet(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    """Bags (B, N, D) with a mask (B, N), True at posts, to logits (B, K) and weights of the posts (B, N).

    Weights are 0 at padding and sum to 1. Padding changes nothing: neither answers, nor the batch norm's statistics.
    """

    def __init__(self, *, dim: int, n_classes: int, recipe: CreatorRecipe, n_post_features: int = 0) -> None:
        super().__init__()
        self.dim, self.n_classes, self.n_post_features = dim, n_classes, n_post_features
        self.embed = PostEmbedding(
            dim, recipe.width, rank=recipe.rank, n_post_features=n_post_features, dropout=recipe.post_dropout
        )
        self.pool = _pooling(recipe)
        self.head = nn.Sequential(
            nn.Dropout(recipe.dropout),
            nn.Linear(recipe.width, recipe.hidden),
            nn.ReLU(),
            nn.Dropout(recipe.dropout),
            nn.Linear(recipe.hidden, n_classes),
        )

    def forward(
        self, features: Tensor, mask: Tensor | None = None, post_features: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and weights (B, N); no mask: every row is a post.

        Raises:
            ShapeError: features are not (B, N, D), or post features not (B, N, F).
            NotEnoughDataError: a bag without posts.
        """
        real = self._checked(features, mask, post_features)
        embedded = self.embed(features, real, post_features)
        weights, pooled = self.pool(embedded, real)
        return self.head(pooled), weights

    def _checked(self, features: Tensor, mask: Tensor | None, post_features: Tensor | None) -> Tensor:
        if features.ndim != 3 or features.shape[2] != self.dim:
            raise ShapeError(f"features must have shape (bags, posts, {self.dim}), got {tuple(features.shape)}")
        real = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device) if mask is None else mask
        if real.shape != features.shape[:2]:
            raise ShapeError(f"mask must have shape {tuple(features.shape[:2])}, got {tuple(real.shape)}")
        got = None if post_features is None else tuple(post_features.shape)
        want = None if not self.n_post_features else (*features.shape[:2], self.n_post_features)
        if got != want:
            raise ShapeError(f"post features must have shape {want}, got {got}")
        if not bool(real.any(dim=1).all()):
            raise NotEnoughDataError("expected at least one post in every bag, got a bag without any; leave it out")
        return real


class PostEmbedding(nn.Module):  # type: ignore[misc]
    """Features (B, N, D) to embedded posts (B, N, width): projection, batch norm over real posts, rectified.

    Post features (B, N, F) are added through a projection of their own. NaN is "not known": its value counts as 0 and
    an indicator beside it is 0 instead of 1, so that absent and zero are learnt apart.
    """

    def __init__(self, dim: int, width: int, *, rank: int | None, n_post_features: int, dropout: float) -> None:
        super().__init__()
        full = nn.Linear(dim, width, bias=False)
        narrow = nn.Sequential(nn.Linear(dim, rank or 1, bias=False), nn.Linear(rank or 1, width, bias=False))
        self.project: nn.Module = full if rank is None else narrow
        self.project_more = nn.Linear(2 * n_post_features, width, bias=False) if n_post_features else None
        self.blank = nn.Dropout(dropout)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, features: Tensor, real: Tensor, post_features: Tensor | None) -> Tensor:
        """(B, N, width), 0 at padding."""
        posts = self.project(self.blank(features[real]))
        if self.project_more is not None and post_features is not None:
            posts = posts + self.project_more(with_indicators(post_features[real]))
        embedded = functional.relu(self.norm(posts))
        whole = embedded.new_zeros((*real.shape, embedded.shape[-1]))
        whole[real] = embedded
        return whole


def with_indicators(values: Tensor) -> Tensor:
    """(..., F) with NaN where not known to (..., 2 F): values with 0 there, then 1 where known and 0 where not."""
    known = ~torch.isnan(values)
    return torch.cat([torch.nan_to_num(values, nan=0.0), known.to(values.dtype)], dim=-1)


def _pooling(recipe: CreatorRecipe) -> nn.Module:
    if recipe.pooling == "attention":
        return BagAttention(recipe.width, key_width=recipe.key_width, n_heads=recipe.n_heads)
    return GatedAttention(recipe.width, recipe.key_width) if recipe.pooling == "gated" else MeanPooling()


class BagAttention(nn.Module):  # type: ignore[misc]
    """Embedded posts to their weights and their pooled values; the query is made of the mean of the bag.

    Scores are query . key / sqrt(key width of a head). A head pools its own part of the values; the weight of a post
    is the mean of the heads' weights.
    """

    def __init__(self, width: int, *, key_width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key = nn.Linear(width, key_width), nn.Linear(width, key_width, bias=False)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, posts: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weights (B, N) and pooled values (B, width) of posts (B, N, width)."""
        b, _, width = posts.shape
        mean = bag_mean(posts, real)
        query = self.query(mean).view(b, self.n_heads, -1)
        # query . (K post) = (K' query) . post: one product for each head in place of a key for each post. The key's
        # bias would add the same to all posts of a bag, which the softmax takes away.
        keys = self.key.weight.view(self.n_heads, -1, width)
        asked = torch.einsum("bhk,hkw->bhw", query, keys) / math.sqrt(query.shape[-1])
        scores = asked @ posts.transpose(1, 2)  # (B, H, N)
        weights = masked_softmax(scores, None if real is None else real[:, None])
        # The weights sum to 1, so that pooling first and projecting after is the same, at a N-th of the cost.
        pooled = weights @ posts  # (B, H, width)
        rows = self.value.weight.view(self.n_heads, width // self.n_heads, width)
        values = torch.einsum("bhw,how->bho", pooled, rows).reshape(b, width) + self.value.bias
        return weights.mean(dim=1), self.out(values) + mean


class GatedAttention(nn.Module):  # type: ignore[misc]
    """Gated attention of Ilse et al. 2018 (arXiv:1802.04712, eq. 9): each post is scored by itself."""

    def __init__(self, width: int, key_width: int) -> None:
        super().__init__()
        self.content, self.gate = nn.Linear(width, key_width), nn.Linear(width, key_width)
        self.score = nn.Linear(key_width, 1)

    def forward(self, posts: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weights (B, N) and pooled posts (B, width)."""
        scores = self.score(torch.tanh(self.content(posts)) * torch.sigmoid(self.gate(posts)))[..., 0]
        weights = masked_softmax(scores, real)
        return weights, (weights[:, None] @ posts)[:, 0]


class MeanPooling(nn.Module):  # type: ignore[misc]
    """Every post counts the same."""

    def forward(self, posts: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weights (B, N) and the mean post (B, width)."""
        return masked_softmax(torch.zeros_like(posts[..., 0]), real), bag_mean(posts, real)


def bag_mean(posts: Tensor, real: Tensor | None) -> Tensor:
    """(B, width) mean of the real posts; None: of all."""
    if real is None:
        return posts.mean(dim=1)
    return torch.as_tensor((posts * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True))


def masked_softmax(scores: Tensor, real: Tensor | None) -> Tensor:
    """Softmax over the last axis, 0 at padding; a row must have a real post. None: all are."""
    return torch.softmax(scores if real is None else scores.masked_fill(~real, -torch.inf), dim=-1)
