"""Scores of trained heads or nets to `report.html`, `metrics.json`, the curves and the answers by image."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from postlens.tasks.products.items import Label
from postlens.tasks.scoring import N_RESAMPLES
from postlens.train.products_page import chart, failure_table, heat, key, page, section, table, text, tiles
from postlens.train.products_scores import LabelScores, precision_recall, roc_curve
from postlens.train.products_table import ProductImages, relative
from postlens.types import IntArray

SCORES = ("auc", "ap", "f1", "precision", "recall", "ece")
N_MISTAKES = 12  # of each kind and label
Kind = Literal["heads", "nets"]  # of what was trained
HOW: Mapping[Kind, str] = {
    "heads": "Each image was answered by a head that saw no image of its group, with a threshold and a calibration from"
    " the other folds.",
    "nets": "Each image was answered by nets that saw no image of its group, with the mean of their probabilities,"
    " which is not calibrated, and a threshold from the other folds.",
}
INTERVALS = "Below each score its 95 % interval, drawn by group."


def metrics_of(
    scores: Sequence[LabelScores], test: Sequence[LabelScores], images: ProductImages, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """JSON-ready: what was trained on, and the scores of each label out of fold and, where kept, on test images."""
    return {
        **facts,
        "n": len(images),
        "n_failures": len(images.failures),
        "interval": f"95 % bootstrap of whole groups, {N_RESAMPLES} resamples",
        "labels": {one.label: one.table | {"confusion": list(one.confusion)} for one in scores},
        "test": {one.label: one.table | {"confusion": list(one.confusion)} for one in test},
    }


def write_report(
    out: Path,
    metrics: Mapping[str, Any],
    scores: Sequence[LabelScores],
    test: Sequence[LabelScores],
    *,
    images: ProductImages,
    pictures: Sequence[bytes],
    labels: Sequence[Label],
    kind: Kind,
) -> None:
    """Write metrics.json, roc.svg, pr.svg and report.html into the run folder; pictures (N,) are JPEGs."""
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    names = [f"{one.label}: AUC {one.table['auc']:.3f}" for one in scores if one.table["auc"] is not None]
    roc = chart([roc_curve(one.probs, one.positive) for one in scores], x="false positives", y="recall", diagonal=True)
    pr = chart([precision_recall(one.probs, one.positive) for one in scores], x="recall", y="precision")
    (out / "roc.svg").write_text(roc + "\n", encoding="utf-8")
    (out / "pr.svg").write_text(pr + "\n", encoding="utf-8")
    html = page(
        "How well the labels are told",
        f"{metrics['recipe']}, {metrics['reads']} labels, {metrics['n']} images in {metrics['n_groups']} groups, "
        f"{metrics['n_folds']} folds by group.",
        section("Scores", _scores(scores), note=f"{HOW[kind]} {INTERVALS}"),
        section("Scores on the test images", _scores(test) if test else "", note="Never trained on, nor chosen by."),
        section("Curves", f'<div class="charts">{roc}{pr}</div>', key(names)),
        section("Confusion", _confusions(scores), note="Counts of images; called is at or above the threshold."),
        section("Thresholds", _thresholds(labels, metrics["shares"]), note=THRESHOLD_NOTE),
        section("Called on photos unlike yours", _outside(metrics.get("outside")), note=OUTSIDE_NOTE),
        section("Most clearly wrong", *(_mistakes(one, images, pictures) for one in scores)),
        section("Files that could not be used", failure_table(images.failures)),
    )
    (out / "report.html").write_text(html, encoding="utf-8", errors="replace")


THRESHOLD_NOTE = (
    "In products.toml, to be changed by hand: a higher threshold gives fewer wrong recommendations and more missed "
    "items, a lower one the reverse. They have the best F1 at the share of images with the label for which they are "
    "made: that of your images, unless --prior gave another, for which the probabilities are made, too."
)
OUTSIDE_NOTE = (
    "Of the sample photos that ship with postlens: persons, cats, rooms, places. A label that none of them shows and "
    "that is called in many of them will be called in everybody's photos: train again with photos of the kind you will "
    "read in the folder none."
)


def write_answers(
    path: Path, scores: Sequence[LabelScores], images: ProductImages, folds: IntArray, *, root: Path
) -> None:
    """Write the out-of-fold probabilities by image as CSV: file, fold (-1: test), and probability and call by label."""
    columns = {
        one.label: dict(zip(one.rows.tolist(), zip(one.probs, one.called, strict=True), strict=True)) for one in scores
    }
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "fold", *(f"{name}{end}" for name in columns for end in ("", "_called"))])
        for row, name in enumerate(images.paths):
            cells = [
                cell
                for own in columns.values()
                for cell in ((f"{own[row][0]:.4f}", int(own[row][1])) if row in own else ("", ""))
            ]
            writer.writerow([relative(name, root), int(folds[row]), *cells])


def _scores(scores: Sequence[LabelScores]) -> str:
    rows = [
        (text(one.label), str(one.table["n"]), str(one.table["n_pos"]), *(_score(one.table, name) for name in SCORES))
        for one in scores
    ]
    names = ("AUC", "average precision", "F1", "precision", "recall", "calibration error")
    return table(("label", "images", "with it", *names), rows)


def _score(values: Mapping[str, Any], name: str) -> str:
    value, ends = values[name], values[f"{name}_ci"]
    if value is None:
        return "<small>none</small>"
    return f"{value:.3f}" + (f"<small>{ends[0]:.3f} to {ends[1]:.3f}</small>" if ends else "")


def _confusions(scores: Sequence[LabelScores]) -> str:
    rows = []
    for one in scores:
        hits, alarms, misses, refusals = one.confusion
        n_pos, n_neg = max(hits + misses, 1), max(alarms + refusals, 1)
        cells = ((hits, n_pos, False), (misses, n_pos, True), (alarms, n_neg, True), (refusals, n_neg, False))
        rows.append((text(one.label), *(heat(f"{n} ({n / of:.0%})", n / of, wrong=bad) for n, of, bad in cells)))
    return table(("label", "with it, called", "with it, missed", "without it, called", "without it, not called"), rows)


def _thresholds(labels: Sequence[Label], shares: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (
            *(text(one.name), text(one.item), f"{one.threshold:.3f}"),
            *(f"{shares[one.name][whose]:.1%}" for whose in ("data", "wild")),
            "yes" if one.wearable else "no",
        )
        for one in labels
    ]
    return table(("label", "item", "threshold", "share of your images", "made for a share of", "wearable"), rows)


def _outside(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    rows = [
        (text(name), heat(f"{share:.0%} of {found['n']}", share, wrong=True)) for name, share in found["called"].items()
    ]
    return table(("label", "photos called"), rows)


def _mistakes(one: LabelScores, images: ProductImages, pictures: Sequence[bytes]) -> str:
    probs = dict(zip(one.rows.tolist(), one.probs.tolist(), strict=True))
    parts = []
    for rows, words in zip(
        one.mistakes(N_MISTAKES), (f"called {one.label}, but is not", f"missed {one.label}"), strict=True
    ):
        shown = tiles((pictures[row], f"{probs[row]:.2f} {Path(images.paths[row]).name}") for row in rows.tolist())
        parts.append(f"<h3>{text(words)}</h3>{shown}" if shown else "")
    return "".join(parts)
