"""Frames of a video to the cuts between them, by the colours of the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from postlens.types import FloatArray, Image

SIDE_PX = 64  # frames are averaged down to a square of this side: what moves inside a shot keeps its colours
LEVELS = 8  # per channel: 512 colours
PLAIN = 6  # grey levels of 255 within which a row counts as plain: what codecs make of one colour
# Share of the picture that has other colours. In one shot, over 1 s, at most .21 on clips without cuts; across joins
# of clips of two recordings 1 in 2,000 is lower (recipes/video_cuts.py). Higher misses cuts between alike scenes;
# lower takes fast pans for cuts, which breaks tracks in two.
CUT = 0.25
# From which change on frames that come by between two sampled ones are kept for the search of faces. Higher decodes
# more of them a second time, lower keeps more in memory.
WORTH_KEEPING = 0.15


class Picture(NamedTuple):
    """One frame of a video and its time from the start."""

    image: Image
    pts_s: float


def colours(image: Image) -> FloatArray:
    """Shares (512,) of the colours of an RGB image uint8 (H, W, 3) without its bars; they sum to 1."""
    from PIL import Image as Pil

    whole = np.asarray(Pil.fromarray(image).resize((SIDE_PX, SIDE_PX), Pil.Resampling.BOX, reducing_gap=2.0))
    small = without_bars(whole)
    red, green, blue = np.moveaxis((small // (256 // LEVELS)).astype(np.uint16), 2, 0)
    bins = ((red * LEVELS + green) * LEVELS + blue).ravel()
    return (np.bincount(bins, minlength=LEVELS**3) / len(bins)).astype(np.float32)


def without_bars(image: Image) -> Image:
    """The image without plain rows at its upper and lower and plain columns at its left and right edge.

    Bars stay the same across a cut and would hide it. An image that is plain all over stays whole.
    """
    for axis in (1, 0):
        spread = image.max(axis=axis).astype(np.int16) - image.min(axis=axis)
        drawn = np.flatnonzero((spread > PLAIN).any(axis=1))
        if not len(drawn):
            return image
        image = np.take(image, range(drawn[0], drawn[-1] + 1), axis=1 - axis)
    return image


def colour_change(before: FloatArray, after: FloatArray) -> float:
    """Share of the picture, in [0, 1], whose colours the other has not: 1 - histogram intersection (Swain 1991)."""
    return float(np.abs(before - after).sum() / 2)


def is_cut(before: FloatArray, after: FloatArray) -> bool:
    """Whether a cut lies between two frames up to about 1 s apart, given as `colours`."""
    return colour_change(before, after) >= CUT


def cut_pairs(images: Sequence[Image]) -> list[int]:
    """Numbers k of images, in order of time, for which a cut lies between k and k + 1."""
    shares = [colours(image) for image in images]
    return [k for k in range(len(shares) - 1) if is_cut(shares[k], shares[k + 1])]


def place_cut(before: Picture, after: Picture, inside: Sequence[Picture]) -> tuple[float, float]:
    """The closest two times that a cut lies between, of two frames and those inside them in order of time.

    The first frame that is more like the one after the cut than like the one before it begins the new shot.
    """
    old, new = colours(before.image), colours(after.image)
    last_s = before.pts_s
    for picture in inside:
        own = colours(picture.image)
        if colour_change(own, new) < colour_change(own, old):
            return last_s, picture.pts_s
        last_s = picture.pts_s
    return last_s, after.pts_s


def worth_keeping(before: Image, after: Image) -> bool:
    """Whether the colours of two frames differ enough that a cut or a new scene may lie between them."""
    return colour_change(colours(before), colours(after)) >= WORTH_KEEPING
