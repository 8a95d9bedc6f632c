"""Labelled photos as columns to a fitted, calibrated niche head, nested; imported by recipes/niche.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from postlens.types import NICHES

OUTER_FOLDS, INNER_FOLDS = 6, 3
N_CLASSES = 1000  # of the encoder
OTHER = NICHES.index("other")
THRESHOLDS = np.arange(0.0, 0.61, 0.02)
# Macro-F1 is flat below the best threshold; the most posts that no niche fits become other where it costs next to
# nothing. A higher cost turns more posts into other: fewer wrong niches, more missed ones.
THRESHOLD_COST = 0.002
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is tuned."""

    parts: str  # "features", "classes" (log probabilities of the encoder's classes) or "both": their mean logits
    decay: float  # weight of the squared coefficients
    balance: float  # within a label, a source of n photos weighs n ** (1 - balance)

    def __str__(self) -> str:
        return f"{self.parts} decay={self.decay} balance={self.balance}"


GRID = tuple(
    Setting(parts, decay, balance)
    for parts, decay, balance in itertools.product(("features", "classes", "both"), (0.1, 0.3), (0.25, 0.5))
)
SMOOTHING = 0.1  # of the labels; 0 was 0.002 to 0.004 lower in macro-F1


@dataclass(frozen=True, slots=True)
class Photos:
    """The collection as columns."""

    x: Float  # (N, D + C): features and log probabilities of the encoder's classes
    y: Int  # (N,) label numbers
    source: Int  # (N,) source numbers

    def take(self, rows: Int) -> Photos:
        """The given rows."""
        return Photos(self.x[rows], self.y[rows], self.source[rows])


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted head: standardise, then one dense layer, all divided by the temperature."""

    mean: Float
    scale: Float
    w: Float
    b: Float
    temperature: float = 1.0

    def logits(self, x: Float) -> Float:
        """(N, 9)."""
        return np.asarray(((x - self.mean) / self.scale @ self.w + self.b) / self.temperature)


def columns(parts: str, width: int) -> slice:
    """The columns of `Photos.x` that a part reads."""
    return {"features": slice(0, width - N_CLASSES), "classes": slice(width - N_CLASSES, width)}[parts]


def fit(photos: Photos, setting: Setting) -> Linear:
    """A head over all columns; "both" is fitted in two parts, which scored higher than one fit over all columns."""
    width = photos.x.shape[1]
    parts = ("features", "classes") if setting.parts == "both" else (setting.parts,)
    mean, scale = photos.x.mean(0), spread(photos.x)
    w, b = np.zeros((width, len(NICHES))), np.zeros(len(NICHES))
    for part in parts:
        at = columns(part, width)
        w[at], add = fit_dense((photos.x[:, at] - mean[at]) / scale[at], photos, setting)
        b += add
    return Linear(mean=mean, scale=scale, w=w / len(parts), b=b / len(parts))


def spread(x: Float) -> Float:
    """Standard deviations; a column that hardly varies must not be blown up: a little of the whole is added."""
    n = x.shape[1] - N_CLASSES
    part = np.concatenate([np.full(n, x[:, :n].std()), np.full(N_CLASSES, x[:, n:].std())])
    return np.asarray(x.std(0) + 1e-3 * part)


def fit_dense(z: Float, photos: Photos, setting: Setting) -> tuple[Float, Float]:
    """W (in, 9), b (9,) of multinomial logistic regression by L-BFGS, labels balanced, large sources damped."""
    k = len(NICHES)
    a = z.astype(np.float32)
    target = np.eye(k)[photos.y] * (1 - SMOOTHING) + SMOOTHING / k
    weight = row_weights(photos, setting.balance)[:, None]

    def loss(flat: Float) -> tuple[float, Float]:
        w, b = flat[:-k].reshape(-1, k), flat[-k:]
        log_p = log_softmax(a @ w.astype(np.float32) + b, axis=1)
        slope = weight * (np.exp(log_p) - target)
        gradient = np.concatenate([(a.T @ slope.astype(np.float32) + setting.decay * w).ravel(), slope.sum(0)])
        return float(-(weight * target * log_p).sum() + setting.decay * (w**2).sum() / 2), gradient

    start = np.zeros((a.shape[1] + 1) * k)
    flat = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 50}).x
    return flat[:-k].reshape(-1, k), flat[-k:]


def row_weights(photos: Photos, balance: float) -> Float:
    """(N,) summing to 1: every label the same in all, within a label every source n ** (1 - balance)."""
    _, cell, size = np.unique(photos.y * 10_000 + photos.source, return_inverse=True, return_counts=True)
    weight = size[cell].astype(np.float64) ** -balance
    weight /= np.bincount(photos.y, weight, minlength=len(NICHES))[photos.y]
    return np.asarray(weight / weight.sum())


def deal_sources(photos: Photos, n_folds: int, rng: np.random.Generator) -> list[Int]:
    """Rows of each fold; every source lies in one fold, labels spread as evenly as the sources allow (greedy)."""
    share = np.zeros((photos.source.max() + 1, len(NICHES)))
    np.add.at(share, (photos.source, photos.y), 1 / np.bincount(photos.y, minlength=len(NICHES))[photos.y])
    load, fold = np.zeros((n_folds, len(NICHES))), np.zeros(len(share), np.int64)
    for s in np.argsort(-share.max(1) - 0.05 * rng.random(len(share))):
        growth = ((load + share[s]) ** 2 - load**2).sum(1) + 1e-3 * rng.random(n_folds)
        fold[s] = growth.argmin()
        load[fold[s]] += share[s]
    return [np.flatnonzero(fold[photos.source] == k) for k in range(n_folds)]


def held_out_logits(photos: Photos, folds: Sequence[Int]) -> dict[Setting, Float]:
    """For every setting, (N, 9) logits of each photo by a head that saw no photo of its source."""
    logits = {setting: np.zeros((len(photos.y), len(NICHES))) for setting in GRID}
    for rows in (rows for rows in folds if len(rows)):
        rest = photos.take(np.setdiff1d(np.arange(len(photos.y)), rows))
        for setting in (setting for setting in GRID if setting.parts != "both"):
            logits[setting][rows] = fit(rest, setting).logits(photos.x[rows])
    for setting in (setting for setting in GRID if setting.parts == "both"):
        halves = [logits[replace(setting, parts=part)] for part in ("features", "classes")]
        logits[setting] = (halves[0] + halves[1]) / 2
    return logits


def macro_f1(answers: Int, truth: Int) -> float:
    """Mean F1 over the labels that occur in truth."""
    k = len(NICHES)
    table = np.bincount(truth * k + answers, minlength=k * k).reshape(k, k)
    true = table.sum(1)
    f1 = 2 * np.diag(table) / np.maximum(true + table.sum(0), 1)
    return float(f1[true > 0].mean())


def best_temperature(logits: Float, truth: Int) -> float:
    """Temperature of the lowest log loss (Guo et al. 2017)."""

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t), axis=1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def label_bias(probs: Float, truth: Int) -> Float:
    """(9,) added to the logits so that held-out labels come up as often as they are, all labels being equally likely.

    Scarce labels are given too little probability for unseen sources; pooling many posts would add that up.
    """
    balanced = np.mean([probs[truth == k].mean(0) for k in np.unique(truth)], axis=0)
    return np.asarray(-np.log(balanced * len(NICHES)))


def best_threshold(probs: Float, truth: Int) -> float:
    """The highest threshold below which the answer is other that costs at most `THRESHOLD_COST` of macro-F1."""
    scores = np.array([macro_f1(answers_of(probs, t), truth) for t in THRESHOLDS])
    return float(round(THRESHOLDS[scores >= scores.max() - THRESHOLD_COST].max(), 2))


def answers_of(probs: Float, threshold: float) -> Int:
    """(N,) labels after the threshold."""
    return np.where(probs.max(1) < threshold, OTHER, probs.argmax(1))


@dataclass(frozen=True, slots=True)
class Tuned:
    """What the inner folds chose, and the scores of every setting there."""

    setting: Setting
    temperature: float
    bias: Float  # (9,)
    threshold: float
    scores: Mapping[Setting, float]
    folds: Sequence[Int]  # that it was chosen on
    logits: Float  # (N, 9) held out on them, calibrated


def tune(photos: Photos, *, n_folds: int, rng: np.random.Generator) -> Tuned:
    """Choose the setting by held-out macro-F1, then calibrate and set the threshold on the same held-out logits."""
    folds = deal_sources(photos, n_folds, rng)
    logits = held_out_logits(photos, folds)
    scores = {setting: macro_f1(value.argmax(1), photos.y) for setting, value in logits.items()}
    setting = max(scores, key=lambda s: scores[s])
    temperature = best_temperature(logits[setting], photos.y)
    bias = label_bias(softmax(logits[setting] / temperature, axis=1), photos.y)
    held_out = logits[setting] / temperature + bias
    threshold = best_threshold(softmax(held_out, axis=1), photos.y)
    return Tuned(setting, temperature, bias, threshold, scores, folds, held_out)


def calibrated(head: Linear, tuned: Tuned) -> Linear:
    """The head with the temperature and the label bias in it."""
    return replace(head, temperature=tuned.temperature, b=head.b + tuned.temperature * tuned.bias)


def outer_folds(photos: Photos, rng: np.random.Generator) -> Iterator[tuple[Int, Photos, Tuned, Linear]]:
    """For every outer fold: its rows, the other photos, what was chosen on them, and the head fitted to them."""
    for rows in deal_sources(photos, OUTER_FOLDS, rng):
        rest = photos.take(np.setdiff1d(np.arange(len(photos.y)), rows))
        tuned = tune(rest, n_folds=INNER_FOLDS, rng=rng)
        print(f"{tuned.setting}, T {tuned.temperature:.2f}, other below {tuned.threshold}", flush=True)
        yield rows, rest, tuned, calibrated(fit(rest, tuned.setting), tuned)


def nested_predictions(photos: Photos, rng: np.random.Generator) -> tuple[Float, Int, list[Tuned]]:
    """Held-out probabilities (N, 9) without faces, answers (N,), and what each outer fold chose."""
    probs, answers = np.zeros((len(photos.y), len(NICHES))), np.zeros(len(photos.y), np.int64)
    chosen = []
    for rows, _, tuned, head in outer_folds(photos, rng):
        probs[rows] = softmax(head.logits(photos.x[rows]), axis=1)
        answers[rows] = answers_of(probs[rows], tuned.threshold)
        chosen.append(tuned)
    return probs, answers, chosen
