"""Photo pairs labelled same / different person to the template's 1:1 threshold and scores, written on its card.

    python recipes/face_templates.py --data ../shared/data      # about 2 minutes on one core

Data: faces_identity (1,004 photos of public figures: LFW, CelebA and pages of public repositories; research terms).
Photos are read as `postlens evaluate faces_identity` reads them; the largest face counts. The threshold `same_person`
is the one of THRESHOLDS with the highest balanced accuracy over all pairs of photos of one source, averaged over
sources, so that no source outweighs another. It is judged with sources held out: each source's pairs of pairs.csv by
the threshold of the others; a photo without a face makes its pairs "different". (Two of 266 people are in two sources.)
Writes benchmarks/results/face_templates.csv, face_verification.csv (a row per held-out source), and on the
face_template card `same_person` and the metrics; `match`, for persons, comes from recipes/people.py.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.pipelines.evaluation.faces_identity import distances, read_faces, read_pairs, vectors_of
from postlens.tasks.scoring import bootstrap_interval, roc_auc
from postlens.types import FloatArray
from postlens.vision.cards import read_card, write_card
from postlens.vision.zoo import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
THRESHOLDS = np.arange(0.3, 0.6001, 0.002).round(3)  # finer steps change single pairs
CURVE = np.arange(0.2, 0.9001, 0.02).round(2)  # distances of the false match curve; all pairs lie below 1
RULE_OF_THREE = 3
FMRS = {"1e3": 1e-3, "1e2": 1e-2}
READING = (
    "same_person answers 1:1 questions about two photos, where both errors count alike: higher refuses fewer pairs of "
    "one person (fnmr falls) and accepts more of two people (fmr rises), lower the reverse; threshold_fmr_1e3 suits "
    "where a wrong yes is dear. match is for persons in a store, where every face meets many others and wrong merges "
    "add up: it stays lower."
)
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Columns (N,): distance (NaN where a photo has no face), whether both are one person, the pair's source."""

    distance: Floats
    same: Bools
    source: NDArray[np.str_]

    def __getitem__(self, rows: Bools) -> "Pairs":
        return Pairs(self.distance[rows], self.same[rows], self.source[rows])


def main() -> None:
    """Choose the threshold, score it and write the results and the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/")
    folder = parser.parse_args().data / "faces_identity"
    manifest = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8-sig")))
    photos = read_faces(folder, [row["file"] for row in manifest])
    vectors, listed = vectors_of(photos), read_pairs(folder)
    pairs = Pairs(
        distances(listed, vectors),
        np.array([pair["same"] == "1" for pair in listed]),
        np.array([pair["source_group"] for pair in listed]),
    )
    every = all_pairs(vectors, manifest)
    threshold = choose(curves(every))
    row: dict[str, Any] = {"n_photos": len(manifest), "n_photos_padded": photos.n_padded}
    row |= {"n_photos_with_face": len(vectors), "n_pairs": len(listed)}
    row |= scores(pairs, every, threshold=threshold, rng=np.random.default_rng(0))
    quality = np.array([worse_quality(photos.by_file, pair) for pair in listed])
    row |= by_quality(pairs, quality, threshold=row["threshold_fmr_1e3"])
    held = held_out(pairs, every)
    row |= held_out_scores(pairs, held, rng=np.random.default_rng(0))
    _write_csv("face_verification.csv", source_rows(pairs, held))
    _write_csv("face_templates.csv", [row])
    _note(threshold, row, false_matches(every.distance[~every.same]))


def all_pairs(vectors: Mapping[str, FloatArray], manifest: Sequence[Mapping[str, str]]) -> Pairs:
    """Every pair of photos with a face: enough different people to see a rate of 1e-3. Source "" for two sources."""
    rows = [row for row in manifest if row["file"] in vectors]
    matrix = np.stack([vectors[row["file"]] for row in rows]).astype(np.float64)
    person, source = (np.array([row[name] for row in rows]) for name in ("person", "source_group"))
    first, second = np.triu_indices(len(rows), 1)
    apart = np.linalg.norm(matrix[first] - matrix[second], axis=1)
    of = np.where(source[first] == source[second], source[first], "")
    return Pairs(apart, person[first] == person[second], of)


def curves(every: Pairs) -> dict[str, Floats]:
    """Balanced accuracy (THRESHOLDS,) of each source with pairs of both kinds."""
    parts = {name: every[every.source == name] for name in sorted({*every.source.tolist()} - {""})}
    return {name: balanced_curve(part) for name, part in parts.items() if part.same.any() and not part.same.all()}


def balanced_curve(pairs: Pairs) -> Floats:
    """Mean of the shares of right answers among pairs of one and of two people, by threshold."""
    right = [((pairs.distance <= threshold) == pairs.same) for threshold in THRESHOLDS]
    return np.array([(r[pairs.same].mean() + r[~pairs.same].mean()) / 2 for r in right])


def choose(by_source: Mapping[str, Floats]) -> float:
    """The threshold with the highest mean over sources."""
    return float(THRESHOLDS[np.argmax(np.mean(list(by_source.values()), axis=0))])


def held_out(pairs: Pairs, every: Pairs) -> Floats:
    """For each pair, the threshold chosen without its source: (N,)."""
    by_source = curves(every)
    chosen = {
        name: choose({other: curve for other, curve in by_source.items() if other != name}) for name in {*pairs.source}
    }
    return np.array([chosen[name] for name in pairs.source])


def held_out_scores(pairs: Pairs, threshold: Floats, *, rng: np.random.Generator) -> dict[str, float]:
    """Accuracy and balanced accuracy over pairs.csv, with 95 % intervals by source; the first also without failures."""
    right = (pairs.distance <= threshold) == pairs.same
    compared = np.isfinite(pairs.distance)
    table = _with_interval("accuracy", _mean, right, groups=pairs.source, rng=rng)
    table |= _with_interval("accuracy_compared", _mean, right[compared], groups=pairs.source[compared], rng=rng)
    return table | _with_interval("balanced_accuracy", _balanced, right, pairs.same, groups=pairs.source, rng=rng)


def source_rows(pairs: Pairs, threshold: Floats) -> list[dict[str, Any]]:
    """What each source scores with the threshold of the others; `fnmr` counts pairs without a face as refused."""
    rows = []
    for name in sorted({*pairs.source}):
        here = pairs.source == name
        part, cut = pairs[here], threshold[here]
        yes = part.distance <= cut
        row = {"source": name, "n_pairs": len(yes), "n_compared": int(np.isfinite(part.distance).sum())}
        row |= {"threshold": float(cut[0]), "accuracy": float((yes == part.same).mean())}
        rows.append(row | {"fmr": _mean(yes[~part.same]), "fnmr": _mean(~yes[part.same])})
    return rows


def scores(pairs: Pairs, every: Pairs, *, threshold: float, rng: np.random.Generator) -> dict[str, float]:
    """AUC by source, thresholds and FNMR at fixed FMR, and both rates at the chosen threshold.

    FMR is over all pairs of different people, FNMR over the same-person pairs of pairs.csv with two faces.
    """
    used = pairs[np.isfinite(pairs.distance)]
    others, own = every.distance[~every.same], used.distance[used.same]
    table: dict[str, float] = {"n_pairs_used": len(used.same), "n_impostor_pairs": len(others)}
    table |= _with_interval("auc", _auc, used.distance, used.same, groups=used.source, rng=rng)
    for name, fmr in FMRS.items():
        limit = float(np.quantile(others, fmr))
        table |= {f"threshold_fmr_{name}": limit, f"fnmr_at_fmr_{name}": _mean(own > limit)}
    table |= {"threshold": threshold, "fmr": _mean(others <= threshold), "fnmr": _mean(own > threshold)}
    return table | {"accuracy_in_sample": _mean((pairs.distance <= threshold) == pairs.same)}


def false_matches(distance: Floats) -> dict[str, Any]:
    """The share of pairs of different people within each of CURVE, at least RULE_OF_THREE / n: an upper bound there."""
    counts = np.searchsorted(np.sort(distance), CURVE, side="right")
    rates = np.maximum(counts, RULE_OF_THREE) / len(distance)
    first = int(np.argmax(counts > RULE_OF_THREE)) - 1
    kept = slice(max(first, 0), None)
    return {
        "n_pairs": len(distance),
        "distance": [float(value) for value in CURVE[kept]],
        "rate": [float(f"{value:.4g}") for value in rates[kept]],
    }


def worse_quality(faces: Mapping[str, Any], pair: Mapping[str, str]) -> float:
    """The lower quality of a pair's two faces, NaN without one of them."""
    both = [faces.get(pair[side]) for side in ("file_a", "file_b")]
    return min(float(face.quality[0]) if face is not None else np.nan for face in both)


def by_quality(pairs: Pairs, quality: Floats, *, threshold: float) -> dict[str, float]:
    """Share of pairs of one person that are missed, for the lower and the upper half of the worse photo's quality."""
    kept = pairs.same & np.isfinite(pairs.distance)
    distance, worse = pairs.distance[kept], quality[kept]
    low = worse <= np.median(worse)
    return {
        "median_quality": float(np.median(worse)),
        "fnmr_lower_quality": _mean(distance[low] > threshold),
        "fnmr_upper_quality": _mean(distance[~low] > threshold),
    }


def _with_interval(name: str, score: Any, *columns: Any, groups: Any, rng: np.random.Generator) -> dict[str, float]:
    low, high = bootstrap_interval(score, *columns, groups=groups, rng=rng)
    return {name: score(*columns), f"{name}_low": low, f"{name}_high": high}


def _auc(distance: Floats, same: Bools) -> float:
    return roc_auc(-distance, same)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _balanced(right: Bools, same: Bools) -> float:
    return (_mean(right[same]) + _mean(right[~same])) / 2


def _write_csv(name: str, rows: list[dict[str, Any]]) -> None:
    with (RESULTS / name).open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_rounded, rows))


def _note(threshold: float, row: dict[str, Any], curve: dict[str, Any]) -> None:
    """Put the threshold, the scores and how to read them on the template's card."""
    card = WEIGHTS / "face_template.toml"
    spec = read_card(card)
    measured = _rounded(row) | {"thresholds": READING, "script": "recipes/face_templates.py"}
    thresholds = {**spec.thresholds, "same_person": threshold}
    write_card(
        replace(
            spec, metrics={**spec.metrics, "faces_identity": measured, "false_matches": curve}, thresholds=thresholds
        ),
        card,
    )
    print("\n".join(f"{name:24} {value}" for name, value in measured.items()))


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


if __name__ == "__main__":
    main()
