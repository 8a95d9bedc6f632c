"""Labelled photos to the scores of the niche head that ships.

Layout: `manifest.csv` with the columns `file`, `label` and, if wanted, `source_group`; or, without a manifest, one
folder of photos for each label. Every photo goes the way of `postlens analyze`: decoded at its scale, encoded, head
applied, threshold applied.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from postlens.errors import EmptySourceError, MediaError, TableError
from postlens.media.image import decode_image
from postlens.tasks.niche import POST_MODEL, predict_posts
from postlens.tasks.niche.evaluate import score_posts
from postlens.types import NICHES, Embeddings, FloatArray
from postlens.vision.cards import file_sha256
from postlens.vision.encoder import BATCH_SIZE, Encoder
from postlens.vision.zoo import open_model

MANIFEST = "manifest.csv"
UNKNOWN_LABEL = "UnknownLabel"


class LabelledPhoto(NamedTuple):
    """One row of the collection."""

    path: Path
    label: str
    source_group: str  # "" where unknown


def evaluate(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece and per_class with 95 % intervals, drawn by source where sources are named.

    Also failed (photos not scored), failures (by error class), interval_by, and in_sample. Raises `EmptySourceError`
    when nothing is labelled with a niche or no photo can be read, `TableError` for a manifest without its columns.
    """
    listed = read_labelled(folder)
    photos = [photo for photo in listed if photo.label in NICHES]
    failures = Counter({UNKNOWN_LABEL: len(listed) - len(photos)})
    encoder, head = Encoder(), open_model(POST_MODEL)
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
        "in_sample": (folder / MANIFEST).is_file() and file_sha256(folder / MANIFEST) in head.spec.train_manifests,
    }


def read_labelled(folder: Path) -> list[LabelledPhoto]:
    """The labelled photos of a folder, from its manifest or from the names of its sub-folders.

    Raises `EmptySourceError` when there is neither, `TableError` for a manifest without `file` and `label`.
    """
    manifest = folder / MANIFEST
    photos = _from_manifest(manifest) if manifest.is_file() else _from_folders(folder)
    if not photos:
        raise EmptySourceError(f"{folder}: expected {MANIFEST} with rows, or photos in folders named by niche")
    return photos


def embed_photos(
    photos: Sequence[LabelledPhoto], encoder: Encoder, *, progress: Callable[[int, int], None] | None = None
) -> tuple[FloatArray, list[LabelledPhoto], Counter[str]]:
    """Vectors (N, D), the photos that they belong to, and the failures by error class."""
    rows: list[FloatArray] = []
    read: list[LabelledPhoto] = []
    failures: Counter[str] = Counter()
    for start in range(0, len(photos), BATCH_SIZE):
        images = []
        for photo in photos[start : start + BATCH_SIZE]:
            try:
                images.append(decode_image(photo.path).image)
                read.append(photo)
            except MediaError as error:
                failures[type(error).__name__] += 1
        rows.append(encoder.embed(images)[0])
        if progress is not None:
            progress(min(start + BATCH_SIZE, len(photos)), len(photos))
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32), read, failures


def _from_manifest(manifest: Path) -> list[LabelledPhoto]:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "label"} <= rows[0].keys():
        raise TableError(f"{manifest}: expected columns file and label, got {', '.join(rows[0])}")
    return [
        LabelledPhoto(
            manifest.parent / (row["file"] or ""), (row["label"] or "").strip(), row.get("source_group") or ""
        )
        for row in rows
    ]


def _from_folders(folder: Path) -> list[LabelledPhoto]:
    labels = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name in NICHES]
    return [
        LabelledPhoto(path, label.name, "") for label in labels for path in sorted(label.iterdir()) if path.is_file()
    ]
