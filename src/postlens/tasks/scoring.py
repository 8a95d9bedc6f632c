"""Predictions and truths to scores with 95 % intervals; shared by the evaluations and recipes of all tasks.

Intervals are percentile intervals of the bootstrap (Efron 1979). Photos of one source or account are alike, so whole
groups are drawn where groups are given (cluster bootstrap, Field and Welsh 2007): rows alone would give intervals that
are too narrow. A calibration error grows when rows are drawn twice, so that percentiles of its resamples can lie above
the score itself; its interval is the basic one (Davison and Hinkley 1997), widened to hold the score. A score that
cannot be computed is NaN here and `None` in the tables, which are JSON-ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError

N_RESAMPLES = 1000  # the ends of a 95 % interval then rest on 25 draws each
LEVEL = 0.95
Z = 1.959964  # of the normal distribution at that level
N_BINS = 15  # equal-width bins of confidence, as in Guo et al. 2017, arXiv:1706.04599
_CHUNK = 64  # resamples counted at a time: bounds memory at 64 x groups

Float = NDArray[np.float64]
Interval = tuple[float, float]


def bootstrap_interval(
    score: Callable[..., float],
    *columns: ArrayLike,
    groups: ArrayLike | None = None,
    n: int = N_RESAMPLES,
    rng: np.random.Generator,
    level: float = LEVEL,
    basic: bool = False,
) -> Interval:
    """Percentile interval of `score(*columns)`, resampled by group (or by row without groups).

    Each column has N rows; `groups` is (N,) of any sortable type. Resamples for which the score is NaN are left out.
    `basic`: of a score in [0, 1] that resampling biases, such as a calibration error: `reflected` percentiles.
    (NaN, NaN) with fewer than two groups, where nothing can be said. Raises `ShapeError` on unequal lengths.
    """
    arrays = [np.asarray(column) for column in columns]
    draws = [score(*(a[rows] for a in arrays)) for rows in _resampled_rows(_group_index(arrays, groups), n, rng)]
    ends = _percentiles(np.asarray(draws, dtype=np.float64), level)
    low, high = reflected(ends, score(*arrays)) if basic else ends
    return float(low), float(high)


def reflected(ends: ArrayLike, value: float) -> Float:
    """(2,) basic bootstrap interval: percentile ends mirrored at the score, within [0, 1] and holding the score.

    Resamples of a calibration error lie above it by about as much as it lies above the truth. Of intervals that should
    hold the truth in 95 % of samples, percentiles held it in 0 to 69 % and these in 57 to 88 %: 150 and 800 rows, true
    errors of .01 and .06, 15 bins.
    """
    low, high = np.asarray(ends, np.float64)
    if np.isnan([low, high, value]).any():
        return np.full(2, np.nan)
    return np.array([min(max(2 * value - high, 0.0), value), max(min(2 * value - low, 1.0), value)])


def widened(interval: list[float] | None, value: float | None, *, n: int) -> list[float] | None:
    """A bootstrap interval as it is, or where all resamples gave one value, that of a share of n (Wilson 1927).

    A few groups that were all answered right have no spread, which says nothing of the next group: of n right ones the
    interval begins at n / (n + 3.84). Scores that are no shares, such as AUC, are taken for one, on the smaller side's
    n. None where n is 0.
    """
    if interval is None or value is None or interval[0] < interval[1]:
        return interval
    if n < 1:
        return None
    middle, width = value + Z**2 / (2 * n), Z * float(np.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2)))
    ends = np.clip(np.array([middle - width, middle + width]) / (1 + Z**2 / n), 0, 1)
    return plain_interval(ends.tolist())


def expected_calibration_error(probs: ArrayLike, correct: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Mean distance between stated probability and observed frequency, in [0, 1]; NaN without rows.

    probs (N,) in [0, 1]: the confidence in an answer, or the probability of a binary label. correct (N,): whether the
    answer was right, or the label itself. Equal-width bins (Guo et al. 2017, arXiv:1706.04599).
    """
    p, hit = np.asarray(probs, np.float64), np.asarray(correct, np.float64)
    _same_length([p, hit])
    sums = np.stack([np.bincount(_bins(p, n_bins), weights=w, minlength=n_bins) for w in (p, hit)])
    return float(np.abs(sums[0] - sums[1]).sum() / len(p)) if len(p) else float("nan")


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Probability that a positive outranks a negative, ties counted half (Mann-Whitney); NaN without both."""
    s, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    _same_length([s, truth])
    n_pos = int(truth.sum())
    n_neg = len(truth) - n_pos
    if not n_pos or not n_neg:
        return float("nan")
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    return float((rank[inverse][truth].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def average_precision(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under precision over recall, as steps: the mean precision at each positive; NaN without one.

    Equal scores are one step, so that the order of rows does not matter.
    """
    s, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    _same_length([s, truth])
    if not truth.any():
        return float("nan")
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.diff(s[order], append=-np.inf))
    hits = np.cumsum(truth[order])[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / truth.sum())


def score_classes(
    probs: ArrayLike,
    truth: ArrayLike,
    *,
    labels: Sequence[str],
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
    answers: ArrayLike | None = None,
) -> dict[str, Any]:
    """The table of a task with one label per row: each scalar with its interval under `<name>_ci`.

    probs (N, K) in the order of `labels`; truth (N,) indices into them; `answers` (N,) indices where the answer is not
    the most probable label (a threshold was applied). Keys: n, accuracy, macro_f1, ece, per_class: {label: {precision,
    recall, f1, n}}. The macro mean runs over the labels that occur in truth. ECE judges the most probable label.
    Raises `ShapeError` on unequal lengths or widths.
    """
    p, t = np.asarray(probs, np.float64), np.asarray(truth, np.int64)
    a = p.argmax(1) if answers is None else np.asarray(answers, np.int64)
    if p.ndim != 2 or p.shape[1] != len(labels):
        raise ShapeError(f"probs must have shape (N, {len(labels)}) in the order of labels, got {p.shape}")
    group = _group_index([p, t, a], groups)
    k = len(labels)
    counts = _ClusterCounts(t * k + a, k * k, group=group)
    bins = _ClusterCounts(_bins(p.max(1), N_BINS), N_BINS, group=group, values=p.max(1) - (p.argmax(1) == t))
    draws = _class_metrics(counts.total().reshape(1, k, k), bins.total()[None])
    drawn = [_class_metrics(counts.drawn(w).reshape(-1, k, k), bins.drawn(w)) for w in _resampled_weights(group, rng)]
    table = {name: _entry(value, [d[name] for d in drawn]) for name, value in draws.items()}
    return _class_table(table, labels, n=len(t), support=np.bincount(t, minlength=k))


def score_binary(
    probs: ArrayLike,
    positive: ArrayLike,
    *,
    threshold: float,
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
) -> dict[str, Any]:
    """The table of a yes/no label: n, n_pos, auc, f1, precision, recall, ece, each score with `<name>_ci`.

    probs (N,), positive (N,) bool; a row is called positive at `probs >= threshold`. Undefined scores are `None`.
    """
    p, truth = np.asarray(probs, np.float64), np.asarray(positive, bool)
    scores: dict[str, Callable[[Float, NDArray[np.bool_]], float]] = {
        "auc": roc_auc,
        "f1": lambda s, y: _f_score(s >= threshold, y)[2],
        "precision": lambda s, y: _f_score(s >= threshold, y)[0],
        "recall": lambda s, y: _f_score(s >= threshold, y)[1],
        "ece": expected_calibration_error,
    }
    table: dict[str, Any] = {"n": len(p), "n_pos": int(truth.sum())}
    for name, score in scores.items():
        table[name] = plain_number(score(p, truth))
        interval = bootstrap_interval(score, p, truth, groups=groups, rng=rng, basic=name == "ece")
        table[f"{name}_ci"] = plain_interval(interval)
    return table


def plain_number(value: float, *, digits: int = 4) -> float | None:
    """A rounded Python float, `None` for NaN: what JSON can say."""
    return None if np.isnan(value) else round(float(value), digits)


def plain_interval(interval: Sequence[float], *, digits: int = 4) -> list[float] | None:
    """`[low, high]` rounded, `None` where no interval could be computed."""
    ends = [plain_number(value, digits=digits) for value in interval]
    return None if None in ends else [float(end) for end in ends if end is not None]


# --- resampling -----------------------------------------------------------------------------------------------------


def _same_length(arrays: Sequence[NDArray[Any]]) -> int:
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ShapeError(f"all columns must have the same length, got {[len(a) for a in arrays]}")
    return lengths.pop()


def _group_index(arrays: Sequence[NDArray[Any]], groups: ArrayLike | None) -> NDArray[np.int64]:
    """(N,) number of each row's group, 0..G-1; every row its own group without groups."""
    n = _same_length([*arrays, np.asarray(groups)] if groups is not None else arrays)
    return np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def _resampled_rows(group: NDArray[np.int64], n: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Row indices of n bootstrap resamples of whole groups; none with fewer than two groups."""
    size = np.bincount(group)
    order, start = np.argsort(group, kind="stable"), np.cumsum(size) - size
    for _ in range(n if len(size) > 1 else 0):
        chosen = rng.integers(len(size), size=len(size))
        taken = size[chosen]
        shift = start[chosen] - (np.cumsum(taken) - taken)
        yield order[np.repeat(shift, taken) + np.arange(taken.sum())]


def _resampled_weights(group: NDArray[np.int64], rng: np.random.Generator, n: int = N_RESAMPLES) -> Iterator[Float]:
    """How often each group is drawn, in chunks of (resamples, G); none with fewer than two groups."""
    n_groups = int(group.max(initial=-1)) + 1
    for done in range(0, n if n_groups > 1 else 0, _CHUNK):
        rows = min(_CHUNK, n - done)
        yield rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=rows).astype(np.float64)


class _ClusterCounts:
    """Sums of rows by group and cell, so that a resample's sums are one matrix product."""

    def __init__(
        self, cell: NDArray[np.int64], n_cells: int, *, group: NDArray[np.int64], values: Float | None = None
    ) -> None:
        n_groups = int(group.max(initial=-1)) + 1
        sums = np.bincount(group * n_cells + cell, weights=values, minlength=n_groups * n_cells)
        self.sums: Float = sums.reshape(n_groups, n_cells).astype(np.float64)

    def total(self) -> Float:
        return np.asarray(self.sums.sum(0))

    def drawn(self, weights: Float) -> Float:
        """(resamples, cells) sums under the groups' weights."""
        return weights @ self.sums


def _percentiles(draws: Float, level: float) -> Float:
    """(2, ...) ends of the interval over axis 0, NaN where fewer than half of the draws gave a number."""
    known = np.isfinite(draws).sum(0) if len(draws) else np.zeros(draws.shape[1:])
    enough = known * 2 >= max(len(draws), 1)
    filled = np.where(enough, draws, 0.0) if len(draws) else np.zeros((1, *draws.shape[1:]))
    ends = np.nanpercentile(filled, [50 - 50 * level, 50 + 50 * level], axis=0)
    return np.where(enough, ends, np.nan)


# --- scores of many resamples at once -------------------------------------------------------------------------------


def _bins(p: Float, n_bins: int) -> NDArray[np.int64]:
    return np.clip((p * n_bins).astype(np.int64), 0, n_bins - 1)


def _ratio(top: Float, bottom: Float) -> Float:
    """top / bottom, NaN where bottom is 0."""
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0))


def _class_metrics(confusion: Float, gaps: Float) -> dict[str, Float]:
    """Scores from (R, K, K) confusions (truth, answer) and (R, bins) sums of confidence minus hits."""
    hits = np.einsum("rkk->rk", confusion)
    true, answered = confusion.sum(2), confusion.sum(1)
    n = true.sum(1)
    f1 = np.where(true > 0, _ratio(2 * hits, true + answered), np.nan)
    return {
        "accuracy": _ratio(hits.sum(1), n),
        "macro_f1": _ratio(np.nansum(f1, 1), (true > 0).sum(1).astype(np.float64)),
        "ece": _ratio(np.abs(gaps).sum(1), n),
        "precision": _ratio(hits, answered),
        "recall": _ratio(hits, true),
        "f1": f1,
    }


def _entry(value: Float, drawn: list[Float]) -> tuple[Float, Float]:
    """(value, interval ends) of a metric; the value comes with a leading axis of one."""
    draws = np.concatenate(drawn) if drawn else np.empty((0, *value.shape[1:]))
    return value[0], _percentiles(draws, LEVEL)


def _class_table(
    table: dict[str, tuple[Float, Float]], labels: Sequence[str], *, n: int, support: NDArray[np.int64]
) -> dict[str, Any]:
    out: dict[str, Any] = {"n": n}
    for name in ("accuracy", "macro_f1", "ece"):
        value, ends = table[name]
        ends = reflected(ends, float(value)) if name == "ece" else ends
        out |= {name: plain_number(float(value)), f"{name}_ci": plain_interval(ends.tolist())}
    out["per_class"] = {label: {"n": int(support[i])} for i, label in enumerate(labels)}
    for name in ("precision", "recall", "f1"):
        value, ends = table[name]
        for i, label in enumerate(labels):
            row = {name: plain_number(float(value[i])), f"{name}_ci": plain_interval(ends[:, i].tolist())}
            out["per_class"][label] |= row
    return out


def _f_score(called: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """(precision, recall, F1); NaN where a denominator is 0."""
    hits, n_called, n_true = float((called & truth).sum()), float(called.sum()), float(truth.sum())
    tops, bottoms = np.array([hits, hits, 2 * hits]), np.array([n_called, n_true, n_called + n_true])
    precision, recall, f1 = _ratio(tops, bottoms).tolist()
    return precision, recall, f1
