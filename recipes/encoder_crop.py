"""How the encoder's input is cut, measured: linear probes on the niche photos with sources held out.

    python recipes/encoder_crop.py --data ../shared/data      # about 5 minutes on one core

Data: niche (3,116 photos of 52 sources; mixed licences, many for research only). Writes
benchmarks/results/encoder_crop.csv. Result: the centre square beats the squashed and the letterboxed whole image.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from postlens.vision.encoder import Encoder, normalize

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "encoder_crop.csv"
SIDE_PX = 224
INVERSE_PENALTY = 0.003  # strong, as 1,280 features meet 3,116 photos; not tuned per cut
Cut = Callable[[Image.Image], Image.Image]


def squash(image: Image.Image) -> Image.Image:
    """The whole image, its shape given up."""
    return image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)


def centre(image: Image.Image, *, share: float = 1.0) -> Image.Image:
    """The centre square, `share` of the short side."""
    side = min(image.size) * share
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, box=box)


def letterbox(image: Image.Image) -> Image.Image:
    """The whole image in its shape on grey."""
    small = image.copy()
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", (SIDE_PX, SIDE_PX), (127, 127, 127))
    canvas.paste(small, ((SIDE_PX - small.width) // 2, (SIDE_PX - small.height) // 2))
    return canvas


CUTS: dict[str, Cut] = {
    "squash": squash,
    "centre": centre,
    "centre_7_8": lambda image: centre(image, share=7 / 8),
    "letterbox": letterbox,
}


def main() -> None:
    """Embed every photo in every cut, score the probes, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds niche/")
    folder = parser.parse_args().data / "niche"
    photos = list(csv.DictReader((folder / "manifest.csv").open()))
    features = embed_cuts([folder / photo["file"] for photo in photos])
    labels = np.array([photo["label"] for photo in photos])
    groups = np.array([photo["source_group"] for photo in photos])
    with RESULTS.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["cut", "n", "accuracy", "macro_f1"])
        for name, vectors in features.items():
            accuracy, macro_f1 = probe_sources_held_out(vectors, labels, groups)
            writer.writerow([name, len(labels), round(accuracy, 4), round(macro_f1, 4)])


def embed_cuts(files: list[Path]) -> dict[str, NDArray[np.float32]]:
    """Features (N, dim) of all files under each cut."""
    encoder = Encoder()
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in CUTS}
    for file in files:
        image = Image.open(file).convert("RGB")
        batch = np.stack([normalize(np.asarray(cut(image)), encoder.spec) for cut in CUTS.values()])
        for name, vector in zip(CUTS, encoder.embed_prepared(batch)[0], strict=True):
            found[name].append(vector)
    return {name: np.stack(vectors) for name, vectors in found.items()}


def probe_sources_held_out(
    vectors: NDArray[np.float32], labels: NDArray[np.str_], groups: NDArray[np.str_]
) -> tuple[float, float]:
    """Accuracy and macro-F1 of a logistic regression over five folds that share no source."""
    predicted = np.empty_like(labels)
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(vectors, labels, groups):
        head = LogisticRegression(C=INVERSE_PENALTY, max_iter=200, class_weight="balanced")
        predicted[test] = (
            make_pipeline(StandardScaler(), head).fit(vectors[train], labels[train]).predict(vectors[test])
        )
    return float(accuracy_score(labels, predicted)), float(f1_score(labels, predicted, average="macro"))


if __name__ == "__main__":
    main()
