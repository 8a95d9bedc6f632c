"""Labelled photos of faces to the scores of the expression reader that ships.

Layout: `manifest.csv` with the columns `file`, `label` and, if wanted, `source_group` and `holdout_group` (the person);
or, without a manifest, one folder of photos for each emotion. Every photo goes the way of `postlens analyze`: decoded
at its scale, faces detected, the largest one read. Where no face is found the whole photo is taken to be one, and
counted: such collections are cut tightly around faces that a detector needs more surroundings for.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from postlens.errors import EmptySourceError, MediaError, TableError
from postlens.media.image import DecodedImage, decode_image
from postlens.tasks.reactions.evaluate import score_emotions
from postlens.tasks.reactions.features import (
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    calibrated,
    expression_crops,
    expression_features,
    whole_crop,
)
from postlens.types import EMOTIONS, Faces, FloatArray
from postlens.vision.cards import file_sha256
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import open_model

MANIFEST = "manifest.csv"
UNKNOWN_LABEL = "UnknownLabel"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photo; `row` holds all columns of its manifest line."""

    path: Path
    label: str
    row: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What is drawn whole by the bootstrap: the person or theme, else the photo."""
        return self.row.get("holdout_group") or str(self.path)


def evaluate(folder: Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece and per_class with 95 % intervals, drawn by person where named, else by photo.

    Also by_source (where sources are named), undetected (photos without a found face), failed (photos not scored),
    failures (by error class) and in_sample. Raises `EmptySourceError` when no labelled photo can be read, `TableError`
    for a manifest without its columns.
    """
    photos, failures = read_photos(folder)
    reader, head = ExpressionReader(), open_model(EXPRESSION_HEAD)
    rows, read = read_all(photos, reader.features, failures=failures, progress=progress)
    if not read:
        raise EmptySourceError(f"{folder}: expected photos labelled {', '.join(EMOTIONS)}, could read none")
    probs = calibrated(np.concatenate(rows), head)
    return {
        **score_photos(probs, read),
        "by_source": _by_source(probs, read),
        "undetected": reader.n_undetected,
        "failed": failures.total(),
        "failures": dict(+failures),
        "in_sample": is_in_sample(folder, head.spec.train_manifests),
    }


class ExpressionReader:
    """Decoded photos to the features (1, 7) of their largest face; holds the models of one thread."""

    def __init__(self) -> None:
        self._detector, self._net = FaceDetector(), open_model(EXPRESSION_NET)
        self.n_undetected = 0

    def features(self, photo: DecodedImage) -> FloatArray:
        """Features of the largest face, or of the whole photo where none is found."""
        faces = self._detector.detect(photo.image, scale=photo.scale)
        if len(faces):
            crops = expression_crops(photo.image, largest(faces), scale=photo.scale)
        else:
            self.n_undetected += 1
            crops = [whole_crop(photo.image)]
        return expression_features(crops, self._net)


def largest(faces: Faces) -> Faces:
    """The face with the largest box, as a batch of one."""
    sides = faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2]
    return faces[[int(np.argmax(sides.prod(axis=1)))]]


def read_photos(folder: Path) -> tuple[list[Photo], Counter[str]]:
    """The photos labelled with an emotion, by manifest or by sub-folder, and how many have another label.

    Raises `EmptySourceError` when there is no photo, `TableError` for a manifest without `file` and `label`.
    """
    manifest = folder / MANIFEST
    listed = _from_manifest(manifest) if manifest.is_file() else _from_folders(folder)
    if not listed:
        raise EmptySourceError(f"{folder}: expected {MANIFEST} with rows, or photos in folders named by emotion")
    photos = [photo for photo in listed if photo.label in EMOTIONS]
    return photos, Counter({UNKNOWN_LABEL: len(listed) - len(photos)})


def read_all(
    photos: Sequence[Photo],
    read: Callable[[DecodedImage], FloatArray],
    *,
    failures: Counter[str],
    progress: Progress | None,
) -> tuple[list[FloatArray], list[Photo]]:
    """`read` of every photo that can be decoded, and those photos; the others are added to `failures` by class."""
    rows, done = [], []
    for number, photo in enumerate(photos, start=1):
        try:
            rows.append(read(decode_image(photo.path)))
            done.append(photo)
        except MediaError as error:
            failures[type(error).__name__] += 1
        if progress is not None:
            progress(number, len(photos))
    return rows, done


def score_photos(probs: FloatArray, photos: Sequence[Photo]) -> dict[str, Any]:
    """Scores of probabilities (N, 8), intervals by the photos' groups."""
    labels, groups = [photo.label for photo in photos], [photo.group for photo in photos]
    return score_emotions(probs, labels, groups=groups, rng=np.random.default_rng(0))


def is_in_sample(folder: Path, train_manifests: Sequence[str]) -> bool:
    """Whether the folder's manifest is one that a model was trained on."""
    return (folder / MANIFEST).is_file() and file_sha256(folder / MANIFEST) in train_manifests


def _by_source(probs: FloatArray, photos: Sequence[Photo]) -> dict[str, Any]:
    sources = np.array([photo.row.get("source_group") or "" for photo in photos])
    return {
        name: score_photos(probs[sources == name], [p for p, s in zip(photos, sources, strict=True) if s == name])
        for name in sorted(set(sources.tolist()) - {""})
    }


def _from_manifest(manifest: Path) -> list[Photo]:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "label"} <= rows[0].keys():
        raise TableError(f"{manifest}: expected columns file and label, got {', '.join(rows[0])}")
    return [Photo(manifest.parent / (row["file"] or ""), (row["label"] or "").strip(), row) for row in rows]


def _from_folders(folder: Path) -> list[Photo]:
    labels = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name in EMOTIONS]
    return [Photo(path, label.name) for label in labels for path in sorted(label.iterdir()) if path.is_file()]
