"""The shipped models' answers to a synthetic wave, written to tests/golden/models.json.

    python tools/write_golden.py      # 2 s; run it only when weights are meant to change

A test compares every later run with these numbers, so that a changed file, kernel or preprocessing is noticed.
"""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.vision.zoo import load_spec, open_model

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "models.json"
N_VALUES = 6
FREE_SIZE_PX = 64  # for inputs of any height and width: whole cells of every network here
NAMES = (
    "efficientnet_lite0", "face_detector", "face_expression", "face_mesh", "face_template", "face_verifier",
)  # fmt: skip


def wave(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The same smooth pattern in [-1, 1] on every machine, made of sines of the running index."""
    index = np.arange(math.prod(shape), dtype=np.float64)
    return (0.7 * np.sin(index / 7) + 0.3 * np.sin(index / 1013)).reshape(shape).astype(np.float32)


def answers(name: str) -> dict[str, list[float]]:
    """For each output: its first values, mean and standard deviation for one wave."""
    session = open_model(name)
    (shape,) = session.inputs.values()
    image = wave((1, *(size if isinstance(size, int) else FREE_SIZE_PX for size in shape[1:])))
    outputs = session.run({"image": image})
    return {key: [*_first(value), float(value.mean()), float(value.std())] for key, value in outputs.items()}


def _first(value: NDArray[np.float32]) -> list[float]:
    return value.ravel()[:N_VALUES].astype(float).tolist()


def main() -> None:
    """Write the file."""
    golden = {name: {"sha256": load_spec(name).sha256, "outputs": answers(name)} for name in NAMES}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
