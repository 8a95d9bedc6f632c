"""Drawn photos and clips, and edits of them as people make them, ready for the search for copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from postlens.media.hashing import hash_frames
from postlens.tasks.people.compare import Content
from postlens.types import FrameBatch

SIZE = (192, 144)


def scene(seed: int) -> Image.Image:
    """A background of soft shapes."""
    grey = np.random.default_rng(seed).integers(0, 256, (9, 12), dtype=np.uint8)
    return Image.fromarray(grey).resize(SIZE, Image.Resampling.BICUBIC).convert("RGB")


def frame(seed: int, at_s: float, *, take: int = 0) -> Image.Image:
    """A scene in which two balls move on paths of their own in each take."""
    rng = np.random.default_rng([seed, take])
    image = scene(seed)
    draw = ImageDraw.Draw(image)
    for shade in (255, 0):
        phase, speed = rng.uniform(0, 6.28, 2), rng.uniform(1, 2.5, 2)
        x, y = (np.array(SIZE) * (0.5 + 0.35 * np.sin(phase + speed * at_s))).tolist()
        draw.ellipse((x - 22, y - 22, x + 22, y + 22), fill=(shade,) * 3)
    return image


def mirror(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def crop(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 10, height // 10, width - width // 10, height - height // 10))


def corner_crop(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, int(image.width * 0.8), int(image.height * 0.8)))


def grey(image: Image.Image) -> Image.Image:
    return image.point(lambda value: int(value * 0.7 + 50))


def logo(image: Image.Image) -> Image.Image:
    out = image.copy()
    ImageDraw.Draw(out).rectangle((image.width * 3 // 4, 0, image.width, image.height // 4), fill="red")
    return out


def caption(image: Image.Image) -> Image.Image:
    out = image.copy()
    ImageDraw.Draw(out).rectangle((0, image.height * 5 // 6, image.width, image.height), fill="black")
    return out


def bars(image: Image.Image) -> Image.Image:
    return padded(Image.new("RGB", (image.width, image.height * 4 // 3), "black"), image)


def portrait(image: Image.Image) -> Image.Image:
    back = image.resize((image.width, image.width * 5 // 4)).filter(ImageFilter.GaussianBlur(9))
    return padded(back, image)


def small(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


def padded(back: Image.Image, image: Image.Image) -> Image.Image:
    back.paste(image, ((back.width - image.width) // 2, (back.height - image.height) // 2))
    return back


EDITS: tuple[Callable[[Image.Image], Image.Image], ...] = (
    *(mirror, crop, corner_crop, grey, logo, caption, bars, portrait, small),
)


def content(name: str, order: int, images: list[Image.Image], times_s: np.ndarray | None = None) -> Content:
    """What is compared of drawn frames; their embeddings say nothing, so every file is a candidate."""
    times_s = np.zeros(len(images)) if times_s is None else times_s
    frames = FrameBatch(tuple(map(np.asarray, images)), times_s.astype(np.float32), np.arange(len(images)))
    vectors = np.ones((len(images), 4), np.float32)
    kind = "image" if len(images) == 1 else "video"
    aspect = images[0].width / images[0].height
    return Content(name, order, name, kind, hash_frames(frames), vectors, aspect)


def photo(name: str, order: int, image: Image.Image) -> Content:
    return content(name, order, [image])


def clip(name: str, order: int, *, seed: int, take: int = 0, **how) -> Content:
    """Eight frames of a scene of four seconds: `edit` of a frame, `speed`, and what is left by `trim` (from, to)."""
    start_s, end_s = how.get("trim", (0.0, 4.0))
    speed, edit = how.get("speed", 1.0), how.get("edit", lambda image: image)
    times_s = np.arange(8) * (end_s - start_s) / speed / 8
    return content(
        name, order, [edit(frame(seed, start_s + at_s * speed, take=take)) for at_s in times_s.tolist()], times_s
    )
