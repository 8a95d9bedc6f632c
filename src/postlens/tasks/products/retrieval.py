"""Ranked products and the right ones to how often the right one is near the top."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number, widened

KS = (1, 5, 10)
NDCG_K = 10

Ranked = Sequence[Sequence[str]]  # for each query product_ids, the best first
Truth = Sequence[Collection[str]]  # for each query the product_ids that are right


def recall_at_k(ranked: Ranked, truth: Truth, k: int) -> float:
    """Mean over the queries of the share of right products that are among the first k, in [0, 1].

    Where more than k are right, k stand for all of them, so that 1 can be reached (capped recall, Thakur et al. 2021,
    arXiv:2104.08663); with one right product this is how often it is among the first k. Raises `ShapeError` unless
    there are as many lists as truths and k is 1 or more, `NotEnoughDataError` without queries or for one without truth.
    """
    return float(np.mean(_each(ranked, truth, k, _recall)))


def ndcg_at_k(ranked: Ranked, truth: Truth, k: int = NDCG_K) -> float:
    """Mean normalised discounted cumulative gain of the first k, in [0, 1], every right product counting the same.

    Järvelin and Kekäläinen 2002, Cumulated gain-based evaluation of IR techniques. Raises as `recall_at_k`.
    """
    return float(np.mean(_each(ranked, truth, k, _ndcg)))


def score_retrieval(
    ranked: Ranked, truth: Truth, *, rng: np.random.Generator, groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """n, recall_at_1, recall_at_5, recall_at_10 and ndcg_at_10, each with a 95 % interval under `<name>_ci`.

    Queries are drawn by the bootstrap, whole `groups` (one per query) where given; where all of them score the same,
    the interval is `scoring.widened`. `chance_at_1` and so on are the recalls of a random order. JSON-ready. Raises as
    `recall_at_k`.
    """
    columns = {f"recall_at_{k}": _each(ranked, truth, k, _recall) for k in KS}
    columns[f"ndcg_at_{NDCG_K}"] = _each(ranked, truth, NDCG_K, _ndcg)
    table: dict[str, Any] = {"n": len(ranked)}
    for name, values in columns.items():
        table[name] = plain_number(float(np.mean(values)))
        drawn = plain_interval(bootstrap_interval(_mean, values, groups=groups, rng=rng))
        table[f"{name}_ci"] = widened(drawn, table[name], n=len(set(groups or range(len(values)))))
    for k in KS:
        chances = [_chance(len(one), len(right), k) for one, right in zip(ranked, truth, strict=True)]
        table[f"chance_at_{k}"] = plain_number(float(np.mean(chances)))
    return table


def _each(
    ranked: Ranked, truth: Truth, k: int, score: Callable[[Sequence[str], Collection[str], int], float]
) -> list[float]:
    if len(ranked) != len(truth) or k < 1:
        raise ShapeError(f"expected a truth for each list and k >= 1, got {len(ranked)}, {len(truth)} and k={k}")
    if not ranked or not all(truth):
        raise NotEnoughDataError("expected queries with at least one right product each; name it in the truth")
    return [score(one, right, k) for one, right in zip(ranked, truth, strict=True)]


def _recall(ranked: Sequence[str], right: Collection[str], k: int) -> float:
    return len({*ranked[:k]} & {*right}) / min(k, len({*right}))


def _ndcg(ranked: Sequence[str], right: Collection[str], k: int) -> float:
    gains = sum(1 / math.log2(place + 1) for place, one in enumerate(ranked[:k], start=1) if one in right)
    return gains / sum(1 / math.log2(place + 1) for place in range(1, min(k, len({*right})) + 1))


def _chance(n_products: int, n_right: int, k: int) -> float:
    """The expected recall of a random order: each place holds a right product with probability n_right / n_products."""
    return min(k, n_products) * n_right / max(n_products, 1) / min(k, n_right)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
