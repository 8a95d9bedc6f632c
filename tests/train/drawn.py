"""Drawn photos of things, for trainings on a small folder: no face, no camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE_PX = 240


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
