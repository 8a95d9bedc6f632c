"""Labelled photos to the scores of the niche head that ships, or of one that was trained.

Layout: `manifest.csv` with the columns `file`, `label` and, if wanted, `source_group`; or, without a manifest, one
folder of photos for each label. Every photo goes the way of `postlens analyze`: decoded at its scale, encoded, searched
for faces, heads applied, threshold applied. Of the time, most goes into the faces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError
from postlens.media.image import DecodedImage
from postlens.pipelines.evaluation.layout import MANIFEST, UNKNOWN_LABEL, Photo, is_in_sample, list_photos
from postlens.pipelines.evaluation.media import read_photo
from postlens.tasks.niche import MediaFaces, face_features, predict_posts
from postlens.tasks.niche.evaluate import score_posts
from postlens.tasks.niche.model import load_niche_model
from postlens.tasks.reactions.features import EXPRESSION_HEAD, EXPRESSION_NET, read_expressions
from postlens.types import NICHES, Embeddings, FloatArray
from postlens.vision.encoder import BATCH_SIZE, Encoder
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import open_model


def evaluate(
    folder: Path, *, progress: Callable[[int, int], None] | None = None, niche_model: Path | None = None
) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece and per_class with 95 % intervals, drawn by source where sources are named.

    Also failed (photos not scored), failures (by error class), interval_by, and in_sample.

    Args:
        niche_model: folder of a run of `postlens train niche`; default: the models that ship.

    Raises:
        EmptySourceError: nothing is labelled with a niche, or no photo can be read.
        TableError: a manifest without its columns.
        SettingsError, ModelError: the niche model cannot be used.
    """
    model = load_niche_model(niche_model)
    listed = read_labelled(folder)
    photos = [photo for photo in listed if photo.label in NICHES]
    failures = Counter({UNKNOWN_LABEL: len(listed) - len(photos)})
    encoder, head, face_head = model.open_encoder(), model.open_head(), model.open_faces()
    found = look_at(photos, encoder, reader=FaceReader() if face_head is not None else None, progress=progress)
    read, errors = found.photos, found.failures
    if not read:
        raise EmptySourceError(f"{folder}: expected photos labelled {', '.join(NICHES)}, could read none")
    vectors = Embeddings(tuple(str(photo.path) for photo in read), found.vectors, encoder.fingerprint)
    predictions = predict_posts(vectors, head, faces=found.faces, face_model=face_head)
    by_source = len({photo.source_group for photo in read} - {""}) > 1
    groups = [photo.source_group or str(photo.path) for photo in read]
    return {
        **score_posts(
            predictions,
            [photo.label for photo in read],
            groups=groups if by_source else None,
            rng=np.random.default_rng(0),
        ),
        "failed": (failures + errors).total(),
        "failures": dict(failures + errors),
        "interval_by": "source_group" if by_source else "photo",
        "in_sample": is_in_sample(folder, head.spec.train_manifests),
    }


def read_labelled(folder: Path) -> list[Photo]:
    """The labelled photos of a folder, from its manifest or from the names of its sub-folders.

    Raises `EmptySourceError` when there is neither, `TableError` for a manifest without `file` and `label`.
    """
    photos = list_photos(folder, NICHES)
    if not photos:
        raise EmptySourceError(f"{folder}: expected {MANIFEST} with rows, or photos in folders named by niche")
    return photos


class FaceReader:
    """Decoded photos to what `features.face_features` takes; holds the models of one thread."""

    def __init__(self) -> None:
        self._detector = FaceDetector()
        self._net, self._head = open_model(EXPRESSION_NET), open_model(EXPRESSION_HEAD)

    def read(self, photo: DecodedImage) -> MediaFaces:
        """The photo's faces with templates and expressions."""
        faces = self._detector.detect(photo.image, scale=photo.scale)
        if len(faces):
            probs = read_expressions(photo.image, faces, net=self._net, head=self._head, scale=photo.scale)
            faces = replace(faces, expression=probs)
        return MediaFaces(faces, photo.size_px)


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The photos that could be read, as columns."""

    photos: list[Photo]
    vectors: FloatArray  # (N, D)
    faces: FloatArray | None  # (N, 146); None: not looked for
    failures: Counter[str]  # by error class


def look_at(
    photos: Sequence[Photo],
    encoder: Encoder,
    *,
    reader: FaceReader | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LookedAt:
    """Photos to vectors and, with a reader, to face features."""
    settings = Settings.load()
    rows: list[FloatArray] = []
    read: list[Photo] = []
    found: list[list[MediaFaces]] = []
    failures: Counter[str] = Counter()
    for start in range(0, len(photos), BATCH_SIZE):
        images = []
        for photo in photos[start : start + BATCH_SIZE]:
            try:
                decoded = read_photo(photo.path, settings=settings)
            except MediaError as error:
                failures[type(error).__name__] += 1
                continue
            images.append(decoded.image)
            read.append(photo)
            found += [[reader.read(decoded)]] if reader is not None else []
        rows.append(encoder.embed(images)[0])
        if progress is not None:
            progress(min(start + BATCH_SIZE, len(photos)), len(photos))
    vectors = np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
    return LookedAt(read, vectors, face_features(found) if reader is not None else None, failures)


def embed_photos(
    photos: Sequence[Photo], encoder: Encoder, *, progress: Callable[[int, int], None] | None = None
) -> tuple[FloatArray, list[Photo], Counter[str]]:
    """Vectors (N, D), the photos that they belong to, and the failures by error class; faces are not looked for."""
    found = look_at(photos, encoder, progress=progress)
    return found.vectors, found.photos, found.failures
