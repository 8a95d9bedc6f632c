"""Frames as the search of faces knows them: shrunk, their faces, and what changes from one to another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from postlens.types import Faces, FloatArray, Image
from postlens.vision.cuts import Picture, colours, is_cut

GRID = 16  # a picture's change is the largest one among GRID x GRID parts: a face of 1/16 of the sides fills one
# Mean difference of a part, in grey levels of 255. Noise of codecs stays below; higher takes the faces of moving
# pictures for those of still ones.
STILL = 1.0
# The same for parts away from the faces that are known: more may be a new face. A face large enough to identify anybody
# (eyes 10 px apart at 640 px) fills half of a part, and skin differs by about 40 from what it hides. Higher searches
# fewer frames and misses faces that are seen for less than 2 s; lower searches nearly all frames of moving pictures.
NOTHING_NEW = 20.0
KNOWN_ZOOM = 2.0  # what moves within this many times a face's box is put down to the face


@dataclass(slots=True)
class Seen:
    """A frame, shrunk, and what is known of it."""

    picture: Picture
    size_px: tuple[float, float]  # width and height of the original
    faces: Faces | None = None
    looked: bool = False  # whether the faces come from a whole search of this picture, or one that is the same
    parts: FloatArray = field(init=False)
    colours: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.parts, self.colours = _parts(self.picture.image), colours(self.picture.image)


def _parts(image: Image) -> FloatArray:
    """Mean colours (GRID, GRID, 3) of the parts of an image."""
    from PIL import Image as Pil

    small = Pil.fromarray(image).resize((GRID, GRID), Pil.Resampling.BOX)
    return np.asarray(small, np.float32)


def is_still(a: Seen, b: Seen) -> bool:
    """Whether two frames show the same picture."""
    return bool(_change(a, b).max() < STILL)


def same_shot(a: Seen, b: Seen) -> bool:
    """Whether no cut lies between two frames."""
    return not is_cut(a.colours, b.colours)


def anything_new(seen: Seen, *others: Seen) -> bool:
    """Whether a part away from the faces of all the others differs from each of them."""
    new = np.minimum.reduce([_change(other, seen) for other in others])
    return bool((new[~_known(*others)] >= NOTHING_NEW).any())


def _change(a: Seen, b: Seen) -> FloatArray:
    """Change of each part (GRID, GRID): the largest among the channels."""
    return np.asarray(np.abs(a.parts - b.parts).max(axis=2))


def _known(*frames: Seen) -> NDArray[np.bool_]:
    """The parts (GRID, GRID) that a face of one of the frames, and what moves with it, may cover."""
    known = np.zeros((GRID, GRID), bool)
    for seen in frames:
        for box in seen.faces.xyxy_px if seen.faces is not None else ():
            centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * KNOWN_ZOOM
            left, top = np.floor((centre - half) / seen.size_px * GRID).astype(int).clip(0, GRID)
            right, bottom = np.ceil((centre + half) / seen.size_px * GRID).astype(int).clip(0, GRID)
            known[top:bottom, left:right] = True
    return known
