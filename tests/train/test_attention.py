"""The net over bags: padding and order change nothing, weights are weights, other shapes are refused."""

from __future__ import annotations

import pytest
import torch

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.train.attention import AttentionNet, with_indicators

from .creators import DIM, tiny_recipe

POOLINGS = ("attention", "gated", "mean")
K = 3


def net(pooling="attention", *, n_post_features=0, **values) -> AttentionNet:
    torch.manual_seed(0)
    recipe = tiny_recipe(pooling=pooling, **values)
    return AttentionNet(dim=DIM, n_classes=K, recipe=recipe, n_post_features=n_post_features).eval()


def bag(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((1, n, DIM), generator=torch.Generator().manual_seed(seed))


def padded(*bags: torch.Tensor, junk: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(one.shape[1] for one in bags)
    features, mask = torch.full((len(bags), longest, DIM), junk), torch.zeros((len(bags), longest), dtype=torch.bool)
    for row, one in enumerate(bags):
        features[row, : one.shape[1]], mask[row, : one.shape[1]] = one[0], True
    return features, mask


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("junk", [0.0, 1e6, float("nan")])
def test_padding_changes_no_answer_and_gets_no_weight(pooling, junk):
    one, other = bag(3), bag(7, seed=1)
    features, mask = padded(one, other, junk=junk)
    logits, weights = net(pooling)(features, mask)
    for row, alone in enumerate((one, other)):
        want_logits, want_weights = net(pooling)(alone)
        torch.testing.assert_close(logits[row : row + 1], want_logits)
        torch.testing.assert_close(weights[row : row + 1, : alone.shape[1]], want_weights)
    assert (weights[~mask] == 0).all()


def test_padding_does_not_move_the_norm():
    alone, whole = net(), net()
    features, mask = padded(bag(5), bag(9, seed=1), junk=50.0)
    real = torch.cat([bag(5), bag(9, seed=1)], dim=1)
    whole.train()(features, mask)
    alone.train()(real)
    torch.testing.assert_close(whole.embed.norm.running_mean, alone.embed.norm.running_mean)
    torch.testing.assert_close(whole.embed.norm.running_var, alone.embed.norm.running_var)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("n", [1, 2, 300])
def test_weights_of_a_bag_sum_to_one(pooling, n):
    logits, weights = net(pooling)(bag(n))
    assert logits.shape == (1, K)
    assert weights.shape == (1, n)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_posts_changes_nothing_but_the_order_of_weights(pooling):
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    logits, weights = net(pooling)(bag(20))
    moved_logits, moved_weights = net(pooling)(bag(20)[:, order])
    torch.testing.assert_close(moved_logits, logits)
    torch.testing.assert_close(moved_weights, weights[:, order])


def test_pooling_first_equals_attending_over_values():
    """The order of products that costs less gives what the paper's formula gives."""
    pool, posts = net().pool, torch.rand(2, 5, 16)
    weights, pooled = pool(posts, None)
    mean = posts.mean(1)
    query = pool.query(mean).view(2, 2, 1, 4)
    key = (posts @ pool.key.weight.T).view(2, 5, 2, 4).transpose(1, 2)
    attention = torch.softmax((query * key).sum(-1) / 2, dim=-1)
    value = pool.value(posts).view(2, 5, 2, 8).transpose(1, 2)
    values = (attention[..., None] * value).sum(2).reshape(2, 16)
    torch.testing.assert_close(weights, attention.mean(1))
    torch.testing.assert_close(pooled, pool.out(values) + mean)


def test_absent_and_zero_are_told_apart():
    values = torch.tensor([[0.0, float("nan")]])
    assert with_indicators(values).tolist() == [[0.0, 0.0, 1.0, 0.0]]
    model = net(n_post_features=1)
    answers = [model(bag(4), None, torch.full((1, 4, 1), value))[0] for value in (0.0, float("nan"))]
    assert torch.isfinite(torch.cat(answers)).all()
    assert not torch.allclose(*answers)


def test_a_bag_without_posts_is_refused():
    features, mask = padded(bag(3), bag(3))
    mask[1] = False
    with pytest.raises(NotEnoughDataError, match="without any"):
        net()(features, mask)


def test_a_narrow_projection_has_fewer_weights():
    counts = [sum(p.numel() for p in net(rank=rank, width=64, key_width=8).embed.parameters()) for rank in (None, 2)]
    assert counts[1] < counts[0]


@pytest.mark.parametrize(
    ("features", "mask", "measures"),
    [
        (torch.zeros(2, DIM), None, None),
        (torch.zeros(1, 2, DIM + 1), None, None),
        (torch.zeros(1, 2, DIM), torch.ones(1, 3, dtype=torch.bool), None),
        (torch.zeros(1, 2, DIM), None, torch.zeros(1, 2, 3)),
    ],
)
def test_other_shapes_are_refused(features, mask, measures):
    with pytest.raises(ShapeError, match="must have shape"):
        net()(features, mask, measures)
