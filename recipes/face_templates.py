"""Photo pairs labelled same / different person to the template's accuracy and thresholds, written on its card.

    python recipes/face_templates.py --data ../shared/data      # about 10 minutes on one core

Data: faces_identity (1,004 photos of public figures: LFW, CelebA and pages of public repositories; research terms).
The largest verified face of each photo counts; a pair with a photo without a face is left out and counted. Writes
benchmarks/results/face_templates.csv and the metrics and threshold of the face_template card.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from postlens.types import Faces
from postlens.vision.cards import read_card, write_card
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "face_templates.csv"
FMR = 1e-3  # one wrong merge in a thousand comparisons of two people
N_BOOTSTRAP = 1000
Floats = NDArray[np.float64]


def main() -> None:
    """Score the pairs and write the results and the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/")
    folder = parser.parse_args().data / "faces_identity"
    templates, quality, n_photos = read_templates(folder)
    pairs = list(csv.DictReader((folder / "pairs.csv").open()))
    usable = [pair for pair in pairs if pair["file_a"] in templates and pair["file_b"] in templates]
    distance = np.array([np.linalg.norm(templates[p["file_a"]] - templates[p["file_b"]]) for p in usable])
    same = np.array([p["same"] == "1" for p in usable])
    impostors = impostor_distances(templates)
    row: dict[str, float] = {"n_photos": n_photos, "n_photos_with_face": len(templates), "n_pairs": len(pairs)}
    row |= scores(distance, same, impostors, rng=np.random.default_rng(0))
    worse = np.array([min(quality[p["file_a"]], quality[p["file_b"]]) for p in usable])
    row |= by_quality(distance[same], worse[same], threshold=row["threshold_fmr_1e3"])
    _write(row)


def read_templates(folder: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, float], int]:
    """Template and quality of the largest face per photo, and the number of photos."""
    detector = FaceDetector()
    templates, quality = {}, {}
    files = [row["file"] for row in csv.DictReader((folder / "manifest.csv").open())]
    for file in files:
        faces = detector.detect(np.asarray(Image.open(folder / file).convert("RGB")))
        if len(faces) and faces.template is not None:
            row = _largest(faces)
            templates[file], quality[file] = faces.template[row], float(faces.quality[row])
    return templates, quality, len(files)


def _largest(faces: Faces) -> int:
    sides = faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2]
    return int(np.argmax(sides.prod(axis=1)))


def impostor_distances(templates: dict[str, NDArray[np.float32]]) -> Floats:
    """Distances of all pairs of photos of different people: enough of them to see a rate of 1e-3."""
    vectors = np.stack(list(templates.values())).astype(np.float64)
    people = np.array([name.split("/")[0] for name in templates])
    first, second = np.triu_indices(len(vectors), 1)
    other = people[first] != people[second]
    return np.linalg.norm(vectors[first[other]] - vectors[second[other]], axis=1)


def scores(
    distance: Floats, same: NDArray[np.bool_], impostors: Floats, *, rng: np.random.Generator
) -> dict[str, float]:
    """Accuracy (best threshold, ten folds), AUC with a 95 % bootstrap interval, and FNMR at fixed FMR."""
    threshold = float(np.quantile(impostors, FMR))
    samples = [rng.integers(0, len(same), len(same)) for _ in range(N_BOOTSTRAP)]
    spread = np.quantile([auc(distance[rows], same[rows]) for rows in samples], [0.025, 0.975])
    return {
        "n_pairs_used": len(same),
        "accuracy": folded_accuracy(distance, same, rng=rng),
        "auc": auc(distance, same),
        "auc_low": float(spread[0]),
        "auc_high": float(spread[1]),
        "n_impostor_pairs": len(impostors),
        "threshold_fmr_1e3": threshold,
        "threshold_fmr_1e2": float(np.quantile(impostors, 1e-2)),
        "fnmr_at_fmr_1e3": float((distance[same] > threshold).mean()),
        "fnmr_at_fmr_1e2": float((distance[same] > np.quantile(impostors, 1e-2)).mean()),
    }


def by_quality(distance: Floats, quality: Floats, *, threshold: float) -> dict[str, float]:
    """Share of pairs of one person that are missed, for the lower and the upper half of the worse photo's quality."""
    low = quality <= np.median(quality)
    return {
        "median_quality": float(np.median(quality)),
        "fnmr_lower_quality": float((distance[low] > threshold).mean()),
        "fnmr_upper_quality": float((distance[~low] > threshold).mean()),
    }


def auc(distance: Floats, same: NDArray[np.bool_]) -> float:
    """Probability that a pair of one person is closer than a pair of two (Mann-Whitney, ties count half)."""
    from scipy.stats import rankdata

    ranks, n_same = rankdata(-distance), int(same.sum())
    return float((ranks[same].sum() - n_same * (n_same + 1) / 2) / (n_same * (len(same) - n_same)))


def folded_accuracy(distance: Floats, same: NDArray[np.bool_], *, rng: np.random.Generator) -> float:
    """Share of right verdicts, each fold judged with the best threshold of the other nine."""
    folds = rng.permutation(len(same)) % 10
    right = 0
    for fold in range(10):
        rest, held = folds != fold, folds == fold
        cuts = np.unique(distance[rest])
        best = cuts[np.argmax([np.mean((distance[rest] <= cut) == same[rest]) for cut in cuts])]
        right += int(((distance[held] <= best) == same[held]).sum())
    return right / len(same)


def _write(row: dict[str, float]) -> None:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    with RESULTS.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rounded, lineterminator="\n")
        writer.writeheader()
        writer.writerow(rounded)
    card = WEIGHTS / "face_template.toml"
    spec = read_card(card)
    metrics = {**spec.metrics, "faces_identity": rounded | {"script": "recipes/face_templates.py"}}
    thresholds = {**spec.thresholds, "same_person": rounded["threshold_fmr_1e3"]}
    write_card(replace(spec, metrics=metrics, thresholds=thresholds), card)
    print("\n".join(f"{name:22} {value}" for name, value in rounded.items()))


if __name__ == "__main__":
    main()
