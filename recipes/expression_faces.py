"""Labelled photos to face crops with emotions, as recipes/expression.py trains on them; imported by it.

The set `expression` with the labels it comes with, and faces of `attributes`, `faces_identity` and `niche` labelled by
eye in expression_labels.csv (keys: the photo's sha256 and the face's place in it).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.pipelines.evaluation.layout import MANIFEST
from postlens.pipelines.evaluation.media import read_photo
from postlens.pipelines.photos import largest
from postlens.tasks.reactions.features import CROP_PX, expression_crops, whole_crop
from postlens.types import EMOTIONS, Faces, Image
from postlens.vision.faces import FaceDetector

LABELS = Path(__file__).with_name("expression_labels.csv")
MARGIN = 1.3  # width of the crops / what is served: room for shifts, turns and zooms
SIZE_PX = round(CROP_PX * MARGIN)
SAME_PLACE = 0.06  # largest distance of a face's centre from the labelled one, in image sides
# Collections that share photographers, people and ways of cutting are held out together.
SOURCES = {"fer2013": "fer2013", "mux_imfdb": "stills", "imfdb_mux": "stills"} | dict.fromkeys(
    ("mux_lfw", "lfw_mux", "lfw_krasserm"), "lfw"
)
REST = "web"  # every other collection: photos from the web, CelebA's among them
SETS = {"attributes": "attributes.csv", "faces_identity": MANIFEST, "niche": MANIFEST}


@dataclass(frozen=True)
class Crops:
    """Columns of N faces."""

    pixels: NDArray[np.uint8]  # (N, SIZE_PX, SIZE_PX, 3)
    truth: NDArray[np.int64]  # position in EMOTIONS
    second: NDArray[np.int64]  # of an emotion that is seen as well; -1: none
    source: NDArray[np.str_]
    person: NDArray[np.str_]  # or the photo, where nobody is named
    by_eye: NDArray[np.bool_]  # else from the set `expression`
    found: NDArray[np.bool_]  # else the whole photo was taken to be a face

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Crops:
        return Crops(*(getattr(self, column.name)[rows] for column in fields(self)))


def cut_faces(data: Path) -> Crops:
    """All labelled faces of the sets in a folder, those of `expression` in its manifest's order. About 4 minutes."""
    detector = FaceDetector()
    rows = [*_collected(data / "expression", detector), *_by_eye(data, detector)]
    pixels, truth, second, source, person, by_eye, found = zip(*rows, strict=True)
    return Crops(
        np.stack(pixels), np.array(truth), np.array(second), np.array(source), np.array(person),
        np.array(by_eye), np.array(found),
    )  # fmt: skip


Row = tuple[Image, int, int, str, str, bool, bool]


def _collected(folder: Path, detector: FaceDetector) -> Iterator[Row]:
    settings = Settings.load()
    for row in _rows(folder / MANIFEST):
        photo = read_photo(folder / row["file"], settings=settings)
        faces = detector.detect(photo.image, scale=photo.scale)
        face = faces[[largest(faces)]] if len(faces) else faces
        person = row["holdout_group"] or row["file"]
        source = SOURCES.get(row["source_group"], REST)
        crop = _cut(photo.image, face, photo.scale)
        yield crop, EMOTIONS.index(row["label"]), -1, source, person, False, bool(len(faces))


def _by_eye(data: Path, detector: FaceDetector) -> Iterator[Row]:
    labelled: dict[str, list[dict[str, str]]] = {}
    for row in _rows(LABELS):
        labelled.setdefault(row["sha256"], []).append(row)
    settings = Settings.load()
    for name, manifest in SETS.items():
        for photo in _rows(data / name / manifest):
            path = data / name / photo["file"]
            own = labelled.pop(_key(path), []) if path.is_file() else []
            if not own:
                continue
            image = read_photo(path, settings=settings)
            faces = detector.detect(image.image, scale=image.scale)
            size = np.array(image.image.shape[1::-1]) / image.scale
            for row in own:
                face = _at(faces, float(row["x"]), float(row["y"]), size)
                if face is not None:
                    source = SOURCES.get(photo["source_group"], REST)
                    second = EMOTIONS.index(row["second"]) if row["second"] else -1
                    person = photo.get("person") or photo["file"]
                    crop = _cut(image.image, face, image.scale)
                    yield crop, EMOTIONS.index(row["label"]), second, source, person, True, True


def _cut(image: Image, face: Faces, scale: float) -> Image:
    if not len(face):
        return whole_crop(image, size_px=SIZE_PX, margin=MARGIN)
    return expression_crops(image, face, scale=scale, size_px=SIZE_PX, margin=MARGIN)[0]


def _at(faces: Faces, x: float, y: float, size: NDArray[np.float64]) -> Faces | None:
    if not len(faces):
        return None
    centres = (faces.xyxy_px[:, :2] + faces.xyxy_px[:, 2:]) / 2 / size
    away = np.abs(centres - [x, y]).max(axis=1)
    return faces[[int(away.argmin())]] if away.min() <= SAME_PLACE else None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
