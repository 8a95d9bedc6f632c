"""A decoded video frame to the picture that a player shows: square pixels, mirrored and turned, RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from postlens.types import Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


class VideoSample(NamedTuple):
    """One frame of a video."""

    image: Image  # uint8 (H, W, 3) RGB, upright
    pts_s: float  # from the start
    size_px: tuple[int, int]  # displayed width and height


class Display(NamedTuple):
    """How a video's frames are shown: display matrix (ISO/IEC 14496-12, 6.2.2) and shape of the pixels.

    The matrix maps x' = a x + c y, y' = b x + d y.
    """

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1
    aspect: float = 1.0  # width of a pixel / its height

    @property
    def turns(self) -> bool:
        """Whether width and height change places; angles between the quarter turns are taken as the nearest."""
        return abs(self.a) < abs(self.b)


def read_display(frame: VideoFrame, stream: VideoStream) -> Display:
    """What a video's first frame says about its display.

    `frame.rotation` is not enough: it reads a mirrored picture as one turned by 180 degrees. The matrix is read from a
    tiny copy, because PyAV ties a frame whose side data was read to itself, and its pixels would stay in memory until
    the next collection of cycles (measured: 450 MB after 14 videos).
    """
    aspect = float(stream.sample_aspect_ratio or 1)
    side_data: Any = frame.reformat(width=16, height=16).side_data
    data = next((bytes(item) for item in side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return Display(aspect=aspect)
    (a, b), (c, d) = np.frombuffer(data, np.int32).reshape(3, 3)[:2, :2].tolist()
    return Display(a, b, c, d, aspect)


def show(frame: VideoFrame, pts_s: float, *, display: Display, max_side_px: int | None) -> VideoSample:
    """The frame with square pixels, its long side at most `max_side_px`, as upright RGB."""
    width, height = _square_size(frame, display.aspect)
    ratio = min(1.0, max_side_px / max(width, height)) if max_side_px else 1.0
    rgb: Any = frame.reformat(
        width=max(1, round(width * ratio)),
        height=max(1, round(height * ratio)),
        format="rgb24",
        interpolation="AREA",
        src_color_range=frame.color_range or None,
    ).to_ndarray()
    return VideoSample(_upright(rgb, display), pts_s, (height, width) if display.turns else (width, height))


def _square_size(frame: VideoFrame, aspect: float) -> tuple[int, int]:
    """Width and height with square pixels: the side whose pixels are too short is stretched."""
    if aspect > 1:
        return round(frame.width * aspect), frame.height
    return frame.width, round(frame.height / aspect)


def _upright(image: Image, display: Display) -> Image:
    if display.turns:
        image = image.transpose(1, 0, 2)
    mirror_x, mirror_y = (display.c < 0, display.b < 0) if display.turns else (display.a < 0, display.d < 0)
    image = image[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
    return np.ascontiguousarray(image)
