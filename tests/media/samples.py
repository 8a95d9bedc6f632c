"""Media made for the tests: images whose corners tell how they are turned, videos whose frames tell their time."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
from PIL import Image as PillowImage

RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 40), (30, 40, 220), (128, 128, 128)
CORNERS = (RED, GREEN, BLUE, GREY)  # top left, top right, bottom left, bottom right
ORIENTATION_TAG = 0x0112
TONE_START, TONE_STEP = 20, 4  # grey of frame i is 20 + 4 * i, up to 58 frames


def corners(width: int = 120, height: int = 80) -> np.ndarray:
    """An image of four plain quarters, uint8 (height, width, 3)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, GREY
    return image


def corner_colours(image: np.ndarray) -> list[tuple[int, int, int]]:
    """The named colour nearest to each corner, in the order of `CORNERS`."""
    height, width = image.shape[:2]
    places = ((0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8))
    seen = [image[int(y * height), int(x * width)].astype(int) for y, x in places]
    return [min(CORNERS, key=lambda colour: np.abs(pixel - colour).sum()) for pixel in seen]


def photo(width: int, height: int, *, seed: int = 0) -> np.ndarray:
    """A smooth random image, uint8 (height, width, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.array(PillowImage.fromarray(small).resize((width, height), PillowImage.Resampling.BICUBIC))


def encoded(
    image: np.ndarray | PillowImage.Image, form: str, *, orientation: int | None = None, **options: Any
) -> bytes:
    """The image as a file of a format, by Pillow's name for it or HEIF."""
    picture = image if isinstance(image, PillowImage.Image) else PillowImage.fromarray(image)
    exif = PillowImage.Exif()
    if orientation is not None:
        exif[ORIENTATION_TAG] = orientation
        options["exif"] = exif.tobytes() if form == "HEIF" else exif
    buffer = io.BytesIO()
    if form == "HEIF":
        pillow_heif.from_pillow(picture).save(buffer, **options)
    else:
        picture.save(buffer, form, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data does not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def tone(frame: int) -> int:
    return TONE_START + TONE_STEP * frame


def frame_of(image: np.ndarray) -> int:
    """Which frame of a toned video an image is."""
    return round((float(image.mean()) - TONE_START) / TONE_STEP)


def write_video(
    path: Path,
    *,
    codec: str = "libx264",
    n_frames: int = 50,
    rate_hz: int = 10,
    gop: int = 10,
    n_between: int = 0,
    size: tuple[int, int] = (160, 120),
    image: np.ndarray | None = None,
    rotation: tuple[int, bool, bool] | None = None,
    faststart: bool = True,
) -> Path:
    """A video of plain frames of rising grey, or of one image.

    `n_between`: frames predicted from both sides between two others; `rotation`: degrees counterclockwise, mirrorings.
    """
    options = {"movflags": "faststart"} if faststart and path.suffix in (".mp4", ".mov") else {}
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = gop
        if codec == "libx264":
            params = f"scenecut=0:keyint={gop}:bframes={n_between}:b-adapt=0:b-pyramid=normal"
            stream.options = {"x264-params": params, "preset": "ultrafast", "crf": "10"}
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        for number in range(n_frames):
            plain = np.full((size[1], size[0], 3), tone(number), np.uint8) if image is None else image
            frame = av.VideoFrame.from_ndarray(plain, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A container with sound only."""
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
