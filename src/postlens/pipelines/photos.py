"""A photo that is known to show somebody to its faces, decoded and searched as `analyze` does.

Unlike in `analyze`, a photo in which no face is found is searched again with a border around it: it was given as one of
a face.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from postlens.config import Settings
from postlens.errors import UnsupportedMediaError
from postlens.media.decode import DecodedFile, decode_file
from postlens.media.probe import StrPath, display_name, kind_of
from postlens.pipelines.decode import decoding
from postlens.types import Faces, FloatArray, Image, MediaFile
from postlens.vision.faces import FaceDetector
from postlens.vision.templates import identity_vectors

# Border around a photo without a found face, as shares of its longer side, tried in turn: a face that fills or leaves
# the photo is then found smaller and whole. More borders find more faces, and more of what is none: before quality
# counts, in 9 of 10 such photos of faces_identity, 23 of 44 of expression, 3 of 295 of food and rooms
# (docs/log/vision.md).
BORDERS = (0.25, 0.5, 1.0)
# A face found with a border counts above this quality. At 0 one of size, sharpness, turn and trust is off its scale,
# and the template may be near everybody's (two such photos raised the FNMR at FMR 1e-3 from .28 to .73). Higher refuses
# more pairs unseen.
MIN_PADDED_QUALITY = 0.0


@dataclass(frozen=True, slots=True)
class SearchedPhoto:
    """A photo with its faces, the most certain first."""

    path: str
    decoded: DecodedFile  # of one frame
    faces: Faces  # in original pixels; may leave the photo where a border was needed
    border: float  # share of the longer side; 0: none was needed

    @property
    def media(self) -> MediaFile:
        """The file's record."""
        return self.decoded.media

    @property
    def vectors(self) -> FloatArray:
        """(N, D) identity vectors of the faces."""
        template = self.faces.template
        return identity_vectors(np.zeros((0, 1), np.float32) if template is None else template)


def search_photo(path: StrPath, detector: FaceDetector, *, settings: Settings) -> SearchedPhoto:
    """All faces of a photo. Raises `MediaError` for a file that cannot be decoded, or that is a video."""
    if kind_of(path) == "video":
        raise UnsupportedMediaError(f"{display_name(path)}: expected a photo, got a video; `postlens analyze` takes it")
    decoded = decode_file(path, how=decoding("image", settings))
    faces, border = search_image(detector, decoded.frames.images[0], scale=decoded.frames.scale)
    return SearchedPhoto(os.fspath(path), decoded, faces, border)


def search_image(detector: FaceDetector, image: Image, *, scale: float = 1.0) -> tuple[Faces, float]:
    """The faces of an image (H, W, 3) that is known to show one, and the border that it took; none if none helps.

    `scale` is the image's size / the original's: boxes and landmarks are in original pixels, and may leave the image.
    """
    faces = detector.detect(image, scale=scale)
    if len(faces):
        return faces, 0.0
    for border in BORDERS:
        margin = round(border * max(image.shape[:2]))
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        faces = detector.detect(padded, scale=scale)
        faces = faces[faces.quality > MIN_PADDED_QUALITY]
        if len(faces):
            shift = np.float32(margin / scale)
            return replace(faces, xyxy_px=faces.xyxy_px - shift, landmarks_px=faces.landmarks_px - shift), border
    return faces, 0.0


def largest(faces: Faces) -> int:
    """Row of the face with the largest box, out of at least one."""
    return int(np.argmax(np.prod(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], axis=1)))
