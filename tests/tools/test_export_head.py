"""A written head loads through the product's session and computes what numpy computes."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from postlens.errors import ShapeError
from postlens.vision.cards import read_card
from postlens.vision.session import Session

ROOT = Path(__file__).resolve().parents[2]
CARD = {
    "version": "1",
    "task": "niche",
    "licence": "Apache-2.0",
    "source": "test",
    "paper": "none",
    "limits": "a test",
    "labels": ("a", "b", "c"),
    "metrics": {"accuracy": 0.5, "accuracy_ci": [0.4, 0.6]},
    "train_manifests": ("0" * 64,),
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_head", ROOT / "tools" / "export_head.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["export_head"] = module
    spec.loader.exec_module(module)
    return module


def layers(*widths: int, activation: str = "relu") -> list[tuple[np.ndarray, np.ndarray, str]]:
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(i, o)) / i**0.5, rng.normal(size=o)) for i, o in itertools.pairwise(widths)]
    return [(w, b, "none" if n == len(pairs) - 1 else activation) for n, (w, b) in enumerate(pairs)]


@pytest.mark.parametrize("transform", ["none", "sqrt", "l2", "sqrt_l2"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("hidden", ["relu", "gelu", "tanh"])
def test_every_kind_of_head_runs_in_the_product(tool, tmp_path, transform, activation, hidden):
    spec = tool.export_head(
        "head", layers=layers(20, 8, 3, activation=hidden), mean=np.full(20, 0.1), scale=np.full(20, 2.0),
        transform=transform, activation=activation, temperature=1.7, card=CARD, folder=tmp_path,
    )  # fmt: skip
    out = Session(spec, tmp_path / "head.onnx").run({"features": np.ones((4, 20), np.float32)})
    assert out["probs"].shape == out["logits"].shape == (4, 3)
    assert ((out["probs"] > 0) & (out["probs"] < 1)).all()


def test_softmax_probabilities_are_those_of_the_formula(tool, tmp_path):
    w, b = np.array([[1.0, -1.0]]), np.array([0.5, 0.0])
    spec = tool.export_head("head", layers=[(w, b, "none")], temperature=2.0, card=CARD, folder=tmp_path)
    probs = Session(spec, tmp_path / "head.onnx").run({"features": np.array([[2.0]], np.float32)})["probs"]
    assert probs[0, 0] == pytest.approx(1 / (1 + np.exp(-4.5 / 2)), abs=1e-6)


def test_widened_features_carry_the_log_probabilities_of_the_classes(tool, tmp_path):
    classes = tool.ClassLogs(w=np.eye(2, dtype=np.float16), b=np.zeros(2), floor=1e-3)
    last = np.zeros((4, 2))
    last[2:] = np.eye(2)
    spec = tool.export_head("head", layers=[(last, np.zeros(2), "none")], classes=classes, card=CARD, folder=tmp_path)
    logits = Session(spec, tmp_path / "head.onnx").run({"features": np.array([[1.0, 1.0]], np.float32)})["logits"]
    assert spec.input_size == (2,)
    assert logits == pytest.approx(np.full((1, 2), np.log(0.501)), abs=1e-6)


def test_widened_features_carry_what_is_known_of_the_classes(tool, tmp_path):
    classes = tool.ClassMeans.of(np.eye(2), np.zeros(2), [[1.0], [4.0]])
    last = np.array([[0.0], [0.0], [1.0]])
    spec = tool.export_head("head", layers=[(last, np.zeros(1), "none")], classes=classes, card=CARD, folder=tmp_path)
    logits = Session(spec, tmp_path / "head.onnx").run({"features": np.array([[1.0, 1.0]], np.float32)})["logits"]
    assert spec.input_size == (2,) and logits == pytest.approx(np.array([[2.5]]), abs=1e-6)


def test_same_arguments_give_the_same_bytes(tool, tmp_path):
    first = tool.export_head("head", layers=layers(5, 3), card=CARD, folder=tmp_path)
    card = (tmp_path / "head.toml").read_bytes()
    assert tool.export_head("head", layers=layers(5, 3), card=CARD, folder=tmp_path) == first
    assert (tmp_path / "head.toml").read_bytes() == card


def test_the_card_brings_the_spec_back(tool, tmp_path):
    spec = tool.export_head("head", layers=layers(5, 3), card=CARD, folder=tmp_path)
    assert read_card(tmp_path / "head.toml").fingerprint == spec.fingerprint
    assert spec.input_size == (5,)


def test_layers_that_do_not_fit_are_refused(tool, tmp_path):
    (w1, b1, a1), _ = layers(5, 4, 3)
    with pytest.raises(ShapeError, match=r"W \(4, out\)"):
        tool.export_head("head", layers=[(w1, b1, a1), (w1, b1, "none")], card=CARD, folder=tmp_path)
    assert not list(tmp_path.iterdir())
