"""Photos labelled with the emotion they convey to the scores of the scene reader, and of its fusion with faces.

Layout: `manifest.csv` with the columns `file`, `label` and, if wanted, `valence_1_7`, `arousal_1_7` and `holdout_group`
(the theme); or, without a manifest, one folder of photos for each emotion. Every photo goes the way of `postlens
analyze`: decoded at its scale, encoded, faces detected and read, both fused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import EmptySourceError
from postlens.media.image import DecodedImage
from postlens.pipelines.evaluation.expression import Progress, read_all, read_photos, score_photos
from postlens.pipelines.evaluation.layout import Photo, is_in_sample
from postlens.tasks.reactions.evaluate import score_ratings
from postlens.tasks.reactions.features import (
    AFFECT_HEAD,
    EXPRESSION_HEAD,
    EXPRESSION_NET,
    SCENE_HEAD,
    read_expressions,
    read_scene,
)
from postlens.tasks.reactions.fuse import fuse, pool_expressions
from postlens.types import EMOTIONS, Faces, FloatArray
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import open_model

K = len(EMOTIONS)


def evaluate(folder: Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece, per_class, valence_r and arousal_r with 95 % intervals, drawn by theme where named.

    Scores are those of the scene fused with the faces, as `postlens analyze` answers; `scene_only` has those of the
    scene alone. Also n_with_faces, failed (photos not scored), failures (by error class) and in_sample. Raises
    `EmptySourceError` when no labelled photo can be read, `TableError` for a manifest without its columns.
    """
    photos, failures = read_photos(folder)
    reader = SceneReader()
    rows, read = read_all(photos, reader.read, failures=failures, progress=progress)
    if not read:
        raise EmptySourceError(f"{folder}: expected photos labelled {', '.join(EMOTIONS)}, could read none")
    table = np.concatenate(rows)
    groups = [photo.group for photo in read]
    return {
        **score_photos(table[:, :K], read),
        **score_ratings(table[:, 2 * K :], ratings(read), groups=groups, rng=np.random.default_rng(0)),
        "scene_only": score_photos(table[:, K : 2 * K], read),
        "n_with_faces": reader.n_with_faces,
        "failed": failures.total(),
        "failures": dict(+failures),
        "in_sample": is_in_sample(folder, reader.train_manifests),
    }


class SceneReader:
    """Decoded photos to fused (8), scene (8) and affect (2) in one row (1, 18); holds the models of one thread."""

    def __init__(self) -> None:
        self.encoder, self._detector = Encoder(), FaceDetector()
        self._scene, self._affect = open_model(SCENE_HEAD), open_model(AFFECT_HEAD)
        self._net, self._head = open_model(EXPRESSION_NET), open_model(EXPRESSION_HEAD)
        self.n_with_faces = 0

    @property
    def train_manifests(self) -> tuple[str, ...]:
        """Manifests that the scene heads were trained on."""
        return self._scene.spec.train_manifests

    def read(self, photo: DecodedImage) -> FloatArray:
        """One row: fused probabilities, scene probabilities, valence and arousal."""
        vectors, _ = self.encoder.embed([photo.image])
        scene = read_scene(vectors, self._scene, self._affect)
        shown = pool_expressions(self.faces(photo))
        self.n_with_faces += shown is not None
        row = np.concatenate([fuse(scene, shown), scene.probs, [scene.valence, scene.arousal]])
        return np.asarray(row[None], np.float32)

    def faces(self, photo: DecodedImage) -> Faces:
        """The photo's faces with calibrated expressions."""
        faces = self._detector.detect(photo.image, scale=photo.scale)
        shown = read_expressions(photo.image, faces, net=self._net, head=self._head, scale=photo.scale)
        return replace(faces, expression=shown)


def ratings(photos: Sequence[Photo]) -> NDArray[np.float64]:
    """(N, 2) valence and arousal of the manifest, NaN where absent or no number."""
    names = ("valence_1_7", "arousal_1_7")
    return np.array([[_number(photo.row.get(name)) for name in names] for photo in photos], np.float64)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
