"""PYTHONPATH=tools python recipes/expression.py --data ../shared/data

About 4 minutes on one core of a 2-core machine, nearly all of it detecting faces and reading them.

Faces labelled with eight expressions to the head `face_expression_head`, which calibrates the packaged expression net:
one slope for its log-probabilities and an offset per emotion. More than that was tried and lost on sources held out
(docs/log/reactions.md). Each source is held out in turn (LFW's photos of all sets together); how a face is read and the
penalty are chosen by holding out each of the others within.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from export_head import export_head
from expression_faces import LabelledFace, collected, labelled_by_eye
from postlens.pipelines.evaluation.expression import read_photos, score_photos
from postlens.pipelines.evaluation.layout import MANIFEST, Photo
from postlens.tasks.reactions.evaluate import emotion_indices
from postlens.tasks.reactions.features import (
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    MARGINS,
    MIN_PROB,
    Model,
    evened,
    expression_crops,
    expression_features,
    whole_crop,
)
from postlens.types import EMOTIONS, FloatArray
from postlens.vision.cards import file_sha256
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import load_spec, open_model

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
NOISY = {"stills": 0.2}  # weight of sources whose labels are noisy, decided from a look at the film stills
# How a face is read: sizes of its crops / the first, and whether brightness and contrast are evened.
READINGS = {
    "one size": ((1.0,), False),
    "one size, evened": ((1.0,), True),
    "smaller, evened": ((MARGINS[1],), True),
    "two sizes": (MARGINS, False),
    "two sizes, evened": (MARGINS, True),
}
SHIPPED, FORMER = "two sizes, evened", "one size"  # what postlens serves now, and what it served in version 1
HEAD = "head, sources held out"  # reading and penalty chosen within
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


@dataclass(frozen=True)
class Table:
    """Columns of N labelled faces."""

    readings: Mapping[str, Float]  # log-probabilities (N, 8) by the names of READINGS
    truth: Int  # positions in EMOTIONS
    source: NDArray[np.str_]
    by_eye: NDArray[np.bool_]
    photos: tuple[Photo, ...]

    def __getitem__(self, rows: NDArray[np.bool_]) -> Table:
        readings = {name: columns[rows] for name, columns in self.readings.items()}
        photos = tuple(self.photos[i] for i in np.flatnonzero(rows))
        return Table(readings, self.truth[rows], self.source[rows], self.by_eye[rows], photos)


def main() -> None:
    """Read the faces, score with sources held out, write the results, the head and its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with expression, attributes, niche, ...")
    data: Path = parser.parse_args().data
    table = read_table(data)
    chosen = {HEAD: hold_out_sources(table, tuple(READINGS))}
    fixed = {f"head, {name}": hold_out_sources(table, (name,)) for name in READINGS}
    as_is = {f"packaged net, {name}": _softmax(table.readings[name]) for name in (FORMER, SHIPPED)}
    tables = {model: list(score_subsets(probs, table)) for model, probs in (chosen | fixed | as_is).items()}
    write_results(tables)
    reading, penalty = choose(table, tuple(READINGS))
    print(f"{len(table.truth)} faces; of all together: {reading}, penalty {penalty}")
    _, penalty = choose(table, (SHIPPED,))
    model = fit(table.readings[SHIPPED], table.truth, weights(table), penalty)
    export(model, tables[HEAD], data / "expression")


def read_table(data: Path) -> Table:
    """All labelled faces of the sets in a folder, read in every way."""
    photos, _ = read_photos(data / "expression")
    detector, net = FaceDetector(), open_model(EXPRESSION_NET)
    rows: list[tuple[dict[str, FloatArray], LabelledFace]] = []
    for faces in (collected(photos, detector), labelled_by_eye(data, detector)):
        for face in faces:
            rows.append((read_face(face, net), face))
            if len(rows) % 200 == 0:
                print(f"{len(rows)} faces", flush=True)
    found = [face for _, face in rows]
    return Table(
        {name: to_columns(np.concatenate([read[name] for read, _ in rows])) for name in READINGS},
        emotion_indices([face.photo.label for face in found]),
        np.array([face.source for face in found]),
        np.array([face.by_eye for face in found]),
        tuple(face.photo for face in found),
    )


def read_face(face: LabelledFace, net: Model) -> dict[str, FloatArray]:
    """Features (1, 7) by the names of READINGS."""
    pixels = face.image.image
    crops = {
        margin: expression_crops(pixels, face.face, scale=face.image.scale, margin=margin)
        or [whole_crop(pixels, margin=margin)]
        for margin in MARGINS
    }
    plain = {margin: expression_features(own, net) for margin, own in crops.items()}
    even = {margin: expression_features([evened(crop) for crop in own], net) for margin, own in crops.items()}
    return {
        name: np.asarray(np.mean([(even if is_even else plain)[margin] for margin in margins], axis=0), np.float32)
        for name, (margins, is_even) in READINGS.items()
    }


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


def weights(table: Table) -> Float:
    """(N,) weights: in each source every emotion counts alike, sources by size and NOISY; "other" not at all.

    Otherwise the offsets would learn which emotions a source collected. A few faces cannot teach "other". The faces
    labelled by eye only test: they were picked by what the net said of them, and offsets fitted to them are worse.
    """
    truth, w = table.truth, np.zeros(len(table.truth))
    for name in np.unique(table.source):
        own = (table.source == name) & (truth != OTHER) & ~table.by_eye
        if not own.any():
            continue
        counts = np.bincount(truth[own], minlength=len(EMOTIONS))
        w[own] = own.sum() * NOISY.get(str(name), 1.0) / (counts > 0).sum() / counts[truth[own]]
    return w


def choose(table: Table, readings: Sequence[str]) -> tuple[str, float]:
    """The reading and penalty with the least weighted log loss when each source is held out in turn."""

    def held_out_loss(choice: tuple[str, float]) -> float:
        total = 0.0
        for train, test in _folds(table.source):
            seen, unseen = table[train], table[test]
            model = fit(seen.readings[choice[0]], seen.truth, weights(seen), choice[1])
            probs = model.probs(unseen.readings[choice[0]])[np.arange(test.sum()), unseen.truth]
            total -= float((weights(unseen) * np.log(probs)).sum())
        return total

    return min(((reading, penalty) for reading in readings for penalty in PENALTIES), key=held_out_loss)


def hold_out_sources(table: Table, readings: Sequence[str]) -> Float:
    """(N, 8) probabilities of every face by a model that saw no face of its source, nor was chosen by it."""
    out = np.zeros((len(table.truth), len(EMOTIONS)))
    for train, test in _folds(table.source):
        seen = table[train]
        reading, penalty = choose(seen, readings)
        model = fit(seen.readings[reading], seen.truth, weights(seen), penalty)
        print(f"{table.source[test][0]} held out: {reading}, penalty {penalty}, slope {model.slope:.3f}")
        out[test] = model.probs(table.readings[reading][test])
    return out


def _folds(source: NDArray[np.str_]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    for name in np.unique(source):
        yield source != name, source == name


def _softmax(x: Float) -> Float:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


# --- results --------------------------------------------------------------------------------------------------------


def score_subsets(probs: Float, table: Table) -> Iterator[dict[str, Any]]:
    """The table of all photos of the set `expression`, of each source, and of those by eye; intervals by person."""
    collection = np.array([photo.source_group for photo in table.photos])
    for subset in ("all", *np.unique(collection[~table.by_eye]).tolist()):
        yield _score(subset, probs, table, ~table.by_eye & ((collection == subset) | (subset == "all")))
    for source in ("all", "lfw", "web"):
        yield _score(f"by_eye_{source}", probs, table, table.by_eye & ((table.source == source) | (source == "all")))


def _score(subset: str, probs: Float, table: Table, rows: NDArray[np.bool_]) -> dict[str, Any]:
    return {"subset": subset} | score_photos(probs[rows].astype(np.float32), table[rows].photos)


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


# --- the head -------------------------------------------------------------------------------------------------------


def export(model: Scaling, tables: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write the ONNX head (7 log-probabilities to 8 probabilities) and its card."""
    labels = load_spec(EXPRESSION_NET).labels
    weight, bias = np.zeros((len(labels), len(EMOTIONS))), model.offset.copy()
    for row, label in enumerate(labels):
        weight[row, EMOTIONS.index(label)] = model.slope
    bias[OTHER] += model.slope * np.log(MIN_PROB)
    card = {
        "version": "2",
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
    "on, their reading and penalty chosen on the other sources; intervals are by person. Press photos are read best, "
    "film stills worst; a second labelling of 60 photos each, blind to the first, agreed with .42 of the labels of the "
    "stills and .53 of FER2013's. Fear and disgust are mostly missed. 'other' had 2 photos: it is never more than a "
    "remainder. Every emotion was weighted alike, so neutral faces of daily life are more frequent than the "
    "probabilities suppose. by_eye: faces of other collections, picked by what the net said of them, labelled by one "
    "person; they test only. The crop's place, brightness and contrast were chosen on these photos."
)
TRAINED_ON = (
    "FER2013, public and private test photos (Kaggle challenge 2013; web photos, no clear licence)",
    "muxspace/facial_expressions (repository Apache-2.0; photos from LFW and IMFDB: research use)",
    "Commercial users: recalibrate on photos of your own with recipes/expression.py",
)

if __name__ == "__main__":
    main()
