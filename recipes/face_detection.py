"""Which passes and thresholds the face detector runs with, measured: recall and false hits.

    python recipes/face_detection.py --data ../shared/data      # about 6 minutes on one core

Recall: photos of faces_identity and expression (each shows at least one face) where a face is verified; a box must also
overlap the annotated largest face by IoU .35 where there is one. False hits: photos of food and interiors that show a
verified face at all (an upper bound: a few do show people). Writes benchmarks/results/face_detection.csv.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

from postlens.types import Image as Pixels
from postlens.vision.boxes import box_iou
from postlens.vision.detector import CandidateFinder
from postlens.vision.faces import FaceDetector

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "face_detection.csv"
SAMPLE = {"faces_identity": 150, "expression": 100, "food": 100, "interior": 100}
MIN_IOU = 0.35  # MTCNN's boxes are taller than BlazeFace's
PASSES = {
    "256": ((256, 0),),
    "192+border": ((192, 32),),
    "160+border": ((160, 48),),
    "160+border, 384": ((160, 48), (384, 0)),
}
CERTAINTIES = (0.0, 0.7, 0.9, 0.95)


def main() -> None:
    """Count hits for every choice of passes and verifier threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    photos = choose_photos(parser.parse_args().data)
    with RESULTS.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["passes", "min_certainty", *(f"{name}_share" for name in SAMPLE)])
        for label, passes in PASSES.items():
            detector = FaceDetector(CandidateFinder(passes=passes))
            hits = {name: [best_certainty(detector, *photo) for photo in rows] for name, rows in photos.items()}
            for limit in CERTAINTIES:
                shares = [round(float(np.mean(np.array(values) > limit)), 3) for values in hits.values()]
                writer.writerow([label, limit, *shares])


def choose_photos(data: Path) -> dict[str, list[tuple[Path, str]]]:
    """Paths and annotated largest boxes ("" where there is none), a fixed random draw per set."""
    rng = np.random.default_rng(0)
    chosen = {}
    for name, size in SAMPLE.items():
        folder = data / (name if (data / name).is_dir() else "niche")
        rows = list(csv.DictReader((folder / "manifest.csv").open()))
        rows = [row for row in rows if folder.name != "niche" or row["label"] == name]
        picked = rng.choice(len(rows), min(size, len(rows)), replace=False)
        chosen[name] = [(folder / rows[i]["file"], rows[i].get("largest_face_box", "")) for i in picked]
    return chosen


def best_certainty(detector: FaceDetector, path: Path, box: str) -> float:
    """The verifier's highest probability among candidates (those on the annotated face, if any); 0 without any."""
    image: Pixels = np.asarray(Image.open(path).convert("RGB"))
    found = detector.candidates(image)
    if box and len(found):
        annotated = np.array([[float(value) for value in box.split()]])
        found = found[np.flatnonzero(box_iou(annotated, found.xyxy_px)[0] > MIN_IOU)]
    return float(found.score.max()) if len(found) else 0.0


if __name__ == "__main__":
    main()
