"""Photos of the attributes set to features of the head: as served, and degraded by grey, low resolution and jitter.

Imported by recipes/attributes.py. The faces and crops are made by the product's own code.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pil

from postlens.tasks.products.features import face_features
from postlens.tasks.products.recommend import main_row
from postlens.types import Faces, FloatArray, Image
from postlens.vision.align import face_scale
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector

PAD_SHARE = 0.3  # of the shorter side, when no face is found in the tight crop itself
GREY_SHARE = 0.5
EYES_PX = (14.0, 60.0)  # distance between the eyes after degrading, log-uniform: CelebA's crops have about 20
CONTRAST, BRIGHTNESS = 0.2, 15.0  # standard deviations of the log gain and of the offset in grey levels
JITTER = 0.05  # of the landmarks, in face scales: the mesh's own spread between near-equal photos
# Mean landmarks in a unit square around a face; for photos in which none is found.
MEAN_POINTS = np.array([[0.34, 0.4], [0.66, 0.4], [0.5, 0.58], [0.5, 0.75], [0.1, 0.45], [0.9, 0.45]], np.float32)


def find_faces(files: tuple[Path, ...]) -> tuple[list[Faces], dict[str, int]]:
    """The largest face of each photo, and how many were found as they are, padded, or not at all."""
    detector, faces, counts = FaceDetector(), [], {"found": 0, "padded": 0, "whole": 0}
    for path in _watched(files, "faces"):
        face, how = _find(detector, load(path))
        counts[how] += 1
        faces.append(face)
    return faces, counts


def embed_photos(files: tuple[Path, ...], faces: list[Faces], *, seed: int | None) -> FloatArray:
    """Features (N, D); degraded at random with a seed, as served without one."""
    encoder, rng = Encoder(), None if seed is None else np.random.default_rng(seed)
    rows = []
    for path, face in zip(_watched(files, f"features, seed {seed}"), faces, strict=True):
        image, seen = (load(path), face) if rng is None else _degraded(load(path), face, rng)
        rows.append(face_features(image, seen, encoder)[0])
    return np.stack(rows)


def load(path: Path) -> Image:
    """A photo as uint8 RGB."""
    with Pil.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _find(detector: FaceDetector, image: Image) -> tuple[Faces, str]:
    if (face := _main(detector.detect(image))) is not None:
        return face, "found"
    pad = round(PAD_SHARE * min(image.shape[:2]))
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    if (face := _main(detector.detect(padded))) is not None:
        return replace(face, landmarks_px=face.landmarks_px - pad, xyxy_px=face.xyxy_px - pad), "padded"
    size = np.array(image.shape[1::-1], np.float32)
    zero = np.zeros(1, np.float32)
    box, points = np.array([[0, 0, *size]], np.float32), (MEAN_POINTS * size)[None]
    return Faces(box, zero, points, zero, np.zeros(1, np.int64), zero), "whole"


def _main(faces: Faces) -> Faces | None:
    row = main_row(faces, min_quality=0)
    return None if row is None else faces[[row]]


def _degraded(image: Image, face: Faces, rng: np.random.Generator) -> tuple[Image, Faces]:
    """Grey, fewer pixels, other light, jittered landmarks, mirrored: each at random."""
    scale = face_scale(face.landmarks_px[0].astype(np.float64))
    eyes_px = np.exp(rng.uniform(*np.log(EYES_PX)))
    image = _shrunk(image, min(1.0, eyes_px / scale))
    if rng.random() < GREY_SHARE:
        image = np.asarray(Pil.fromarray(image).convert("L").convert("RGB"))
    gain, offset = np.exp(rng.normal(0, CONTRAST)), rng.normal(0, BRIGHTNESS)
    image = np.clip((image - 128.0) * gain + 128 + offset, 0, 255).astype(np.uint8)
    points = face.landmarks_px + rng.normal(0, JITTER * scale, face.landmarks_px.shape).astype(np.float32)
    face = replace(face, landmarks_px=points)
    return _mirrored(image, face) if rng.random() < 0.5 else (image, face)


def _shrunk(image: Image, factor: float) -> Image:
    """Down by the factor and up again, so that coordinates stay."""
    size = image.shape[1::-1]
    small = Pil.fromarray(image).resize([max(8, round(side * factor)) for side in size], Pil.Resampling.BOX)
    return np.asarray(small.resize(size, Pil.Resampling.BILINEAR))


def _mirrored(image: Image, face: Faces) -> tuple[Image, Faces]:
    points = face.landmarks_px[:, [1, 0, 2, 3, 5, 4]] * [-1, 1] + [image.shape[1], 0]
    return np.ascontiguousarray(image[:, ::-1]), replace(face, landmarks_px=points.astype(np.float32))


def _watched(files: tuple[Path, ...], what: str) -> Iterator[Path]:
    """The files, with a line on the terminal every 500."""
    start = time.monotonic()
    for done, path in enumerate(files):
        if done % 500 == 0:
            print(f"{what}: {done} of {len(files)}, {time.monotonic() - start:.0f} s", flush=True)
        yield path
