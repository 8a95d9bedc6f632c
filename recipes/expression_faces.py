"""Labelled photos to their faces with emotions, as recipes/expression.py trains on them; imported by it.

The set `expression` with the labels it comes with, and faces of `attributes`, `faces_identity` and `niche` labelled by
eye in expression_labels.csv (keys: the photo's sha256 and the face's place in it; note `doubt`: could be another).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.media.image import DecodedImage
from postlens.pipelines.evaluation.layout import MANIFEST, Photo
from postlens.pipelines.evaluation.media import read_photo
from postlens.pipelines.photos import largest
from postlens.types import Faces
from postlens.vision.faces import FaceDetector

LABELS = Path(__file__).with_name("expression_labels.csv")
SAME_PLACE = 0.06  # largest distance of a face's centre from the labelled one, in image sides
# Collections that share photographers, people and ways of cutting are held out together.
SOURCES = dict.fromkeys(("mux_lfw", "lfw_mux", "lfw_krasserm"), "lfw") | dict.fromkeys(
    ("mux_imfdb", "imfdb_mux"), "stills"
)
SOURCES["fer2013"] = "fer2013"
REST = "web"  # every other collection: photos from the web, CelebA's among them
SETS = {"attributes": "attributes.csv", "faces_identity": MANIFEST, "niche": MANIFEST}


@dataclass(frozen=True)
class LabelledFace:
    """A photo, the face in it that is labelled, and where it is from."""

    photo: Photo  # its group is the person, or the photo where nobody is named
    image: DecodedImage
    face: Faces  # one; none: no face is found, and the whole photo is taken to be one
    source: str  # what is held out together
    by_eye: bool  # else one of the set `expression`


def collected(photos: list[Photo], detector: FaceDetector) -> Iterator[LabelledFace]:
    """The largest face of each photo of the set `expression`. About 2 minutes."""
    settings = Settings.load()
    for photo in photos:
        image = read_photo(photo.path, settings=settings)
        faces = detector.detect(image.image, scale=image.scale)
        face = faces[[largest(faces)]] if len(faces) else faces
        yield LabelledFace(photo, image, face, SOURCES.get(photo.source_group, REST), by_eye=False)


def labelled_by_eye(data: Path, detector: FaceDetector) -> Iterator[LabelledFace]:
    """The faces of the other sets that are labelled by eye. About 1 minute."""
    labels: dict[str, list[dict[str, str]]] = {}
    for row in _rows(LABELS):
        labels.setdefault(row["sha256"], []).append(row)
    settings = Settings.load()
    for path, listed in _photos(data):
        own = labels.pop(hashlib.sha256(path.read_bytes()).hexdigest()[:16], [])
        if not own:
            continue
        image = read_photo(path, settings=settings)
        faces = detector.detect(image.image, scale=image.scale)
        source, person = SOURCES.get(listed["source_group"], REST), listed.get("person") or listed["file"]
        for row in own:
            face = _at(faces, float(row["x"]), float(row["y"]), image)
            if face is not None:
                photo = Photo(path, row["label"], {"source_group": source, "holdout_group": person})
                yield LabelledFace(photo, image, face, source, by_eye=True)


def _photos(data: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    for name, manifest in SETS.items():
        for row in _rows(data / name / manifest):
            path = data / name / row["file"]
            if path.is_file():
                yield path, row


def _at(faces: Faces, x: float, y: float, image: DecodedImage) -> Faces | None:
    if not len(faces):
        return None
    size: NDArray[np.float64] = np.array(image.image.shape[1::-1]) / image.scale
    centres = (faces.xyxy_px[:, :2] + faces.xyxy_px[:, 2:]) / 2 / size
    away = np.abs(centres - [x, y]).max(axis=1)
    return faces[[int(away.argmin())]] if away.min() <= SAME_PLACE else None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
