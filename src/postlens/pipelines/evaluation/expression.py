"""Labelled photos of faces to the scores of the expression reader that ships.

Layout: `manifest.csv` with the columns `file`, `label` and, if wanted, `source_group` and `holdout_group` (the person);
or, without a manifest, one folder of photos for each emotion. Every photo goes the way of `postlens analyze`: decoded
at its scale, faces detected, the largest one read. Where no face is found the whole photo is taken to be one, and
counted: such collections are cut tightly around faces that a detector needs more surroundings for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError
from postlens.media.image import DecodedImage
from postlens.pipelines.evaluation.layout import MANIFEST, UNKNOWN_LABEL, Photo, is_in_sample, list_photos
from postlens.pipelines.evaluation.media import read_photo
from postlens.pipelines.photos import largest
from postlens.tasks.reactions.evaluate import score_emotions
from postlens.tasks.reactions.features import (
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    calibrated,
    face_features,
    whole_features,
)
from postlens.types import EMOTIONS, FloatArray
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import open_model

Progress = Callable[[int, int], None]


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
            return face_features(photo.image, faces[[largest(faces)]], self._net, scale=photo.scale)
        self.n_undetected += 1
        return whole_features(photo.image, self._net)


def read_photos(folder: Path) -> tuple[list[Photo], Counter[str]]:
    """The photos labelled with an emotion, by manifest or by sub-folder, and how many have another label.

    Raises `EmptySourceError` when there is no photo, `TableError` for a manifest without `file` and `label`.
    """
    listed = list_photos(folder, EMOTIONS)
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
    settings = Settings.load()
    rows, done = [], []
    for number, photo in enumerate(photos, start=1):
        try:
            rows.append(read(read_photo(photo.path, settings=settings)))
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


def _by_source(probs: FloatArray, photos: Sequence[Photo]) -> dict[str, Any]:
    sources = np.array([photo.source_group for photo in photos])
    return {
        name: score_photos(probs[sources == name], [p for p, s in zip(photos, sources, strict=True) if s == name])
        for name in sorted(set(sources.tolist()) - {""})
    }
