"""Drawn photos of things, and portraits with something drawn on, for trainings on a small folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from postlens.train.products_vectors import Reader

SIDE_PX = 240
PORTRAITS = ("cap-badge", "flight-suit", "navy-cap", "smile")  # of the sample campaign: a face each
TURNS = (-4, 0, 4)  # degrees


def shoe(pen: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int]) -> None:
    """A shoe seen from the side."""
    pen.rectangle((x - 60, y + 30, x + 70, y + 44), fill=(245, 245, 240))
    pen.polygon(
        ((x - 60, y - 40), (x - 15, y - 40), (x + 10, y), (x + 70, y + 12), (x + 70, y + 30), (x - 60, y + 30)), colour
    )
    for step in range(4):
        pen.line((x - 14 + 9 * step, y - 28 + 10 * step, x + 4 + 9 * step, y - 34 + 10 * step), (255, 255, 255), 3)


def ring(pen: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int]) -> None:
    """A ring with a stone."""
    pen.ellipse((x - 45, y - 20, x + 45, y + 70), outline=(212, 175, 55), width=9)
    pen.polygon(((x, y - 60), (x + 24, y - 38), (x, y - 14), (x - 24, y - 38)), colour)


def plant(pen: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int]) -> None:
    """Leaves in a pot."""
    pen.polygon(((x - 30, y + 20), (x + 30, y + 20), (x + 20, y + 70), (x - 20, y + 70)), colour)
    for turn in range(-3, 4):
        pen.ellipse(
            (x + 16 * turn - 12, y - 70 + 6 * abs(turn), x + 16 * turn + 12, y + 20), fill=(30, 120 + 15 * turn, 50)
        )


Motif = Callable[[ImageDraw.ImageDraw, float, float, tuple[int, int, int]], None]
MOTIFS: dict[str, Motif] = {"shoes": shoe, "jewellery": ring, "none": plant}


def draw(*motifs: str, seed: int, size_px: int = SIDE_PX) -> Image.Image:
    """One picture with these motifs on a ground of its own."""
    rng = np.random.default_rng(seed)
    light = rng.integers(120, 235, 3)
    ground = np.clip(light + rng.normal(0, 14, (size_px, size_px, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    pen = ImageDraw.Draw(image)
    for number, name in enumerate(motifs):
        x = size_px * (0.5 if len(motifs) == 1 else 0.28 + 0.44 * number) + rng.uniform(-12, 12)
        y = size_px / 2 + rng.uniform(-20, 20)
        MOTIFS[name](pen, x, y, tuple(rng.integers(20, 200, 3).tolist()))
    return image


def fill_tree(root: Path, *, n: int = 10, labels: tuple[str, ...] = ("shoes", "jewellery", "none")) -> Path:
    """n pictures in a folder of each label."""
    for k, label in enumerate(labels):
        (root / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            draw(label, seed=1000 * k + i).save(root / label / f"{label}{i}.png")
    return root


def fill_faces(root: Path, sample_campaign: Path) -> Path:
    """Portraits turned three ways: with a red nose in the folder clown, as they are in none, a folder for each."""
    reader = Reader()
    for name in PORTRAITS:
        for turn in TURNS:
            plain, clown = (root / label / name / f"{turn}.jpg" for label in ("none", "clown"))
            save_turned(sample_campaign / "media" / "sample.portraits" / f"{name}.jpg", plain, turn)
            draw_nose(plain, clown, reader)
    return root


def save_turned(source: Path, out: Path, turn: float) -> None:
    """The photo, made smaller and turned by so many degrees."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    upright.thumbnail((480, 480))
    upright.rotate(turn, resample=Image.Resampling.BICUBIC).save(out, quality=92)


def draw_nose(source: Path, out: Path, reader: Reader) -> None:
    """The photo with a large red nose on its face."""
    decoded = reader.open(str(source))
    found = reader.face(decoded)
    assert found is not None
    left, _, right, _ = found[1].xyxy_px[0].tolist()
    x, y = found[1].landmarks_px[0, 2].tolist()
    size = (right - left) / 5
    image = Image.fromarray(decoded.image)
    ImageDraw.Draw(image).ellipse((x - size, y - size, x + size, y + size), fill=(220, 20, 30))
    out.parent.mkdir(parents=True, exist_ok=True)
    image.save(out, quality=92)


def draw_beard(source: Path, out: Path, reader: Reader, *, mask: bool = False) -> None:
    """The photo with a dark full beard drawn hair by hair on its face, if wanted behind a mask from nose to throat."""
    image, mouth, axes, unit = _face_axes(source, reader)
    pen, rng = ImageDraw.Draw(image), np.random.default_rng(0)
    for _ in range(7000):
        turn, reach = rng.uniform(-0.06, 3.2), rng.uniform(0.55, 1)
        x, y = 0.95 * reach * np.cos(turn), 0.8 * reach * np.sin(turn) - 0.1
        if rng.random() < 0.15:  # the moustache
            x = rng.uniform(-0.42, 0.42)
            y = 0.15 * abs(x) - rng.uniform(0.2, 0.32)
        if (x / 0.36) ** 2 + (y / 0.16) ** 2 < 1:  # the lips stay free
            continue
        root, end = np.array([x, y]), np.array([x + rng.normal(0, 0.04), y + rng.uniform(0.04, 0.12)])
        shade = int(rng.integers(15, 70))
        pen.line(
            [*(mouth + root @ axes), *(mouth + end @ axes)], (shade + 14, shade + 6, shade), max(1, int(unit / 60))
        )
    if mask:
        corners = np.array([(-1.1, -0.7), (1.1, -0.7), (0.9, 1.2), (-0.9, 1.2)])
        pen.polygon([tuple(point) for point in mouth + corners @ axes], fill=(90, 140, 200))
    image.thumbnail((800, 800))
    image.save(out)


def _face_axes(source: Path, reader: Reader) -> tuple[Image.Image, np.ndarray, np.ndarray, float]:
    """The photo, its face's mouth, directions across and down (2, 2) as long as the eyes are apart, and that length."""
    decoded = reader.open(str(source))
    found = reader.face(decoded)
    assert found is not None
    left, right, _, mouth = found[1].landmarks_px[0, :4].astype(float)
    unit = float(np.linalg.norm(right - left))
    down = mouth - (left + right) / 2
    axes = np.stack([right - left, down * unit / np.linalg.norm(down)])
    return Image.fromarray(decoded.image), mouth, axes, unit
