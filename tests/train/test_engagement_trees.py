"""Trees written to ONNX route every number, and NaN, as LightGBM does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from postlens.train.engagement_trees import build_model, float32_below, run_trees, scaled, split, step_tree
from postlens.types import ModelSpec
from postlens.vision.session import Session


def leaf(value: float):
    return {"leaf_value": value}


def run(folder: Path, trees, x):
    data = build_model("trees", {"median": trees}, n_features=x.shape[1])
    (folder / "trees.onnx").write_bytes(data)
    spec = ModelSpec(
        "trees", "1", "test", "trees.onnx", hashlib.sha256(data).hexdigest(), "", "", "", outputs=("median",)
    )
    return Session(spec, folder / "trees.onnx").run({"features": x})["median"][:, 0]


@pytest.mark.parametrize(("missing", "default_left", "want"), [("NaN", True, 1), ("NaN", False, 2), ("None", False, 1)])
def test_nan_goes_where_lightgbm_sends_it(tmp_path: Path, missing: str, default_left: bool, want: float):
    tree = split(1, 0.5, leaf(1.0), leaf(2.0)) | {"missing_type": missing, "default_left": default_left}
    x = np.array([[0, np.nan], [0, 0.5], [0, 0.6]], np.float32)
    assert run(tmp_path, [tree], x).tolist() == [want, 1, 2]


def test_the_anchor_is_added(tmp_path: Path):
    x = np.array([[7, 0], [-3, 1]], np.float32)
    assert run(tmp_path, [split(1, 0.5, leaf(0.25), leaf(0.5))], x).tolist() == [7.25, -2.5]


def test_the_sum_of_random_trees_is_that_of_the_reference(tmp_path: Path):
    rng = np.random.default_rng(0)

    def grow(depth: int):
        if not depth:
            return leaf(float(rng.normal()))
        node = split(int(rng.integers(1, 4)), float(rng.normal()), grow(depth - 1), grow(depth - 1))
        return node | {"default_left": bool(rng.integers(2))}

    trees = [grow(3) for _ in range(10)]
    x = rng.normal(size=(200, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[:, 0] = 0
    np.testing.assert_allclose(run(tmp_path, trees, x), run_trees(trees, x), atol=1e-5)


def test_steps_hold_from_edge_to_edge():
    tree = step_tree(0, [1.0, 2.0], [10.0, 20.0, 30.0])
    x = np.array([[0.0], [1.0], [1.5], [2.0], [9.0], [np.nan]], np.float32)
    assert run_trees([scaled(tree, -1)], x).tolist() == [-10, -10, -20, -20, -30, -30]


@pytest.mark.parametrize("value", [0.1, 1e-30, -0.7, 1.0, 1e300])
def test_thresholds_part_the_same_float32_numbers(value: float):
    below = float32_below(value)
    assert below <= value
    if value < 1e38:
        assert float(np.nextafter(np.float32(below), np.float32(np.inf))) > value
