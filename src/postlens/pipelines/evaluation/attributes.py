"""Photos of faces with labelled attributes to the scores of the attributes head that ships.

Layout: `attributes.csv` with `file`, a column for each attribute (0, 1 or blank: unknown) and, if wanted,
`source_group`, `person` and `male`. Every photo goes the way of `postlens analyze`: decoded at its scale, faces
detected, crops encoded, head applied. The largest face is taken to be the labelled one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError
from postlens.media.image import DecodedImage
from postlens.pipelines.evaluation.layout import read_table
from postlens.pipelines.evaluation.media import read_photo
from postlens.tasks.products.evaluate import score_attributes
from postlens.tasks.products.features import LOOK, face_features
from postlens.tasks.products.predict import MODEL, predict_attributes
from postlens.tasks.products.recommend import main_row
from postlens.types import ATTRIBUTES, FloatArray, ModelSpec
from postlens.vision.cards import file_sha256
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import open_model

MANIFEST = "attributes.csv"
NO_FACE = "NoFace"
SEXES = {"1": "men", "0": "women"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows of attributes.csv as columns."""

    files: tuple[Path, ...]
    labels: FloatArray  # (N, 6) in the order of ATTRIBUTES; NaN where unknown
    source: NDArray[np.str_]
    person: NDArray[np.str_]  # the file's name where unknown: photos of one person are drawn together
    sex: NDArray[np.str_]  # "men", "women" or "unknown", as labelled by the collection


def read_manifest(folder: Path) -> Manifest:
    """The labelled photos of a folder; absent label columns are unknown throughout.

    Raises `SourceNotFoundError` without attributes.csv, `TableError` if it is damaged or lacks its column `file`,
    `EmptySourceError` without rows.
    """
    rows = read_table(folder / MANIFEST, "file")
    if not rows:
        raise EmptySourceError(f"{folder / MANIFEST}: expected labelled photos, got no row; add them")
    return Manifest(
        files=tuple(folder / row["file"] for row in rows),
        labels=np.array([[_label(row.get(name)) for name in ATTRIBUTES] for row in rows], np.float32),
        source=np.array([row.get("source_group") or "unknown" for row in rows]),
        person=np.array([row.get("person") or row["file"] for row in rows]),
        sex=np.array([SEXES.get(row.get("male") or "", "unknown") for row in rows]),
    )


def evaluate(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Per attribute n, n_pos, auc, f1, precision and recall with 95 % intervals at the card's thresholds.

    Also n (photos scored), failed (photos that could not be read or show no face), failures (by error class) and
    in_sample. Intervals are drawn by person where known, else by photo.
    """
    manifest, reader = read_manifest(folder), AttributeReader()
    probs = np.full((len(manifest.files), len(ATTRIBUTES)), np.nan)
    failures: Counter[str] = Counter()
    for row, path in enumerate(manifest.files):
        try:
            probs[row] = reader.read(path)
        except MediaError as error:
            failures[type(error).__name__] += 1
        if progress is not None:
            progress(row + 1, len(manifest.files))
    known = ~np.isnan(probs[:, 0])
    failures[NO_FACE] += int((~known).sum()) - failures.total()
    tables = score_attributes(
        probs[known],
        manifest.labels[known],
        thresholds=reader.spec.thresholds,
        rng=np.random.default_rng(0),
        groups=manifest.person[known],
    )
    return {
        "n": int(known.sum()),
        "failed": failures.total(),
        "failures": {name: count for name, count in failures.items() if count},
        "in_sample": file_sha256(folder / MANIFEST) in reader.spec.train_manifests,
        **tables,
    }


class AttributeReader:
    """Photo files to the attributes of their largest face; holds the models of one thread."""

    def __init__(self) -> None:
        self._detector, self._encoder, self._head = FaceDetector(), Encoder(LOOK), open_model(MODEL)
        self._settings = Settings.load()

    @property
    def spec(self) -> ModelSpec:
        """The head's card."""
        return self._head.spec

    def read(self, path: Path) -> NDArray[np.float64]:
        """Probabilities (6,), NaN without a face. Raises `MediaError` for a file that cannot be decoded."""
        return self._probs(read_photo(path, settings=self._settings))

    def _probs(self, photo: DecodedImage) -> NDArray[np.float64]:
        faces = self._detector.detect(photo.image, scale=photo.scale)
        row = main_row(faces, min_quality=0)
        if row is None:
            return np.full(len(ATTRIBUTES), np.nan)
        features = face_features(photo.image, faces[[row]], self._encoder, scale=photo.scale)
        return np.asarray(predict_attributes(features, self._head)[0], np.float64)


def _label(text: str | None) -> float:
    return {"0": 0.0, "1": 1.0}.get((text or "").strip(), np.nan)
