"""Photos and clips to edited copies of them, as people make them: the material for the rules of copies.

Used by `recipes/people_copies.py`. An edit is a function of one frame, or of the times of a clip; every edit is also
compressed again. Sizes of crops, logos and bars are drawn from a seed that follows from the file's name.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Picture = NDArray[np.uint8]
Edit = Callable[[Image.Image, np.random.Generator], Image.Image]
RATE_HZ = 25
MAX_S = 6.0
MAX_SIDE_PX = 400


def lowq(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Half the size."""
    return image.resize((max(8, image.width // 2), max(8, image.height // 2)), Image.Resampling.BILINEAR)


def mirror(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Left and right exchanged."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def crop10(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A tenth cut off at each side."""
    return _cropped(image, 0.8, (0.5, 0.5))


def crop_off(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """70 to 90 % of each side kept, anywhere in the picture."""
    return _cropped(image, rng.uniform(0.7, 0.9), tuple(rng.random(2)))


def square(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The middle square of a longer picture, or the middle three quarters of a square one."""
    width, height = image.size
    keep = min(width, height) if width != height else int(0.75 * width)
    left, top = (width - keep) // 2, (height - min(keep, height)) // 2
    return image.crop((left, top, left + keep, top + min(keep, height)))


def grey(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """No colour, brighter, less contrast."""
    bright, contrast = rng.uniform(10, 40), rng.uniform(0.75, 1.1)
    return image.convert("L").point(lambda v: min(255, max(0, v * contrast + bright))).convert("RGB")


def logo(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """An opaque sign of a quarter of each side in a corner."""
    out = image.copy()
    width, height = int(image.width * 0.28), int(image.height * 0.22)
    left, top = (int(rng.integers(2)) * (image.width - width), int(rng.integers(2)) * (image.height - height))
    draw = ImageDraw.Draw(out)
    draw.rectangle((left, top, left + width, top + height), fill=tuple(rng.integers(256, size=3).tolist()))
    draw.ellipse((left + width // 4, top + 3, left + 3 * width // 4, top + height - 3), fill="white")
    return out


def caption(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A band with words over the lower sixth."""
    out, top = image.copy(), int(image.height * 0.82)
    draw = ImageDraw.Draw(out)
    draw.rectangle((0, top, image.width, image.height), fill="black")
    draw.text((image.width // 8, top + 4), "WAIT FOR IT ...", fill="white")
    return out


def bars(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Flat bars of one shade above and below, or left and right."""
    shade, share = int(rng.integers(256)), rng.uniform(0.1, 0.3)
    across = bool(rng.integers(2))
    size = (image.width, int(image.height * (1 + 2 * share))) if across else None
    size = size or (int(image.width * (1 + 2 * share)), image.height)
    return _padded(Image.new("RGB", size, (shade, shade, shade)), image)


def portrait(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Made 9:16 (16:9 where it is upright) by a blurred enlargement of itself."""
    width, height = image.size
    tall = (width, max(height, width * 16 // 9))
    size = tall if width >= height else (max(width, height * 16 // 9), height)
    back = image.resize(size).filter(ImageFilter.GaussianBlur(max(size) / 30))
    return _padded(back, image)


def screenshot(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Within an application: white page, a round sign and lines of words above and below."""
    page = Image.new("RGB", (image.width + 8, int(image.height * 1.35) + 40), "white")
    draw = ImageDraw.Draw(page)
    draw.ellipse((6, 6, 26, 26), fill="grey")
    draw.text((32, 8), "someone . 2 h", fill="black")
    page.paste(image, (4, 32))
    for line in range(3):
        draw.text((8, image.height + 40 + 12 * line), "liked by many and others", fill="black")
    return page


def mirror_crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Mirrored and cropped."""
    return crop10(mirror(image, rng), rng)


def same(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture as it is: what is edited is the time."""
    return image


PHOTO_EDITS: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (
        *(lowq, mirror, crop10, crop_off, square, grey, logo, caption, bars, portrait, screenshot, mirror_crop),
    )
}
CLIP_EDITS: dict[str, Edit] = {
    **{name: edit for name, edit in PHOTO_EDITS.items() if name not in ("screenshot", "square")},
    **dict.fromkeys(("fast", "slow", "trim"), same),
}
SPEED = {"fast": 1.25, "slow": 0.8}
TRIM = (0.2, 0.75)  # of the length
CRF = {"lowq": 38}


def _cropped(image: Image.Image, keep: float, at: Sequence[float]) -> Image.Image:
    width, height = int(image.width * keep), int(image.height * keep)
    left, top = int((image.width - width) * at[0]), int((image.height - height) * at[1])
    return image.crop((left, top, left + width, top + height))


def _padded(back: Image.Image, image: Image.Image) -> Image.Image:
    back.paste(image, ((back.width - image.width) // 2, (back.height - image.height) // 2))
    return back


def rng_of(name: str) -> np.random.Generator:
    """The same numbers for the same name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def edited_photo(image: Image.Image, edit: str, *, name: str) -> bytes:
    """JPEG bytes of an edited photo."""
    rng = rng_of(f"{name}/{edit}")
    out = io.BytesIO()
    quality = 30 if edit == "lowq" else int(rng.integers(60, 90))
    PHOTO_EDITS[edit](image, rng).save(out, "JPEG", quality=quality)
    return out.getvalue()


def read_clip(path: Path) -> list[Image.Image]:
    """Frames of a clip at its rate, at most `MAX_S` seconds, at most `MAX_SIDE_PX`."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        n = int(MAX_S * float(stream.average_rate or RATE_HZ))
        frames = []
        for frame in container.decode(stream):
            image = frame.to_image()
            image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
            frames.append(image)
            if len(frames) == n:
                break
    return frames


def write_clip(path: Path, frames: Sequence[Image.Image], edit: str, *, name: str) -> None:
    """Write an edited clip: times first, then each frame with the same draw of sizes."""
    n = len(frames)
    if edit == "trim":
        frames = frames[int(n * TRIM[0]) : int(n * TRIM[1])]
    speed = SPEED.get(edit, 1.0)
    frames = [frames[min(n - 1, int(k * speed))] for k in range(int(len(frames) / speed))]
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            image = CLIP_EDITS[edit](frame, rng_of(f"{name}/{edit}"))
            image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
            if stream is None:
                crf = str(CRF.get(edit, 26))
                stream = container.add_stream(
                    "libx264", rate=Fraction(RATE_HZ), options={"crf": crf, "preset": "ultrafast"}
                )
                stream.width, stream.height, stream.pix_fmt, stream.thread_count = (
                    image.width,
                    image.height,
                    "yuv420p",
                    1,
                )
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        if stream is not None:
            container.mux(stream.encode())
