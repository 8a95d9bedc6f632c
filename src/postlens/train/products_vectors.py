"""Image files to what is trained on: looks of main faces or embeddings of whole images, or squares of either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.errors import MediaError, NotEnoughDataError
from postlens.media.hashing import pdq_hash
from postlens.media.image import DecodedImage, ImageLimits, decode_image, encode_jpeg, fit
from postlens.media.probe import display_name
from postlens.tasks.products.features import LOOK, face_features
from postlens.tasks.products.model import Reads
from postlens.tasks.products.pixels import head_squares, image_square
from postlens.tasks.products.readings import main_row
from postlens.train.products_table import ProductImages
from postlens.types import Columns, Faces, Failure, FloatArray, Image, IntArray
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector

STAGE: Final = "features"  # of the failures
N_LOOKED_AT: Final = 40  # images, spread evenly, that tell whether most show a face
PAD_SHARE: Final = 0.3  # of the shorter side, repeated around a crop so tight that no face is found in it as it is
TILE_PX: Final = 112  # of the pictures on the pages
FACE_ZOOM: Final = 2.0  # side of a face's picture / longer side of its box: hat and chin are seen

ReadsAsked = Literal["auto", "face", "image"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Vectors(Columns):
    """What was read of each image, and what the pages show of it."""

    row: IntArray  # (N,) of the image among those that were to be read
    vectors: FloatArray  # (N, D); D is 0 where squares were asked for
    bits: NDArray[np.uint8]  # (N, 32) PDQ of the whole image
    hash_quality: IntArray  # (N,)
    size_px: IntArray  # (N, 2) width and height
    face_px: FloatArray  # (N,) longer side of the face's box; NaN without
    face_quality: FloatArray  # (N,) NaN without
    tiles: tuple[bytes, ...]  # JPEGs of TILE_PX


class Reader:
    """Opens images as an analysis does; holds the encoder, the net of looks and the detector."""

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self._side, self._limits = settings.image_max_side_px, ImageLimits(max_pixels=settings.max_pixels)
        self._encoder, self._look, self._detector = Encoder(), Encoder(LOOK), FaceDetector()

    def choose(self, images: ProductImages) -> Reads:
        """ "face" where most of some images show one, else "image"; images that cannot be opened do not count."""
        rows = np.unique(np.linspace(0, len(images) - 1, min(len(images), N_LOOKED_AT)).round().astype(int))
        found = []
        for row in rows.tolist():
            try:
                found.append(self.face(self.open(images.paths[row]), padded=False) is not None)
            except MediaError:
                continue
        return "face" if found and 2 * sum(found) > len(found) else "image"

    def read(
        self,
        images: ProductImages,
        reads: Reads,
        *,
        squares: NDArray[np.uint8] | None = None,
        progress: Progress | None = None,
    ) -> tuple[ProductImages, Vectors]:
        """The images that could be read, the others among their failures, and what was read.

        squares: (N, 224, 224, 3), filled row by row with what nets over pixels take; no vectors are computed then.

        Raises `NotEnoughDataError` when none could be read.
        """
        parts: list[Vectors] = []
        failures = []
        for row, path in enumerate(images.paths):
            try:
                parts.append(self._read(path, reads, row=row, square=None if squares is None else squares[row]))
            except (MediaError, NotEnoughDataError) as error:
                failures.append(Failure.of(display_name(path), STAGE, error))
            if progress:
                progress(row + 1, len(images))
        if not parts:
            raise NotEnoughDataError(
                f"expected images that can be read{' and show a face' * (reads == 'face')}, got none of {len(images)}; "
                f"the first: {failures[0].subject}: {failures[0].message}"
            )
        found = _joined(parts)
        return images.without(failures, set(range(len(images))) - set(found.row.tolist())), found

    def _read(self, path: str, reads: Reads, *, row: int, square: NDArray[np.uint8] | None) -> Vectors:
        """One row; `square` (224, 224, 3) is filled in place of computing a vector."""
        decoded = self.open(path)
        image, face = (decoded.image, None) if reads == "image" else self._main(decoded)
        if square is None:
            return _row(decoded, image, self._vector(decoded, image, face), face, row=row)
        square[:] = image_square(image) if face is None else head_squares(image, face, scale=decoded.scale)[0]
        return _row(decoded, image, np.zeros(0, np.float32), face, row=row)

    def _main(self, decoded: DecodedImage) -> tuple[Image, Faces]:
        found = self.face(decoded)
        if found is None:
            raise NotEnoughDataError("no face found; show the face, or train with --reads image")
        return found

    def _vector(self, decoded: DecodedImage, image: Image, face: Faces | None) -> FloatArray:
        if face is None:
            return np.asarray(self._encoder.embed([image])[0][0])
        return np.asarray(face_features(image, face, self._look, scale=decoded.scale)[0])

    def open(self, path: str) -> DecodedImage:
        return decode_image(path, max_side_px=self._side, limits=self._limits)

    def face(self, decoded: DecodedImage, *, padded: bool = True) -> tuple[Image, Faces] | None:
        """The largest face, and the picture that it was found in: with its edges repeated for tight crops."""
        for image in _views(decoded.image, padded=padded):
            faces = self._detector.detect(image, scale=decoded.scale)
            row = main_row(faces, min_quality=0.0)
            if row is not None:
                return image, replace(faces, template=None)[[row]]
        return None


def _views(image: Image, *, padded: bool) -> Iterator[Image]:
    yield image
    if not padded:
        return
    pad = round(PAD_SHARE * min(image.shape[:2]))
    yield np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")


def _row(decoded: DecodedImage, shown: Image, vector: FloatArray, face: Faces | None, *, row: int) -> Vectors:
    """`shown` is what the face was found in."""
    bits, quality = pdq_hash(decoded.image)
    box = None if face is None else face.xyxy_px[0] * np.float32(decoded.scale)
    return Vectors(
        row=np.array([row], np.int64),
        vectors=vector[None].astype(np.float32),
        bits=bits[None],
        hash_quality=np.array([quality], np.int64),
        size_px=np.array([decoded.size_px], np.int64),
        face_px=np.array([np.nan if face is None else _side_px(face)], np.float32),
        face_quality=np.array([np.nan if face is None else face.quality[0]], np.float32),
        tiles=(_tile(shown, box),),
    )


def _side_px(face: Faces) -> float:
    left, top, right, bottom = face.xyxy_px[0].tolist()
    return float(max(right - left, bottom - top))


def _tile(image: Image, box: FloatArray | None) -> bytes:
    """What of the image is in the square around the face, or the whole image, as a small JPEG."""
    if box is not None:
        left, top, right, bottom = box.tolist()
        half = max(right - left, bottom - top) * FACE_ZOOM / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        height, width = image.shape[:2]
        across = max(0, int(x - half)), min(width, int(x + half) + 1)
        down = max(0, int(y - half)), min(height, int(y + half) + 1)
        image = image[slice(*down), slice(*across)]
    image = np.ascontiguousarray(image)
    return encode_jpeg(fit(DecodedImage(image, (image.shape[1], image.shape[0]), 1.0), TILE_PX).image, 80)


def _joined(parts: Sequence[Vectors]) -> Vectors:
    names = ("row", "vectors", "bits", "hash_quality", "size_px", "face_px", "face_quality")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Vectors(**columns, tiles=tuple(part.tiles[0] for part in parts))
