"""What each step of the vision layer costs on one core, written to benchmarks/results/vision.csv.

    python benchmarks/vision.py      # 20 s

Images are the photos of the bundled sample campaign at 640 px. Processor time of the thread is counted, so that other
work on the machine shifts the numbers little; the median of REPEATS runs is kept.
"""

import csv
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import postlens
from postlens.tasks.products.features import LOOK, face_features
from postlens.tasks.products.predict import MODEL, predict_attributes
from postlens.types import Image as Pixels
from postlens.vision.encoder import Encoder, prepare
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import open_model

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "vision.csv"
PHOTOS = Path(postlens.__file__).parent / "sample_campaign" / "media"
LONG_SIDE_PX = 640
REPEATS = 9


def main() -> None:
    """Measure every step and write one row per step."""
    steps = list(measure(load("*/*.jpg")))
    with RESULTS.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["step", "median_ms", "unit", "postlens", "machine"])
        for name, median_ms, unit in steps:
            writer.writerow([name, round(median_ms, 2), unit, postlens.__version__, platform.machine()])


def load(pattern: str) -> list[Pixels]:
    """The sample's photos, upright, long side LONG_SIDE_PX."""
    images = []
    for path in sorted(PHOTOS.glob(pattern)):
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        images.append(np.asarray(ImageOps.contain(image, (LONG_SIDE_PX, LONG_SIDE_PX))))
    return images


def measure(images: list[Pixels]) -> Iterator[tuple[str, float, str]]:
    """(step, milliseconds, per what) for the encoder, the detector and a face."""
    encoder, detector = Encoder(), FaceDetector()
    yield "prepare for encoder", median_ms(lambda: prepare(images[0], encoder.spec)), "image"
    session, prepared = open_model(encoder.spec.name), prepare(images[0], encoder.spec)
    for size in (1, 4, 8, 16):
        batch = {"image": np.repeat(prepared[None], size, axis=0)}
        yield f"encode, batch {size}", median_ms(lambda b=batch: session.run(b)) / size, "image"
    counts = np.array([len(detector.detect(image)) for image in images])
    costs = np.array([median_ms(lambda i=image: detector.detect(i)) for image in images])
    yield "detect, nobody there", float(np.median(costs[counts == 0])), "image"
    yield "detect and describe, one face", float(np.median(costs[counts == 1])), "image"
    yield "each face", float(np.median(costs[counts == 1]) - np.median(costs[counts == 0])), "face"
    yield (
        "look and attributes",
        median_ms(_reads_attributes(images[int(np.flatnonzero(counts == 1)[0])], detector)),
        "face",
    )


def _reads_attributes(image: Pixels, detector: FaceDetector) -> Callable[[], object]:
    net, head, face = Encoder(LOOK), open_model(MODEL), detector.detect(image)
    return lambda: predict_attributes(face_features(image, face, net), head)


def median_ms(work: Callable[[], object]) -> float:
    """Median processor time of REPEATS runs after one to warm up."""
    work()
    spent = []
    for _ in range(REPEATS):
        start = time.thread_time()
        work()
        spent.append(time.thread_time() - start)
    return float(np.median(spent)) * 1e3


if __name__ == "__main__":
    main()
