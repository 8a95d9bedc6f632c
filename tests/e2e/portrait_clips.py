"""Portraits of the bundled sample campaign to short clips with known people: a face drifts over a panning scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageEnhance

WIDTH, HEIGHT, FACE, MARGIN = 480, 360, 170, 80
N_FRAMES, RATE_HZ = 16, 8
PORTRAITS = {  # file, and the box of the head in it
    "a": ("sample.portraits/smile.jpg", (0, 0, 256, 256)),
    "b": ("sample.portraits/navy-cap.jpg", (110, 0, 420, 330)),
}


@dataclass(frozen=True, slots=True)
class Clip:
    """Who is seen in a clip, and where."""

    people: str  # keys of PORTRAITS
    scene: str
    light: float = 1.0
    mirrored: bool = False


CLIPS = {
    "a1": Clip("a", "sample.interior/sofa.jpg"),
    "a2": Clip("a", "sample.interior/cabinet.jpg", light=0.8),
    "a3": Clip("a", "sample.travel/launch-pad.jpg", mirrored=True),
    "a4": Clip("a", "sample.travel/city-night.jpg", light=1.1),
    "b1": Clip("b", "sample.travel/pagoda-lake.jpg"),
    "b2": Clip("b", "sample.cats.coffee/cafe.jpg", light=1.15),
    "ab": Clip("ab", "sample.interior/armchair.jpg"),
}


def write_clip(path: Path, clip: Clip, media: Path, *, quality: int = 20) -> Path:
    """Two seconds of H.264; `quality` is its rate factor, larger is worse."""
    scene = _pixels(media / clip.scene, size=(WIDTH + MARGIN, HEIGHT + MARGIN))
    faces = [_face(media, person, clip) for person in clip.people]
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": str(quality)}
        for number in range(N_FRAMES):
            frame = scene[2 * number :, 4 * number :][:HEIGHT, :WIDTH].copy()
            for place, face in enumerate(faces):
                left, top = 20 + 230 * place + 3 * number, 60 + 4 * number
                frame[top : top + FACE, left : left + FACE] = face
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def _pixels(path: Path, *, size: tuple[int, int], box: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
    with PillowImage.open(path) as image:
        return np.asarray(image.convert("RGB").resize(size, box=box))


def _face(media: Path, person: str, clip: Clip) -> NDArray[np.uint8]:
    name, box = PORTRAITS[person]
    pixels = _pixels(media / name, size=(FACE, FACE), box=box)
    lit = np.asarray(ImageEnhance.Brightness(PillowImage.fromarray(pixels)).enhance(clip.light))
    return lit[:, ::-1] if clip.mirrored else lit
