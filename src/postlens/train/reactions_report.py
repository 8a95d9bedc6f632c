"""A finished training of emotions to what is told of it: scores, answers, a page, the words of its card."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.media.probe import display_name
from postlens.tasks.reactions.evaluate import DRAWS
from postlens.train.calibrate import TEMPERATURES
from postlens.train.emotion_sets import EmotionImages
from postlens.train.emotion_split import LeftOut
from postlens.train.products_page import bar, failure_table, page, section, table, text
from postlens.train.reactions_calibrate import MIN_POSITIVE, EmotionCalibration
from postlens.train.recipe import Recipe
from postlens.train.splits import Split
from postlens.types import EMOTIONS, IntArray

REPORT, ANSWERS, PAGE = "classification_report.json", "answers.csv", "report.html"
MEANS = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "weighted_f1": "weighted F1", "map": "mAP", "ece": "ECE"}
HELD_OUT = "images held out of training"
CHOSEN_ON = "validation images, on which weights, temperature and thresholds were chosen too: better than elsewhere"


@dataclass(frozen=True, slots=True)
class PartScores:
    """Predictions of one part and their scores."""

    part: str  # "test" or "val"
    rows: IntArray  # (M,) of the images
    probs: NDArray[np.float64]  # (M, K) calibrated
    table: Mapping[str, Any]  # as `reactions_scores.score_emotions`

    @property
    def words(self) -> str:
        """What the images are."""
        return HELD_OUT if self.part == "test" else CHOSEN_ON


def report_of(
    scored: Sequence[PartScores],
    calibration: EmotionCalibration,
    *,
    images: EmotionImages,
    split: Split,
    labels: Sequence[str],
    left_out: LeftOut,
) -> dict[str, Any]:
    """JSON-ready: what was trained on, the calibration, and the score table of each part."""
    return {
        "labels": list(labels),
        "not_learnt": [name for name in EMOTIONS if name not in labels],
        "label_table": {"name": images.map.name, "version": images.map.version},
        "interval": f"95 % bootstrap of whole groups, {DRAWS} resamples",
        "parts": {name: _counts(images, rows) for name, rows in split.parts.items()},
        "left_out": {
            "unusable": len(images.failures),
            "by_label": images.n_skipped,
            "file_in_another_part": left_out.n_twice,
            "group_in_another_part": left_out.n_met,
        },
        "temperature": round(calibration.temperature, 4),
        "thresholds": dict(calibration.thresholds),
        "calibrated_on": calibration.n,
        **{one.part: {"images": one.words, **one.table} for one in scored},
    }


def _counts(images: EmotionImages, rows: IntArray) -> dict[str, Any]:
    part = images[rows]
    return {"n": len(part), "n_groups": len(set(part.groups)), "per_emotion": part.n_positive}


def write_reports(
    out: Path,
    report: Mapping[str, Any],
    scored: Sequence[PartScores],
    *,
    images: EmotionImages,
    labels: Sequence[str],
    recipe: Recipe,
) -> None:
    """Write classification_report.json, answers.csv and report.html into the folder of a run."""
    (out / REPORT).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    _write_answers(out / ANSWERS, scored, images=images, labels=labels)
    (out / PAGE).write_text(_page(report, scored, images=images, recipe=recipe), encoding="utf-8", errors="replace")


def _write_answers(path: Path, scored: Sequence[PartScores], *, images: EmotionImages, labels: Sequence[str]) -> None:
    """A row for each scored image: its emotions, as far as they are known, and the probabilities."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "part", *labels, *(f"{name}_prob" for name in labels)])
        columns = [EMOTIONS.index(name) for name in labels]
        for one in scored:
            for row, probs in zip(one.rows.tolist(), one.probs, strict=True):
                known = ["" if np.isnan(value) else int(value) for value in images.truth[row, columns]]
                writer.writerow([images.paths[row], one.part, *known, *(f"{value:.4f}" for value in probs)])


def _page(report: Mapping[str, Any], scored: Sequence[PartScores], *, images: EmotionImages, recipe: Recipe) -> str:
    lead = f"{recipe.backbone}, loss {recipe.loss}; {len(images)} images with {', '.join(report['labels'])}"
    unlearnt = ", ".join(report["not_learnt"])
    note = f"Never named, since no image shows them: {unlearnt}." if unlearnt else ""
    return page(
        "Training of reactions",
        lead,
        *(section(f"Scores: {one.part}", _means(one), _emotions(one), note=f"Of {one.words}.") for one in scored),
        section("Images", _parts(report), note=" ".join((note, *_left_out(report))).strip()),
        section("Not used", failure_table(images.failures)),
    )


def _means(one: PartScores) -> str:
    rows = [
        (text(words), _number(one.table[name]), _interval(one.table[f"{name}_ci"])) for name, words in MEANS.items()
    ]
    return table(("score", str(one.table["n"]) + " images", "95 %"), rows)


def _emotions(one: PartScores) -> str:
    names = ("n_positive", "precision", "recall", "f1", "average_precision", "ece", "threshold")
    rows = [
        (text(label), *(_number(values[name]) for name in names), bar(values["f1"] or 0.0))
        for label, values in one.table["per_class"].items()
    ]
    return table(("emotion", "with it", "precision", "recall", "F1", "AP", "ECE", "threshold", ""), rows)


def _parts(report: Mapping[str, Any]) -> str:
    rows = [
        (text(name), str(part["n"]), str(part["n_groups"]), *(str(n) for n in part["per_emotion"].values()))
        for name, part in report["parts"].items()
    ]
    return table(("part", "images", "groups", *EMOTIONS), rows)


def _left_out(report: Mapping[str, Any]) -> list[str]:
    """A sentence on each reason for which images are in no part."""
    kinds = {"file_in_another_part": "equal file", "group_in_another_part": "group (person, account or shoot)"}
    return [
        f"Left out of an earlier part, since a later one has their {what}: {report['left_out'][name]} images."
        for name, what in kinds.items()
        if report["left_out"][name]
    ]


def _number(value: float | int | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


# --- the card -------------------------------------------------------------------------------------------------------


def card_words(
    report: Mapping[str, Any], scored: Sequence[PartScores], *, recipe: Recipe, data: Path
) -> dict[str, Any]:
    """What the card says: origin, data by counts, scores and limits; no place on the machine."""
    from postlens.train.report import manifests_of, weights_words

    best = report[scored[0].part]
    kept = {name: best[name] for name in ("n", *MEANS, *(f"{name}_ci" for name in MEANS), "per_class")}
    told = f"{report['label_table']['name']}, version {report['label_table']['version']}"
    return {
        "source": f"postlens train reactions: recipe {recipe.name}, {recipe.backbone}, weights "
        f"{weights_words(recipe)}, loss {recipe.loss}, table of labels {told}",
        "limits": _limits(report, scored[0]),
        "trained_on": tuple(_part_words(name, part) for name, part in report["parts"].items() if part["n"]),
        "train_manifests": manifests_of(data if data.is_dir() else data.parent),
        "metrics": {"scored_on": scored[0].words, **kept},
    }


def _part_words(name: str, part: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{emotion} {n}" for emotion, n in part["per_emotion"].items() if n)
    return f"{name}: {part['n']} images of {part['n_groups']} groups ({shown})"


def _limits(report: Mapping[str, Any], best: PartScores) -> str:
    words = ["Images of other origin than those trained on may score lower.", f"Scores are of {best.words}."]
    if report["not_learnt"]:
        words.append(f"Never named, since no image shows them: {', '.join(report['not_learnt'])}.")
    words += _left_out(report)
    scarce = [name for name, one in best.table["per_class"].items() if one["n_positive"] < MIN_POSITIVE]
    if scarce:
        words.append(f"Scored on fewer than {MIN_POSITIVE} images: {', '.join(scarce)}.")
    if any(np.isclose(report["temperature"], end, rtol=0.01) for end in TEMPERATURES):
        words.append("The temperature is at the end of its range: too few validation images, or too easy ones.")
    return " ".join(words)


def failure_words(images: EmotionImages) -> list[str]:
    """A line for the log about each thing that was left out."""
    return [f"left out: {display_name(one.subject)}: {one.error}: {one.message}" for one in images.failures]
