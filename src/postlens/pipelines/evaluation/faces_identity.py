"""Labelled pairs of photos to the scores of 1:1 verification by the face template that ships.

Layout: `pairs.csv` with the columns `file_a`, `file_b`, `same` (1 or 0) and, if wanted, `source_group`. Every photo is
decoded and searched as in `postlens analyze`; its largest face counts. As each photo is given as one of a face, a photo
in which none is found is searched again with a border around it (`n_padded` counts those in which one then is). A photo
that cannot be read or still has no face is counted under `failed`, and its pairs are answered "different" in the
accuracy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError
from postlens.pipelines.evaluation.layout import read_table
from postlens.pipelines.evaluation.media import read_photo
from postlens.pipelines.photos import largest, search_image
from postlens.tasks.people.evaluate import score_pairs
from postlens.types import Faces, FloatArray, Image
from postlens.vision.cards import file_sha256
from postlens.vision.faces import CAREFUL, FaceDetector
from postlens.vision.templates import SAME_PERSON, TEMPLATE, identity_vectors
from postlens.vision.zoo import load_spec

PAIRS = "pairs.csv"
NO_FACE = "NoFace"
Pair = Mapping[str, str]


@dataclass
class PhotoFaces:
    """The face of each photo by its file (`Faces` of one row), how many needed a border, and reasons of failure."""

    by_file: dict[str, Faces] = field(default_factory=dict)
    n_padded: int = 0
    failures: Counter[str] = field(default_factory=Counter)


def evaluate(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """n, accuracy at the shipped threshold, auc, fnmr_at_fmr_1e2, fnmr_at_fmr_1e3, threshold, by_source, with `_ci`.

    Also n_compared (pairs with a face in both photos), n_padded (photos whose face needed a border), failed
    (photos without a face), failures (by reason), in_sample. Raises `SourceNotFoundError` without pairs.csv,
    `TableError` without its columns, `EmptySourceError` without pairs.
    """
    pairs = read_pairs(folder)
    files = sorted({pair[side] for pair in pairs for side in ("file_a", "file_b")})
    photos = read_faces(folder, files, progress=progress)
    spec = load_spec(TEMPLATE)
    return {
        **score_pairs(
            distances(pairs, vectors_of(photos)),
            np.array([pair["same"].strip() == "1" for pair in pairs]),
            threshold=spec.thresholds[SAME_PERSON],
            sources=[pair.get("source_group") or "unknown" for pair in pairs],
            people=[str(Path(pair["file_a"]).parent) for pair in pairs],
            rng=np.random.default_rng(0),
        ),
        "n_padded": photos.n_padded,
        "failed": photos.failures.total(),
        "failures": dict(photos.failures),
        "in_sample": any(file_sha256(table) in spec.train_manifests for table in folder.glob("*.csv")),
    }


def read_pairs(folder: Path) -> list[dict[str, str]]:
    """The rows of pairs.csv that name two photos and an answer."""
    needed = ("file_a", "file_b", "same")
    rows = [row for row in read_table(folder / PAIRS, *needed) if all(row[name] for name in needed)]
    if not rows:
        raise EmptySourceError(f"{folder / PAIRS}: expected rows with two photos and an answer, got none; add them")
    return rows


def read_faces(folder: Path, files: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> PhotoFaces:
    """The largest face of each photo, in the order of `files`."""
    detector, settings = FaceDetector(views=CAREFUL), Settings.load()
    photos = PhotoFaces()
    for done, file in enumerate(files, start=1):
        try:
            photo = read_photo(folder / file, settings=settings)
        except MediaError as error:
            photos.failures[type(error).__name__] += 1
        else:
            _note(photos, file, *find_face(detector, photo.image))
        if progress is not None:
            progress(done, len(files))
    return photos


def _note(photos: PhotoFaces, file: str, face: Faces, border: float) -> None:
    if len(face):
        photos.by_file[file] = face
        photos.n_padded += border > 0
    else:
        photos.failures[NO_FACE] += 1


def find_face(detector: FaceDetector, image: Image) -> tuple[Faces, float]:
    """The largest face of a photo (H, W, 3) that is known to show one, and the border that it took.

    `Faces` of one row, or of none if no border helps; boxes and landmarks are in pixels of `image`, and may leave it.
    """
    faces, border = search_image(detector, image)
    return (faces[[largest(faces)]] if len(faces) else faces), border


def vectors_of(photos: PhotoFaces) -> dict[str, FloatArray]:
    """Identity vector (D,) of each photo's face."""
    found = {file: face.template for file, face in photos.by_file.items() if face.template is not None}
    return {file: identity_vectors(template)[0] for file, template in found.items()}


def distances(pairs: Iterable[Pair], vectors: Mapping[str, FloatArray]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """L2 distance of each pair, NaN where a photo has no identity vector: (N,)."""

    def distance(pair: Pair) -> float:
        a, b = vectors.get(pair["file_a"]), vectors.get(pair["file_b"])
        return float("nan") if a is None or b is None else float(np.linalg.norm(a - b))

    return np.array([distance(pair) for pair in pairs], np.float64)
