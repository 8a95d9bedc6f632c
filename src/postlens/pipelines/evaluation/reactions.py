"""Photos labelled with one or several emotions to the scores of reactions as `postlens analyze` answers them.

Layout: `manifest.csv` with `file` and either `label` (one of eight emotions) or a column of 0 and 1 for each emotion
(blank or missing: not known, as `postlens train reactions` reads it) and, if wanted, `holdout_group` (the theme) or
`source_group`; or, without a manifest, one folder of photos for each emotion. Every photo is decoded, encoded, its
faces are read, and the card's thresholds decide.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from postlens.errors import EmptySourceError, TableError
from postlens.pipelines.evaluation.expression import Progress, read_all
from postlens.pipelines.evaluation.layout import MANIFEST, UNKNOWN_LABEL, Photo, is_in_sample, list_photos, read_table
from postlens.pipelines.evaluation.scene_emotion import SceneReader
from postlens.tasks.reactions.evaluate import score_reactions
from postlens.tasks.reactions.fuse import FUSION
from postlens.types import EMOTIONS, FloatArray
from postlens.vision.zoo import load_spec

K = len(EMOTIONS)


def evaluate(folder: Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Scores as `score_reactions`, with 95 % intervals drawn by theme or source where named, else by photo.

    Also thresholds (the card's), n_with_faces, failed (photos not scored), failures (by error class; photos without an
    emotion among them) and in_sample. Raises `EmptySourceError` when no labelled photo can be read, `TableError` for a
    manifest without its columns or with another value than 0 and 1.
    """
    photos = read_labelled(folder)
    known = [photo for photo in photos if (labels_of(photo) > 0).any()]
    failures, reader, spec = Counter({UNKNOWN_LABEL: len(photos) - len(known)}), SceneReader(), load_spec(FUSION)
    rows, read = read_all(known, reader.read, failures=failures, progress=progress)
    if not read:
        raise EmptySourceError(f"{folder}: expected photos labelled {', '.join(EMOTIONS)}, could read none")
    truth = np.stack([labels_of(photo) for photo in read])
    thresholds = [spec.thresholds[name] for name in EMOTIONS]
    groups, rng = [_group(photo) for photo in read], np.random.default_rng(0)
    return {
        **score_reactions(np.concatenate(rows)[:, :K], truth, thresholds=thresholds, groups=groups, rng=rng),
        "thresholds": dict(spec.thresholds),
        "n_with_faces": reader.n_with_faces,
        "failed": failures.total(),
        "failures": dict(+failures),
        "in_sample": is_in_sample(folder, spec.train_manifests),
    }


def read_labelled(folder: Path) -> list[Photo]:
    """The photos of a folder with `label` or columns of emotions in its manifest, or in sub-folders by emotion.

    Raises `EmptySourceError` when there is no photo, `TableError` for a manifest with neither.
    """
    manifest = folder / MANIFEST
    rows = read_table(manifest, "file") if manifest.is_file() else []
    if rows and "label" not in rows[0]:
        if not set(EMOTIONS) & rows[0].keys():
            raise TableError(f"{manifest}: expected a column label, or columns out of {', '.join(EMOTIONS)}")
        return [Photo(folder / row["file"], "", row) for row in rows]
    photos = list_photos(folder, EMOTIONS)
    if not photos:
        raise EmptySourceError(f"{folder}: expected {MANIFEST} with rows, or photos in folders named by emotion")
    return photos


def labels_of(photo: Photo) -> FloatArray:
    """(8,) 1 for emotions that the photo has, 0 for others, NaN where it is not said.

    Raises `TableError` for another value than 0, 1 and blank.
    """
    if photo.label:
        return np.array([photo.label == name for name in EMOTIONS], np.float32)
    given = [(photo.row.get(name) or "").strip() for name in EMOTIONS]
    if wrong := [f"{name}={value}" for name, value in zip(EMOTIONS, given, strict=True) if value not in ("0", "1", "")]:
        raise TableError(f"{photo.path.name}: expected 0, 1 or nothing for each emotion, got {', '.join(wrong)}")
    return np.array([float(value or "nan") for value in given], np.float32)


def _group(photo: Photo) -> str:
    return photo.row.get("holdout_group") or photo.source_group or str(photo.path)
