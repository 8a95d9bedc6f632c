"""Labelled photos to the scores of the niche head that ships, or of one that was trained.

Layout: `manifest.csv` with the columns `file`, `label` and, if wanted, `source_group`; or, without a manifest, one
folder of photos for each label. Every photo goes the way of `postlens analyze`: decoded at its scale, encoded, head
applied, threshold applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.config import Settings
from postlens.errors import EmptySourceError, MediaError
from postlens.pipelines.evaluation.layout import MANIFEST, UNKNOWN_LABEL, Photo, is_in_sample, list_photos
from postlens.pipelines.evaluation.media import read_photo
from postlens.tasks.niche import predict_posts
from postlens.tasks.niche.evaluate import score_posts
from postlens.tasks.niche.model import load_niche_model
from postlens.types import NICHES, Embeddings, FloatArray
from postlens.vision.encoder import BATCH_SIZE, Encoder


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
    encoder, head = model.open_encoder(), model.open_head()
    vectors, read, errors = embed_photos(photos, encoder, progress=progress)
    if not read:
        raise EmptySourceError(f"{folder}: expected photos labelled {', '.join(NICHES)}, could read none")
    ids = tuple(str(photo.path) for photo in read)
    predictions = predict_posts(Embeddings(ids, vectors, encoder.fingerprint), head)
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


def embed_photos(
    photos: Sequence[Photo], encoder: Encoder, *, progress: Callable[[int, int], None] | None = None
) -> tuple[FloatArray, list[Photo], Counter[str]]:
    """Vectors (N, D), the photos that they belong to, and the failures by error class."""
    settings = Settings.load()
    rows: list[FloatArray] = []
    read: list[Photo] = []
    failures: Counter[str] = Counter()
    for start in range(0, len(photos), BATCH_SIZE):
        images = []
        for photo in photos[start : start + BATCH_SIZE]:
            try:
                images.append(read_photo(photo.path, settings=settings).image)
                read.append(photo)
            except MediaError as error:
                failures[type(error).__name__] += 1
        rows.append(encoder.embed(images)[0])
        if progress is not None:
            progress(min(start + BATCH_SIZE, len(photos)), len(photos))
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32), read, failures
