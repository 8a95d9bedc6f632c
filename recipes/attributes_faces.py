"""Labelled photos to head crops with labels, as recipes/attributes.py trains on them; imported by it.

Three sets: `attributes` with the labels it comes with, `faces_identity` with `expression`, and `niche`, labelled by eye
in attributes_labels.csv (keys: the photo's sha256 and the face's place in it; blank: cannot be told).
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pil

from attributes_heads import Heads
from postlens.pipelines.evaluation.attributes import read_manifest
from postlens.tasks.products.features import CROP_PX, CROP_WIDTH, head_crops
from postlens.tasks.products.readings import main_row
from postlens.types import ATTRIBUTES, Faces, Image
from postlens.vision.faces import FaceDetector

LABELS = Path(__file__).with_name("attributes_labels.csv")
WIDTH = 3.6  # of the crops, in face scales: room for shifts and turns around what is served
SIZE_PX = round(CROP_PX * WIDTH / CROP_WIDTH)
JPEG_QUALITY = 88
PAD_SHARE = 0.3  # of the shorter side, when no face is found in a tight crop itself
SAME_PLACE = 0.06  # largest distance of a face's centre from the labelled one, in image sides
# Mean landmarks in a unit square around a face; for photos of `attributes` in which none is found.
MEAN_POINTS = np.array([[0.34, 0.4], [0.66, 0.4], [0.5, 0.58], [0.5, 0.75], [0.1, 0.45], [0.9, 0.45]], np.float32)
# Collections that share photographers, people and ways of cutting are one source: they are held out together.
SOURCES = {"celeba_half": "celeba", "lfw_mux": "lfw", "mux_lfw": "lfw", "lfw_krasserm": "lfw"}
SEXES = {"m": "men", "f": "women", "c": "children"}


def cut_heads(data: Path) -> Heads:
    """All labelled faces of the sets in a folder. About 6 minutes on one core."""
    rows = [*_attributes(data / "attributes"), *_by_eye(data)]
    columns = zip(*rows, strict=True)
    jpeg, labels, source, collection, person, sex, note, set_name = columns
    return Heads(
        np.array(jpeg, object), np.array(labels, np.float32), *map(np.array, (source, collection, person, sex)),
        np.array(note), np.array(set_name),
    )  # fmt: skip


def _attributes(folder: Path) -> Iterator[tuple[Any, ...]]:
    manifest, detector = read_manifest(folder), FaceDetector()
    for i, path in enumerate(manifest.files):
        image = load(path)
        collection = str(manifest.source[i])
        yield (
            _jpeg(image, find_main_face(detector, image)), manifest.labels[i], SOURCES.get(collection, "web"),
            collection, str(manifest.person[i]), str(manifest.sex[i]), "", folder.name,
        )  # fmt: skip


def _by_eye(data: Path) -> Iterator[tuple[Any, ...]]:
    labelled: dict[str, list[dict[str, str]]] = {}
    with LABELS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            labelled.setdefault(row["sha256"], []).append(row)
    detector, done = FaceDetector(), set[str]()
    for name, person_column in (("niche", "file"), ("faces_identity", "person"), ("expression", "holdout_group")):
        with (data / name / "manifest.csv").open(encoding="utf-8", newline="") as file:
            photos = list(csv.DictReader(file))
        for photo in photos:
            path = data / name / photo["file"]
            key = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""
            if key not in labelled or key in done:
                continue
            done.add(key)
            image = load(path)
            faces = detector.detect(image)
            for row in labelled[key]:
                face = _at(faces, float(row["x"]), float(row["y"]), image)
                if face is None:
                    continue
                known = [float(row[label]) if row[label] else np.nan for label in ATTRIBUTES]
                labels = [0.0] * len(ATTRIBUTES) if row["note"] == "nonface" else known
                collection = photo["source_group"]
                person = f"{name}:{photo[person_column] or photo['file']}"
                yield (
                    _jpeg(image, face), labels, SOURCES.get(collection, "web"), collection, person,
                    SEXES.get(row["sex"], "unknown"), row["note"], name,
                )  # fmt: skip


def _at(faces: Faces, x: float, y: float, image: Image) -> Faces | None:
    if not len(faces):
        return None
    size = np.array(image.shape[1::-1])
    centres = (faces.xyxy_px[:, :2] + faces.xyxy_px[:, 2:]) / 2 / size
    away = np.abs(centres - [x, y]).max(axis=1)
    return faces[[int(away.argmin())]] if away.min() <= SAME_PLACE else None


def find_main_face(detector: FaceDetector, image: Image) -> Faces:
    """The largest face; in a tight crop looked for once more with a border, else taken to fill the picture."""
    if (face := _main(detector.detect(image))) is not None:
        return face
    pad = round(PAD_SHARE * min(image.shape[:2]))
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    if (face := _main(detector.detect(padded))) is not None:
        return replace(face, landmarks_px=face.landmarks_px - pad, xyxy_px=face.xyxy_px - pad)
    size = np.array(image.shape[1::-1], np.float32)
    zero = np.zeros(1, np.float32)
    box, points = np.array([[0, 0, *size]], np.float32), (MEAN_POINTS * size)[None]
    return Faces(box, zero, points, zero, np.zeros(1, np.int64), zero)


def load(path: Path) -> Image:
    """A photo as uint8 RGB."""
    with Pil.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _main(faces: Faces) -> Faces | None:
    row = main_row(faces, min_quality=0)
    return None if row is None else faces[[row]]


def _jpeg(image: Image, face: Faces) -> bytes:
    crop = head_crops(image, face, width=WIDTH, size_px=SIZE_PX)[0]
    out = io.BytesIO()
    Pil.fromarray(crop).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
