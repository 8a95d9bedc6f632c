"""The faces in the labelled photos to a second niche head, fused with the first; imported by recipes/niche.py.

The head is a linear one over `tasks.niche.features.face_features`. Its probabilities are multiplied with those of the
head over the encoder's vector (a product of experts, Hinton 2002, doi:10.1162/089976602760128018), so what is known
without faces stays as it is where no face was looked for. How much it weighs is chosen on inner folds, and goes into
its temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from niche_fit import (
    Float,
    Int,
    Linear,
    Photos,
    Setting,
    Tuned,
    answers_of,
    best_temperature,
    best_threshold,
    fit_dense,
    label_bias,
    macro_f1,
)
from postlens.pipelines.evaluation.layout import Photo
from postlens.pipelines.evaluation.niche import FaceReader, LookedAt, look_at
from postlens.tasks.scoring import bootstrap_interval, plain_interval, score_classes
from postlens.types import NICHES
from postlens.vision.encoder import Encoder

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "niche_faces.npz"
FAMILY = NICHES.index("family")
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4)  # of the raw face logits beside the raw logits of the other head
# decay .03 to .3 and balance .25 to .5 lay within .004 of each other in macro-F1 of the fused answer
SETTING = Setting("faces", 0.1, 0.5)


@dataclass(frozen=True, slots=True)
class TunedFaces:
    """What the inner folds chose for the head over faces and for both together."""

    weight: float
    temperature: float  # of the face logits alone, for scoring faces alone
    bias: Float  # (9,) added to the fused logits
    threshold: float  # of the fused answer
    losses: Mapping[float, float]  # log loss of each weight


def look(photos: Sequence[Photo], encoder: Encoder) -> tuple[LookedAt, Float]:
    """What was read, and its face features (N, 146); computed once (three minutes), then from the cache."""
    if CACHE.is_file():
        found = look_at(photos, encoder)
        with np.load(CACHE) as file:
            if file["files"].tolist() == [photo.path.name for photo in found.photos]:
                return found, file["faces"].astype(np.float64)
    found = look_at(photos, encoder, reader=FaceReader())
    assert found.faces is not None
    CACHE.parent.mkdir(exist_ok=True)
    np.savez_compressed(CACHE, faces=found.faces, files=np.array([photo.path.name for photo in found.photos]))
    return found, found.faces.astype(np.float64)


def fit_faces(photos: Photos, faces: Float) -> Linear:
    """The head over faces, as it is fitted before it is calibrated."""
    mean, scale = faces.mean(0), faces.std(0) + 1e-3 * faces.std()
    w, b = fit_dense((faces - mean) / scale, photos, SETTING)
    return Linear(mean=mean, scale=scale, w=w, b=b)


def held_out_faces(photos: Photos, faces: Float, folds: Sequence[Int]) -> Float:
    """(N, 9) logits of each photo by a head that saw no photo of its source."""
    logits = np.zeros((len(photos.y), len(NICHES)))
    for rows in (rows for rows in folds if len(rows)):
        rest = np.setdiff1d(np.arange(len(photos.y)), rows)
        logits[rows] = fit_faces(photos.take(rest), faces[rest]).logits(faces[rows])
    return logits


def tune_faces(photos: Photos, faces: Float, tuned: Tuned) -> TunedFaces:
    """Choose the weight by the log loss of the fused answer on the folds that the other head was tuned on.

    Log loss is smoother than macro-F1 and judges the calibration too; the best weights of both agreed within .1. The
    other head's temperature suits the fused answer as it is (a second one would be 1.00 to 1.03), so the face logits
    are divided by it and only a bias is fitted again.
    """
    logits = held_out_faces(photos, faces, tuned.folds)
    rows = np.arange(len(photos.y))
    losses = {
        weight: float(-log_softmax(fused(tuned, weight, logits), axis=1)[rows, photos.y].mean()) for weight in WEIGHTS
    }
    weight = min(losses, key=lambda w: losses[w])
    both = fused(tuned, weight, logits)
    bias = label_bias(softmax(both, axis=1), photos.y)
    threshold = best_threshold(softmax(both + bias, axis=1), photos.y)
    return TunedFaces(weight, best_temperature(logits, photos.y), bias, threshold, losses)


def fused(tuned: Tuned, weight: float, face_logits: Float) -> Float:
    """Calibrated held-out logits of the other head and weighed face logits, before the bias: (N, 9)."""
    return np.asarray(tuned.logits + weight / tuned.temperature * face_logits)


def calibrated_faces(head: Linear, tuned: Tuned, chosen: TunedFaces) -> Linear:
    """The head with its weight and the fused bias in it; no weight leaves the bias."""
    part = chosen.weight / tuned.temperature
    return replace(head, w=head.w * part, b=head.b * part + chosen.bias)


# --- nested scores --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nested:
    """Held-out probabilities (N, 9) and answers (N,) of each part, and what each outer fold chose."""

    probs: Mapping[str, Float]
    answers: Mapping[str, Int]
    chosen: Sequence[Tuned]
    faces: Sequence[TunedFaces]


BOTH = "vector and faces"
PARTS = ("vector", "faces", BOTH)


def nested_parts(photos: Photos, faces: Float, outer: Iterator[tuple[Int, Photos, Tuned, Linear]]) -> Nested:
    """Scores of both heads, alone and together, from the outer folds of `niche.outer_folds`."""
    n = len(photos.y)
    probs = {part: np.zeros((n, len(NICHES))) for part in PARTS}
    answers = {part: np.zeros(n, np.int64) for part in PARTS}
    chosen: list[Tuned] = []
    chosen_faces: list[TunedFaces] = []
    for rows, rest, tuned, head in outer:
        others = np.setdiff1d(np.arange(n), rows)
        found = tune_faces(rest, faces[others], tuned)
        raw = fit_faces(rest, faces[others])
        base, face = head.logits(photos.x[rows]), calibrated_faces(raw, tuned, found).logits(faces[rows])
        probs["vector"][rows] = softmax(base, axis=1)
        probs["faces"][rows] = softmax(raw.logits(faces[rows]) / found.temperature, axis=1)
        probs[BOTH][rows] = softmax(base + face, axis=1)
        for part, limit in zip(PARTS, (tuned.threshold, 0.0, found.threshold), strict=True):
            answers[part][rows] = answers_of(probs[part][rows], limit)
        chosen.append(tuned)
        chosen_faces.append(found)
        print(f"outer fold {len(chosen)}: faces weigh {found.weight}, other below {found.threshold}", flush=True)
    return Nested(probs, answers, chosen, chosen_faces)


def score_part(nested: Nested, part: str, photos: Photos, *, rng: np.random.Generator) -> dict[str, Any]:
    """The score table of a part, intervals drawn by source."""
    answers = nested.answers[part]
    return score_classes(nested.probs[part], photos.y, labels=NICHES, answers=answers, groups=photos.source, rng=rng)


def part_rows(
    tables: Mapping[str, Mapping[str, Any]], nested: Nested, photos: Photos, *, seed: int
) -> list[dict[str, Any]]:
    """Lines of niche_parts.csv: each part's scores, then what faces add, drawn in pairs by source."""
    lines = [line for part in PARTS for line in _table_lines(part, tables[part])]
    one, both = nested.answers["vector"], nested.answers[BOTH]
    for name, score in SCORES.items():

        def gain(a: Int, b: Int, truth: Int, score: Callable[[Int, Int], float] = score) -> float:
            return score(a, truth) - score(b, truth)

        rng = np.random.default_rng(seed)
        ends = bootstrap_interval(gain, both, one, photos.y, groups=photos.source, rng=rng)
        lines.append(_line("what faces add", name, gain(both, one, photos.y), plain_interval(ends)))
    return lines


def _table_lines(part: str, table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("macro_f1", "accuracy", "ece"):
        yield _line(part, name, table[name], table[f"{name}_ci"])
    for label in ("family", "other"):
        for name in ("recall", "precision"):
            own = table["per_class"][label]
            yield _line(part, f"{name} of {label}", own[name] or 0.0, own[f"{name}_ci"])


def _line(part: str, score: str, value: float, ends: Sequence[float] | None) -> dict[str, Any]:
    low, high = ends or ("", "")
    return {"part": part, "score": score, "value": round(float(value), 4), "low": low, "high": high}


def _accuracy(answers: Int, truth: Int) -> float:
    return float((answers == truth).mean())


def _family_recall(answers: Int, truth: Int) -> float:
    own = truth == FAMILY
    return float((answers[own] == FAMILY).mean()) if own.any() else float("nan")


SCORES = {"macro_f1": macro_f1, "accuracy": _accuracy, "recall of family": _family_recall}
