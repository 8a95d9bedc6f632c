"""Held-out predictions to the scores of a training, and to what its cards say of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from postlens.tasks.scoring import N_RESAMPLES, score_classes
from postlens.train.calibrate import TEMPERATURES, Calibration, Float
from postlens.types import IntArray
from postlens.vision.cards import file_sha256

if TYPE_CHECKING:
    from postlens.train.export import About
    from postlens.train.labels import LabelledImages, Split
    from postlens.train.outcome import Predictions
    from postlens.train.recipe import Recipe

N_WEAKEST = 3  # labels that the card names
# What a data folder is known by: a manifest of labels, of a cache, or of the influencer layout.
MANIFESTS = ("manifest.csv", "manifest.json", "smallMappings.txt", "JSON-Image_files_mapping.txt")
HELD_OUT = "groups held out of training"
CHOSEN_ON = "validation groups, on which the weights and the temperature were chosen too: better than elsewhere"


@dataclass(frozen=True, slots=True)
class Scored:
    """Predictions with what the calibration makes of them."""

    part: str  # "test" or "val"
    rows: IntArray  # (N,)
    truth: IntArray  # (N,)
    probs: Float  # (N, K) calibrated
    answers: IntArray  # (N,) thresholds applied
    table: Mapping[str, Any]  # as `scoring.score_classes`, intervals by group


def score(
    part: str, found: Predictions, calibration: Calibration, *, images: LabelledImages, rng: np.random.Generator
) -> Scored:
    """Scores of one part's predictions, with 95 % intervals drawn by group."""
    probs = calibration.probs(found.logits)
    answers = calibration.answers(probs)
    groups = [images.groups[row] for row in found.rows.tolist()]
    table = score_classes(probs, found.truth, labels=images.classes, answers=answers, groups=groups, rng=rng)
    return Scored(part, found.rows, found.truth, probs, answers, table)


def report_of(
    scored: Sequence[Scored], calibration: Calibration, *, images: LabelledImages, split: Split
) -> dict[str, Any]:
    """JSON-ready: the score table of each part, how many images and groups it has, and the calibration."""
    return {
        "classes": list(images.classes),
        "interval": f"95 % bootstrap of whole groups, {N_RESAMPLES} resamples",
        "parts": {name: _counts(images, rows) for name, rows in split.parts.items()},
        "unreadable": len(images.failures),
        "temperature": round(calibration.temperature, 4),
        "thresholds": dict(calibration.thresholds),
        "calibrated_on": calibration.n,
        **{one.part: {"split": _split_words(one), **one.table} for one in scored},
    }


def _counts(images: LabelledImages, rows: IntArray) -> dict[str, Any]:
    part = images[rows]
    return {"n": len(part), "n_groups": len(set(part.groups)), "per_class": part.n_by_class}


def _split_words(one: Scored) -> str:
    return HELD_OUT if one.part == "test" else CHOSEN_ON


def about(scored: Sequence[Scored], report: Mapping[str, Any], *, recipe: Recipe, data: Path | None) -> About:
    """What the cards say: origin, data by counts, scores and limits; no place on the machine."""
    from postlens.train.export import About

    best = report[scored[0].part] if scored else {}
    known = ("temperature", "calibrated_on")
    return About(
        source=f"postlens train niche: recipe {recipe.name}, {recipe.backbone}, weights {weights_words(recipe)}",
        limits=_limits(best, report),
        trained_on=_data_words(report),
        train_manifests=manifests_of(data),
        metrics={**best, **{name: report[name] for name in known}},
    )


def weights_words(recipe: Recipe) -> str:
    """The kind of the first weights; of a checkpoint its file's name alone."""
    named = recipe.weights in ("shipped", "pretrained", "none")
    return recipe.weights if named else f"of the checkpoint {Path(recipe.weights).name}"


def _data_words(report: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each part that has images."""
    return tuple(
        f"{name}: {part['n']} images of {part['n_groups']} groups ("
        + ", ".join(f"{label} {n}" for label, n in part["per_class"].items())
        + ")"
        for name, part in report["parts"].items()
        if part["n"]
    )


def _limits(best: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """What to expect of the model, in sentences."""
    words = ["Images of other origin than those trained on may score lower."]
    if best:
        recalls = {label: part["recall"] for label, part in best["per_class"].items() if part["recall"] is not None}
        weakest = sorted(recalls, key=lambda label: recalls[label])[:N_WEAKEST]
        words += [f"Scores are of {best['n']} images: {best['split']}."]
        words += [f"Weakest recalls: {', '.join(f'{label} {recalls[label]:.2f}' for label in weakest)}."]
    else:
        words += ["Nothing was held out: there are no scores."]
    if report["calibrated_on"] and calibration_is_bound(report["temperature"]):
        words += ["The temperature is at the end of its range: too few validation images, or too easy ones."]
    if not report["calibrated_on"]:
        words += ["Probabilities are not calibrated: no validation images."]
    return " ".join(words)


def calibration_is_bound(temperature: float) -> bool:
    """Whether the best temperature lies beyond what is tried."""
    return any(math.isclose(temperature, end, rel_tol=0.01) for end in TEMPERATURES)


def manifests_of(data: Path | None) -> tuple[str, ...]:
    """sha256 of the manifest in a data folder; nothing for a folder without one."""
    paths = [data / name for name in MANIFESTS] if data is not None else []
    return tuple(file_sha256(path) for path in paths if path.is_file())[:1]
