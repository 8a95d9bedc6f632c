"""Photos of own accounts to a linear score that orders the photos of one account: logistic loss on pairs.

Bradley and Terry 1952 (Biometrika 39); Burges et al. 2005, Learning to rank using gradient descent (ICML). Accounts are
held out where there are enough, else the latest posts of each. The penalty is chosen on validation pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ModelError, NotEnoughDataError
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.history import known_count
from postlens.tasks.engagement.ranking import PAIR_SLOPE, RANK_MEASURES, RANK_MODEL, rank_features
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number
from postlens.train.engagement_split import split_posts
from postlens.train.export import LICENCE
from postlens.types import FloatArray, IntArray, ModelSpec, as_utc
from postlens.vision.cards import write_card
from postlens.vision.session import Session

N_COMPONENTS = 64  # of the embedding; docs/log/engagement_account.md: 16 to 512 differ by .002
PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
MOST_PAIRS = 200_000  # drawn; more change the weights little
MIN_PAIRS = 30  # to train on, and 5 to validate and test on
MIN_HELD_OUT = 5
STEPS, SMALL_STEP = 20, 1e-6  # of Newton's method
PARITY = 1e-3  # of scores of the size of 1
OPSET, IR_VERSION = 17, 8  # as the shipped ranker
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of rows of one account with unequal counts."""

    a: IntArray  # (P,)
    b: IntArray  # (P,)
    a_wins: Float  # (P,) 1 or 0
    account: IntArray  # (P,)

    def __len__(self) -> int:
        return len(self.a)


@dataclass(frozen=True, slots=True)
class PairsResult:
    """The ranker and its held-out scores."""

    spec: ModelSpec
    scores: Mapping[str, Any]
    held_out: str


def train_pairs(accounts: Mapping[str, Sequence[PostFacts]], *, out: Path, data: str, seed: int = 0) -> PairsResult:
    """Learn from the photos of these accounts, score on pairs held out, write engagement_rank.onnx and its card.

    Posts need likes and an embedding. The card's slope turns a difference of scores into a probability.

    Raises `NotEnoughDataError` for too few pairs, `ModelError` when the file computes something else.
    """
    rng = np.random.default_rng(seed)
    x, likes, account = _rows(accounts)
    split, held_out = split_posts(account, rng=rng)
    parts = {name: make_pairs(likes, account, rows, rng=rng) for name, rows in split.parts.items()}
    _check(parts)
    known = ~np.isnan(x[split.train])
    mean = np.where(known, x[split.train], 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(np.isnan(x), 0.0, x - mean)
    fitted = {p: _weights(centred, split.train, parts["train"], p) for p in PENALTIES}
    penalty = max(reversed(PENALTIES), key=lambda p: accuracy(centred @ fitted[p], parts["val"]))
    weights = fitted[penalty]
    score = centred @ weights
    slope = _slope(score, parts["val"])
    hits = _hits(score, parts["test"])
    interval = bootstrap_interval(lambda h: float(h.mean()), hits, groups=parts["test"].account, rng=rng)
    scores = {
        "pair_accuracy": plain_number(float(hits.mean())),
        "pair_accuracy_ci": plain_interval(interval),
        "n_pairs": len(parts["test"]),
        "n_train_pairs": len(parts["train"]),
        "penalty": penalty,
        "split": held_out,
    }
    spec = _export(mean, weights, slope, scores, out=out, data=data)
    return PairsResult(spec, scores, held_out)


def _rows(accounts: Mapping[str, Sequence[PostFacts]]) -> tuple[Float, Float, IntArray]:
    """Features (N, F), likes (N,) and account (N,) of the posts with both; each account's by time."""
    kept = [
        (post, likes, number)
        for number, posts in enumerate(accounts.values())
        for post in sorted(posts, key=_time)
        if post.vector is not None and (likes := known_count(post, "likes")) is not None
    ]
    if not kept:
        raise NotEnoughDataError("expected posts with likes and a picture that was looked at, got none")
    measures = [{**(post.measures or {}), **_shape(post)} for post, _, _ in kept]
    vectors: FloatArray = np.stack([np.asarray(post.vector, np.float32) for post, _, _ in kept])
    x = rank_features(vectors, measures).astype(np.float64)
    return x, np.array([likes for _, likes, _ in kept]), np.array([number for _, _, number in kept])


def _shape(post: PostFacts) -> dict[str, float]:
    return {} if post.media is None else {"aspect": post.media.width_px / post.media.height_px}


def _time(post: PostFacts) -> float:
    return -np.inf if post.published_at is None else as_utc(post.published_at).timestamp()


def make_pairs(likes: Float, account: IntArray, rows: IntArray, *, rng: np.random.Generator) -> Pairs:
    """All pairs of one account among the rows but ties, `MOST_PAIRS` of them at most, drawn."""
    found: list[tuple[IntArray, IntArray]] = []
    for name in np.unique(account[rows]):
        own = rows[account[rows] == name]
        first, second = np.triu_indices(len(own), 1)
        found.append((own[first], own[second]))
    a, b = (np.concatenate([pair[side] for pair in found] or [np.zeros(0, int)]) for side in (0, 1))
    kept = np.flatnonzero(likes[a] != likes[b])
    kept = np.sort(rng.permutation(kept)[:MOST_PAIRS])
    a, b = a[kept], b[kept]
    return Pairs(a, b, (likes[a] > likes[b]).astype(np.float64), account[a])


def _check(parts: Mapping[str, Pairs]) -> None:
    few = {
        name: len(parts[name]) for name in parts if len(parts[name]) < (MIN_PAIRS if name == "train" else MIN_HELD_OUT)
    }
    if few:
        raise NotEnoughDataError(
            f"expected {MIN_PAIRS} pairs of one account's photos with unequal likes to train on and {MIN_HELD_OUT} to "
            f"validate and to test on, got {few}; add photos"
        )


def _weights(centred: Float, train: IntArray, pairs: Pairs, penalty: float) -> Float:
    """(F,) of the features: Newton's method on principal components of the embedding and scaled measures."""
    n_vector = centred.shape[1] - len(RANK_MEASURES)
    _, values, sides = np.linalg.svd(centred[train, :n_vector], full_matrices=False)
    basis = sides[:N_COMPONENTS].T / max(float(values[0]) / np.sqrt(len(train)), 1e-12)
    spread = centred[train, n_vector:].std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    z = np.hstack([centred[:, :n_vector] @ basis, centred[:, n_vector:] * scale])
    gap, found = z[pairs.a] - z[pairs.b], np.zeros(z.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-gap @ found))
        slope = gap.T @ (p - pairs.a_wins) + penalty * found
        curve = (gap * (p * (1 - p))[:, None]).T @ gap + penalty * np.eye(len(found))
        step = np.linalg.solve(curve, slope)
        found = found - step
        if np.abs(step).max() < SMALL_STEP:
            break
    k = basis.shape[1]
    return np.concatenate([basis @ found[:k], scale * found[k:]])


def _hits(score: Float, pairs: Pairs) -> Float:
    """(P,) 1 for a pair in the right order, 0 for a wrong one, equal scores half."""
    return np.asarray((np.sign(score[pairs.a] - score[pairs.b]) * (2 * pairs.a_wins - 1) + 1) / 2)


def accuracy(score: Float, pairs: Pairs) -> float:
    """Share of the pairs in the right order."""
    return float(_hits(score, pairs).mean())


def _slope(score: Float, pairs: Pairs) -> float:
    """Log odds per unit of score: the logistic slope on validation pairs, never below 0 (Platt 1999, no intercept)."""
    gap = score[pairs.a] - score[pairs.b]
    slopes = np.linspace(0, 3, 61)
    odds = slopes[:, None] * gap[None]
    losses = np.logaddexp(0, odds).mean(axis=1) - (odds * pairs.a_wins[None]).mean(axis=1)
    return float(slopes[int(np.argmin(losses))])


def _export(mean: Float, weights: Float, slope: float, scores: Mapping[str, Any], *, out: Path, data: str) -> ModelSpec:
    payload, path = _graph(mean, weights), out / f"{RANK_MODEL}.onnx"
    path.write_bytes(payload)
    spec = ModelSpec(
        name=RANK_MODEL,
        version="1",
        task="engagement",
        file=path.name,
        sha256=hashlib.sha256(payload).hexdigest(),
        licence=LICENCE,
        source="postlens train engagement --model images: logistic loss on pairs of one account's photos",
        paper="Bradley and Terry 1952, Biometrika 39; Burges et al. 2005, Learning to rank using gradient descent",
        input_size=(len(mean),),
        outputs=("score",),
        labels=RANK_MEASURES,
        limits="Orders photos of one account by likes; between accounts its scores mean nothing.",
        trained_on=(f"{data}: {scores['n_train_pairs']} pairs",),
        thresholds={PAIR_SLOPE: round(slope, 4)},
        metrics={"held_out": {k: v for k, v in scores.items() if k != "split" and v is not None}},
    )
    x = np.random.default_rng(0).normal(size=(20, len(mean))).astype(np.float32)
    x[::5, ::3] = np.nan
    want = np.where(np.isnan(x), 0.0, x - mean) @ weights
    worst = float(np.abs(Session(spec, path).run({"features": x})["score"][:, 0] - want).max())
    if not worst <= PARITY * max(1.0, float(np.abs(want).max())):
        path.unlink()
        raise ModelError(f"{path.name}: expected what numpy computes within {PARITY}, got {worst:.1e} off")
    write_card(spec, path.with_suffix(".toml"))
    return spec


def _graph(mean: Float, weights: Float) -> bytes:
    """`features` (N, F) to `score` (N, 1): features less their means, by weights; NaN counts as the mean."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = [
        numpy_helper.from_array(mean[None].astype(np.float32), "mean"),
        numpy_helper.from_array(weights[:, None].astype(np.float32), "weights"),
    ]
    nodes = [
        helper.make_node("IsNaN", ["features"], ["unknown"]),
        helper.make_node("Where", ["unknown", "mean", "features"], ["known"]),
        helper.make_node("Sub", ["known", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "weights"], ["score"]),
    ]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(mean)])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])]
    graph = helper.make_graph(nodes, RANK_MODEL, inputs, outputs, constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="postlens")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
