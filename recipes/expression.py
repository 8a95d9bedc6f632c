"""PYTHONPATH=tools python recipes/expression.py --data ../shared/data/expression

About 3 minutes on one core of a 2-core machine, nearly all of it detecting faces.

Photos of faces labelled with eight expressions to the head `face_expression_head`, which calibrates the packaged
expression net: one slope for its log-probabilities and an offset per emotion. More than that was tried and lost on
sources held out (docs/log/reactions.md). Each source is held out in turn; the penalty is chosen by holding out each of
the others within.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from export_head import export_head
from postlens.pipelines.evaluation.expression import ExpressionReader, read_all, read_photos, score_photos
from postlens.pipelines.evaluation.layout import MANIFEST, Photo
from postlens.tasks.reactions.evaluate import emotion_indices
from postlens.tasks.reactions.features import EXPRESSION_HEAD, EXPRESSION_NET, MIN_PROB
from postlens.types import EMOTIONS, FloatArray
from postlens.vision.cards import file_sha256
from postlens.vision.zoo import load_spec

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
NOISY = {"mux_imfdb": 0.2}  # weight of sources whose labels are noisy, decided from a look at the film stills
OTHER = EMOTIONS.index("other")
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Scaling:
    """Vector scaling (Guo et al. 2017) with one slope: logits = slope * log-probabilities + offset."""

    slope: float
    offset: Float  # (8,); 0 for "other"

    def probs(self, columns: Float) -> Float:
        """(N, 8) from the log-probabilities (N, 8) of `to_columns`."""
        return _softmax(self.slope * columns + self.offset)


def main() -> None:
    """Read the photos, score with sources held out, write the results, the head and its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {MANIFEST} and its photos")
    folder: Path = parser.parse_args().data
    features, baseline, photos, n_undetected = read_features(folder)
    columns, truth = to_columns(features), emotion_indices([photo.label for photo in photos])
    source = np.array([photo.row["source_group"] for photo in photos])
    held_out = hold_out_sources(columns, truth, source)
    tables = {
        "head, sources held out": list(score_subsets(held_out, photos, source)),
        "packaged net as it is": list(score_subsets(baseline, photos, source)),
    }
    write_results(tables)
    print(f"{len(photos)} photos, {n_undetected} without a found face")
    penalty = best_penalty(columns, truth, source)
    export(fit(columns, truth, weights(truth, source), penalty), tables["head, sources held out"], folder)


def read_features(folder: Path) -> tuple[FloatArray, Float, list[Photo], int]:
    """Features (N, 7), the packaged net's own probabilities (N, 8), the photos, and how many show no found face."""
    photos, failures = read_photos(folder)
    reader = ExpressionReader()
    rows, read = read_all(photos, reader.features, failures=Counter(failures), progress=_print_progress)
    features = np.concatenate(rows)
    probs = np.exp(to_columns(features))
    return features, probs / probs.sum(axis=1, keepdims=True), read, reader.n_undetected


def to_columns(features: FloatArray) -> Float:
    """(N, 7) in the order of the net's labels to (N, 8) in the order of EMOTIONS; "other" stands at the net's floor."""
    columns = np.full((len(features), len(EMOTIONS)), np.log(MIN_PROB))
    columns[:, [EMOTIONS.index(label) for label in load_spec(EXPRESSION_NET).labels]] = features
    return columns


# --- one model ------------------------------------------------------------------------------------------------------


def fit(columns: Float, truth: Int, weight: Float, penalty: float) -> Scaling:
    """Slope and offsets of least weighted log loss plus `penalty` times the squared offsets."""
    rows, w = np.arange(len(truth)), weight / weight.sum()

    def loss(p: Float) -> tuple[float, Float]:
        probs = _softmax(p[0] * columns + p[1:])
        rest = probs * w[:, None]
        rest[rows, truth] -= w
        value = float(-(w * np.log(probs[rows, truth])).sum() + penalty * (p[1:] ** 2).sum())
        return value, np.concatenate([[(rest * columns).sum()], rest.sum(axis=0) + 2 * penalty * p[1:]])

    bounds = [(0.05, None)] + [(0.0, 0.0) if k == OTHER else (None, None) for k in range(len(EMOTIONS))]
    p = minimize(loss, [0.5, *np.zeros(len(EMOTIONS))], jac=True, method="L-BFGS-B", bounds=bounds).x
    return Scaling(float(p[0]), p[1:])


def weights(truth: Int, source: NDArray[np.str_]) -> Float:
    """(N,) weights: in each source every emotion counts alike, sources by size and NOISY; "other" not at all.

    Otherwise the offsets would learn which emotions a source collected. Two photos cannot teach "other".
    """
    w = np.zeros(len(truth))
    for name in np.unique(source):
        own = (source == name) & (truth != OTHER)
        counts = np.bincount(truth[own], minlength=len(EMOTIONS))
        w[own] = own.sum() * NOISY.get(str(name), 1.0) / (counts > 0).sum() / counts[truth[own]]
    return w


def best_penalty(columns: Float, truth: Int, source: NDArray[np.str_]) -> float:
    """The penalty with the least weighted log loss when each source is held out in turn."""

    def held_out_loss(penalty: float) -> float:
        total = 0.0
        for train, test in _folds(source):
            model = fit(columns[train], truth[train], weights(truth[train], source[train]), penalty)
            w = weights(truth[test], source[test])
            total -= float((w * np.log(model.probs(columns[test])[np.arange(test.sum()), truth[test]])).sum())
        return total

    return min(PENALTIES, key=held_out_loss)


def hold_out_sources(columns: Float, truth: Int, source: NDArray[np.str_]) -> Float:
    """(N, 8) probabilities of every photo by a model that saw no photo of its source."""
    out = np.zeros(columns.shape)
    for train, test in _folds(source):
        penalty = best_penalty(columns[train], truth[train], source[train])
        model = fit(columns[train], truth[train], weights(truth[train], source[train]), penalty)
        print(f"{source[test][0]} held out: penalty {penalty}, slope {model.slope:.3f}")
        out[test] = model.probs(columns[test])
    return out


def _folds(source: NDArray[np.str_]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    for name in np.unique(source):
        yield source != name, source == name


def _softmax(x: Float) -> Float:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


# --- results --------------------------------------------------------------------------------------------------------


def score_subsets(probs: Float, photos: Sequence[Photo], source: NDArray[np.str_]) -> Iterator[dict[str, Any]]:
    """The table of all photos, then of each source; intervals by person."""
    for subset in ("all", *np.unique(source).tolist()):
        rows = np.flatnonzero((source == subset) | (subset == "all"))
        yield {"subset": subset} | score_photos(probs[rows].astype(np.float32), [photos[i] for i in rows])


def write_results(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write expression.csv (a row for each model and subset) and expression_per_class.csv (all photos)."""
    scores = ("accuracy", "macro_f1", "ece")
    rows = [
        {"model": model, "subset": table["subset"], "n": table["n"]} | _with_ends(table, scores)
        for model, subsets in tables.items()
        for table in subsets
    ]
    write_csv(RESULTS / "expression.csv", rows)
    classes = [
        {"model": model, "label": label, "n": own["n"]} | _with_ends(own, ("precision", "recall", "f1"))
        for model, subsets in tables.items()
        for label, own in subsets[0]["per_class"].items()
    ]
    write_csv(RESULTS / "expression_per_class.csv", classes)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the columns of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _with_ends(table: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in names:
        low, high = table[f"{name}_ci"] or (None, None)
        out |= {name: table[name], f"{name}_low": low, f"{name}_high": high}
    return out


def _print_progress(done: int, total: int) -> None:
    if done % 200 == 0 or done == total:
        print(f"{done}/{total}", flush=True)


# --- the head -------------------------------------------------------------------------------------------------------


def export(model: Scaling, tables: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write the ONNX head (7 log-probabilities to 8 probabilities) and its card."""
    labels = load_spec(EXPRESSION_NET).labels
    weight, bias = np.zeros((len(labels), len(EMOTIONS))), model.offset.copy()
    for row, label in enumerate(labels):
        weight[row, EMOTIONS.index(label)] = model.slope
    bias[OTHER] += model.slope * np.log(MIN_PROB)
    card = {
        "version": "1",
        "task": "face_expression",
        "licence": "Apache-2.0 (weights); calibrated on research-only photos, see trained_on",
        "source": "trained by recipes/expression.py",
        "paper": "Guo et al. 2017, arXiv:1706.04599 (vector scaling)",
        "labels": EMOTIONS,
        "metrics": {table["subset"]: card_scores(table) for table in tables},
        "limits": LIMITS,
        "trained_on": TRAINED_ON,
        "train_manifests": (file_sha256(folder / MANIFEST),),
        "upstream": (load_spec(EXPRESSION_NET).fingerprint, load_spec("face_mesh").fingerprint),
    }
    export_head(EXPRESSION_HEAD, layers=[(weight, bias, "none")], card=card)


def card_scores(table: Mapping[str, Any]) -> dict[str, Any]:
    """The known numbers of a table, and recall by class."""
    known = {name: value for name, value in table.items() if name not in ("subset", "per_class") and value is not None}
    recalls = {label: own["recall"] for label, own in table["per_class"].items() if own["recall"] is not None}
    return known | {"recall": recalls}


LIMITS = (
    "What a face shows, not what a person feels. Metrics are of models that saw no photo of the source they are scored "
    "on; intervals are by person. Press photos are read best, film stills worst (their labels are noisy too). Fear and "
    "disgust are mostly missed. 'other' had 2 photos: it is never more than a remainder. Every emotion was weighted "
    "alike, so neutral faces of daily life are more frequent than the probabilities suppose. The crop was chosen on "
    "these photos."
)
TRAINED_ON = (
    "FER2013, public and private test photos (Kaggle challenge 2013; web photos, no clear licence)",
    "muxspace/facial_expressions (repository Apache-2.0; photos from LFW and IMFDB: research use)",
    "Commercial users: recalibrate on photos of your own with recipes/expression.py",
)

if __name__ == "__main__":
    main()
