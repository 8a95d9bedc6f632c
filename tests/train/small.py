"""A drawn data set and a recipe that train in a second on a processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from postlens.train.recipe import Phase, Recipe, load_recipe

from ..influencers import draw

LABELS = ("beauty", "family", "fashion")
SIZE_PX = 32
PHASES = (
    Phase(name="head", epochs=2, unfrozen_layers=0, learning_rate=1e-3),
    Phase(name="top", epochs=2, unfrozen_layers=1000, learning_rate=5e-3),
)
CLOCK = ("seconds", "images_per_s")  # of a history, which differ from run to run


def drawn_folders(root: Path, *, n_groups: int = 6, n_images: int = 2) -> Path:
    """`root/<label>/<account>/<n>.png`, told apart by colour and shape."""
    rng = np.random.default_rng(0)
    for label in LABELS:
        for group in range(n_groups):
            folder = root / label / f"{label}{group}"
            folder.mkdir(parents=True)
            for number in range(n_images):
                draw(label, rng=rng, size_px=48).save(folder / f"{number}.png")
    return root


def small_recipe(**values: Any) -> Recipe:
    """Two phases of a tiny net with random weights."""
    fixed = {"backbone": "test_efficientnet", "weights": "none", "input_size": (3, SIZE_PX, SIZE_PX), "batch_size": 4}
    fixed["batch_norm"] = "train"  # random norms have no statistics to keep
    return load_recipe("efficientnet_lite0").changed(**(fixed | {"phases": PHASES} | values))


def without_clock(history: Any) -> list[dict[str, Any]]:
    """The rows without what depends on the machine's speed."""
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in history]
