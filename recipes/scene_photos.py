"""Photos labelled with the emotions they convey as columns; imported by recipes/scene_emotion.py and reactions.py.

Two sets: OASIS (`scene_emotion`: one emotion a photo, rated by viewers for valence and arousal) and 600 photos of
`niche`, labelled by eye in scene_labels.csv (several emotions a photo; valence and arousal in halves; keys: the photo's
sha256). Reading takes a minute on one core; with `cache` the columns are kept in a file outside the project.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.pipelines.evaluation.layout import MANIFEST
from postlens.pipelines.evaluation.media import read_photo
from postlens.pipelines.evaluation.scene_emotion import SceneReader
from postlens.tasks.reactions.fuse import pool_expressions
from postlens.tasks.reactions.views import scene_views
from postlens.types import EMOTIONS
from postlens.vision.measures import measure_image

LABELS = Path(__file__).with_name("scene_labels.csv")
Float = NDArray[np.float64]
Strings = NDArray[np.str_]


@dataclass(frozen=True)
class Photos:
    """N photos as columns; NaN: no face was found."""

    set_name: Strings  # "oasis" or "niche"
    group: Strings  # OASIS's theme, or the source: held out together
    labels: Float  # (N, 8) 0 or 1
    rated: Float  # (N, 2) valence and arousal, 1 to 7
    views: Float  # (N, 4, D) embeddings of the photo itself and its other views (`scene_views`)
    measures: Float  # (N, M) of light and colour
    shown: Float  # (N, 8) pooled expression
    trust: Float  # (N,)
    n_faces: Float  # (N,)

    def __len__(self) -> int:
        return len(self.group)

    def __getitem__(self, rows: NDArray[Any]) -> Photos:
        return Photos(*(getattr(self, f.name)[rows] for f in fields(self)))


def load_photos(data: Path, *, cache: Path | None = None) -> Photos:
    """The photos of both sets in a folder that holds `scene_emotion` and `niche`."""
    if cache is not None and cache.is_file():
        with np.load(cache) as kept:
            return Photos(**{f.name: kept[f.name] for f in fields(Photos)})
    reader = SceneReader()
    rows = [_read(reader, *row) for row in (*_oasis(data / "scene_emotion"), *_by_eye(data / "niche"))]
    photos = Photos(*(np.array(column) for column in zip(*rows, strict=True)))
    if cache is not None:
        np.savez_compressed(cache, **{f.name: getattr(photos, f.name) for f in fields(Photos)})
    return photos


def _oasis(folder: Path) -> Iterator[tuple[Any, ...]]:
    for row in _rows(folder / MANIFEST):
        labels = [float(row["label"] == name) for name in EMOTIONS]
        rated = [float(row["valence_1_7"]), float(row["arousal_1_7"])]
        yield folder / row["file"], "oasis", row["holdout_group"], labels, rated


def _by_eye(folder: Path) -> Iterator[tuple[Any, ...]]:
    labelled = {row["sha256"]: row for row in _rows(LABELS)}
    for photo in _rows(folder / MANIFEST):
        path = folder / photo["file"]
        row = labelled.pop(hashlib.sha256(path.read_bytes()).hexdigest()[:16], None) if path.is_file() else None
        if row is not None:
            labels, rated = [float(row[name]) for name in EMOTIONS], [float(row["valence"]), float(row["arousal"])]
            yield path, "niche", photo["source_group"], labels, rated


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read(reader: SceneReader, path: Path, *known: Any) -> tuple[Any, ...]:
    photo = read_photo(path, settings=Settings.load())
    vectors, _ = reader.encoder.embed(scene_views(photo.image))
    faces = reader.faces(photo)
    shown, none = pool_expressions(faces), np.full(len(EMOTIONS), np.nan)
    return (
        *known, vectors, list(measure_image(photo.image).values()), none if shown is None else shown.probs,
        0.0 if shown is None else shown.trust, 0.0 if shown is None else shown.n_faces,
    )  # fmt: skip
