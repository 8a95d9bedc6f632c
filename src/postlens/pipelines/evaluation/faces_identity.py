"""Labelled pairs of photos to the scores of 1:1 verification by the face template that ships.

Layout: `pairs.csv` with the columns `file_a`, `file_b`, `same` (1 or 0) and, if wanted, `source_group`. Every photo
goes the way of `postlens analyze`; its largest face counts. A photo that cannot be read or has no face is counted under
`failed`, and its pairs are answered "different" in the accuracy.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError, SourceNotFoundError, TableError
from postlens.media.decode import Decoding, decode_file
from postlens.tasks.people.evaluate import score_pairs
from postlens.types import Faces, FloatArray
from postlens.vision.cards import file_sha256
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import load_spec

TEMPLATE = "face_template"
VERIFY_THRESHOLD = "same_person"  # its name on the template's card
PAIRS = "pairs.csv"
NO_FACE = "NoFace"
Pair = Mapping[str, str]


def evaluate(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """n, accuracy at the shipped threshold, auc, fnmr_at_fmr_1e2, fnmr_at_fmr_1e3, threshold, by_source, with `_ci`.

    Also n_compared (pairs with a face in both photos), failed (photos without), failures (by reason), in_sample. Raises
    `SourceNotFoundError` without pairs.csv, `TableError` without its columns, `EmptySourceError` without pairs.
    """
    pairs = read_pairs(folder)
    files = sorted({pair[side] for pair in pairs for side in ("file_a", "file_b")})
    templates, failures = read_templates(folder, files, progress=progress)
    spec = load_spec(TEMPLATE)
    return {
        **score_pairs(
            distances(pairs, templates),
            np.array([pair["same"].strip() == "1" for pair in pairs]),
            threshold=spec.thresholds[VERIFY_THRESHOLD],
            sources=[pair.get("source_group") or "unknown" for pair in pairs],
            people=[str(Path(pair["file_a"]).parent) for pair in pairs],
            rng=np.random.default_rng(0),
        ),
        "failed": failures.total(),
        "failures": dict(failures),
        "in_sample": any(file_sha256(table) in spec.train_manifests for table in folder.glob("*.csv")),
    }


def read_pairs(folder: Path) -> list[dict[str, str]]:
    """The rows of pairs.csv that name two photos and an answer."""
    try:
        with (folder / PAIRS).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise SourceNotFoundError(f"{folder}: expected {PAIRS} in the folder ({error.strerror})") from error
    needed = ("file_a", "file_b", "same")
    if rows and not set(needed) <= rows[0].keys():
        raise TableError(f"{folder / PAIRS}: expected columns {', '.join(needed)}, got {', '.join(rows[0])}")
    rows = [row for row in rows if all(row[name] for name in needed)]
    if not rows:
        raise EmptySourceError(f"{folder / PAIRS}: expected rows with two photos and an answer, got none")
    return rows


def read_templates(
    folder: Path, files: Sequence[str], *, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, FloatArray], Counter[str]]:
    """Template (D,) of the largest face of each photo, and how many photos gave none, by reason."""
    detector, how = FaceDetector(), Decoding(max_side_px=Settings().image_max_side_px)
    templates: dict[str, FloatArray] = {}
    failures: Counter[str] = Counter()
    for done, file in enumerate(files, start=1):
        try:
            _, frames = decode_file(folder / file, how=how)
            faces = detector.detect(frames.images[0], scale=frames.scale)
        except MediaError as error:
            failures[type(error).__name__] += 1
        else:
            if faces.template is None or not len(faces):
                failures[NO_FACE] += 1
            else:
                templates[file] = faces.template[largest(faces)]
        if progress is not None:
            progress(done, len(files))
    return templates, failures


def largest(faces: Faces) -> int:
    """Row of the face with the largest box."""
    return int(np.argmax(np.prod(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], axis=1)))


def distances(pairs: Iterable[Pair], templates: Mapping[str, FloatArray]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """L2 distance of each pair, NaN where a photo has no template: (N,)."""

    def distance(pair: Pair) -> float:
        a, b = templates.get(pair["file_a"]), templates.get(pair["file_b"])
        return float("nan") if a is None or b is None else float(np.linalg.norm(a - b))

    return np.array([distance(pair) for pair in pairs], np.float64)
