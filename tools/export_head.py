"""Layers of a small head, as numpy arrays, to an ONNX model and its card under src/postlens/weights/.

Imported by the recipes (`sys.path.insert(0, "tools")`); needs the `onnx` package; takes under a second.

The graph reads `features` (N, D) float32 and returns `logits` and `probs` (N, K). It can widen the features by the log
probabilities of the encoder's own classes (`ClassLogs`), or by what is known of these (`ClassMeans`): frozen features
say more about a new label when their nearest known classes stand beside them. Its bytes depend on nothing but the
arguments. What was written is run again by the product's own session and compared with numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from postlens.errors import ModelError, ShapeError
from postlens.types import ModelSpec
from postlens.vision.cards import write_card
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS

OPSET, IR_VERSION = 17, 8  # as the other shipped models
PARITY = 1e-5  # largest difference between ONNX and numpy probabilities; float32 sums over 1280 terms stay below 1e-6

Activation = Literal["none", "relu", "gelu", "tanh"]
Layer = tuple[ArrayLike, ArrayLike, Activation]
Transform = Literal["none", "sqrt", "l2", "sqrt_l2"]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassLogs:
    """log(softmax(features @ w + b) + floor), appended to the features before they are standardised.

    w is stored as float16, half the file; give it in that precision to train on the same numbers.
    """

    w: NDArray[np.float16]  # (D, C)
    b: Array  # (C,)
    floor: float  # higher forgets more of the unlikely classes

    def run(self, features: Array) -> Array:
        """(N, C)."""
        return np.asarray(np.log(_softmax(features @ self.w.astype(np.float64) + self.b) + self.floor))


@dataclass(frozen=True, slots=True)
class ClassMeans:
    """softmax(features @ w + b) @ values, appended to the features before they are standardised.

    What is known of the encoder's classes, averaged over what it takes the image for. w is stored as whole numbers in
    a byte each, times a scale for each class: a quarter of the file.
    """

    whole: NDArray[np.int8]  # (D, C)
    scale: Array  # (C,)
    b: Array  # (C,)
    values: Array  # (C, M)

    @classmethod
    def of(cls, w: ArrayLike, b: ArrayLike, values: ArrayLike) -> ClassMeans:
        """From weights (D, C), rounded to 254 steps of each class's own range."""
        full = np.asarray(w, np.float64)
        scale = (np.maximum(np.abs(full).max(axis=0), 1e-12) / 127).astype(np.float32).astype(np.float64)
        whole = np.rint(full / scale).clip(-127, 127).astype(np.int8)
        return cls(whole, scale, np.asarray(b, np.float64), np.asarray(values, np.float64))

    @property
    def w(self) -> Array:
        """(D, C) as the graph has them."""
        return np.asarray(self.whole * self.scale)

    def run(self, features: Array) -> Array:
        """(N, M)."""
        return np.asarray(_softmax(features @ self.w + self.b) @ self.values)


@dataclass(frozen=True, slots=True)
class Head:
    """A head: transform, widen, standardise, dense layers, temperature, output activation."""

    layers: tuple[tuple[Array, Array, Activation], ...]  # W (in, out), b (out,)
    mean: Array | None  # (D,) or, widened, (D + C,) or (D + M,): subtracted after the transform
    scale: Array | None  # as mean: divided by after it
    transform: Transform  # sqrt: of the features cut at 0; l2: rows to length 1
    activation: Literal["softmax", "sigmoid"]
    temperature: float
    classes: ClassLogs | ClassMeans | None = None

    def __post_init__(self) -> None:
        width = self.layers[0][0].shape[0]
        for w, b, _ in self.layers:
            if w.ndim != 2 or w.shape[0] != width or b.shape != (w.shape[1],):
                raise ShapeError(f"a layer must be W ({width}, out) and b (out,), got {w.shape} and {b.shape}")
            width = w.shape[1]

    @property
    def n_inputs(self) -> int:
        """D, the width of the features."""
        return int(self.layers[0][0].shape[0] if self.classes is None else self.classes.w.shape[0])

    @property
    def n_outputs(self) -> int:
        """K, the number of logits."""
        return int(self.layers[-1][0].shape[1])

    def run(self, features: ArrayLike) -> tuple[Array, Array]:
        """(logits, probs) in float64: what the graph must reproduce."""
        raw = x = np.asarray(features, np.float64)
        if "sqrt" in self.transform:
            x = np.sqrt(np.maximum(x, 0))
        if "l2" in self.transform:
            x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        x = x if self.classes is None else np.concatenate([x, self.classes.run(raw)], axis=1)
        x = x if self.mean is None else x - self.mean
        x = x if self.scale is None else x / self.scale
        for w, b, name in self.layers:
            x = _ACTIVATIONS[name](x @ w + b)
        logits = x / self.temperature
        return logits, _softmax(logits) if self.activation == "softmax" else 1 / (1 + np.exp(-logits))


def export_head(
    name: str,
    *,
    layers: Sequence[Layer],
    card: Mapping[str, Any],
    mean: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    transform: Transform = "none",
    activation: Literal["softmax", "sigmoid"] = "softmax",
    temperature: float = 1.0,
    classes: ClassLogs | ClassMeans | None = None,
    folder: Path = WEIGHTS,
) -> ModelSpec:
    """Write `<folder>/<name>.onnx` and `<name>.toml`, check them, and return the spec.

    layers: (W (in, out), b (out,), activation) from features to logits; scikit-learn's `coef_` is W transposed. Platt
    scaling (a, c per label) folds into the last layer: W * a, b * a + c. `card` holds the other fields of `ModelSpec`:
    version, task, licence, source, paper, labels, metrics, limits, thresholds, trained_on, train_manifests, upstream.
    Raises `ShapeError` when the layers do not fit each other, `ModelError` when ONNX and numpy differ by `PARITY`.
    """
    head = Head(
        layers=tuple((np.asarray(w, np.float64), np.asarray(b, np.float64), a) for w, b, a in layers),
        mean=None if mean is None else np.asarray(mean, np.float64),
        scale=None if scale is None else np.asarray(scale, np.float64),
        transform=transform,
        activation=activation,
        temperature=temperature,
        classes=classes,
    )
    data = _build(name, head)
    path = folder / f"{name}.onnx"
    path.write_bytes(data)
    spec = ModelSpec(
        name=name,
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        input_size=(head.n_inputs,),
        outputs=("logits", "probs"),
        **card,
    )
    write_card(spec, path.with_suffix(".toml"))
    _check_parity(head, spec, path)
    return spec


def _check_parity(head: Head, spec: ModelSpec, path: Path) -> None:
    features = np.random.default_rng(0).gamma(0.5, 1.0, size=(64, head.n_inputs)).astype(np.float32)
    got, want = Session(spec, path).run({"features": features})["probs"], head.run(features)[1]
    worst = float(np.abs(got - want).max())
    if not worst < PARITY:
        raise ModelError(f"{path}: ONNX and numpy differ by {worst:.1e}, expected under {PARITY}; check the layers")


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def _gelu(x: Array) -> Array:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


_ACTIVATIONS: dict[Activation, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": _gelu,
    "tanh": np.tanh,
}


# --- the graph ------------------------------------------------------------------------------------------------------


class _Graph:
    """Nodes and weights in the order of their making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def weight(self, array: ArrayLike, *, dtype: type = np.float32) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name


def _build(name: str, head: Head) -> bytes:
    g = _Graph()
    x = _standardised(g, head, _widened(g, head, _transformed(g, head, "features")))
    for w, b, activation in head.layers:
        x = _activated(g, activation, g.node("Gemm", x, g.weight(w), g.weight(b)))
    logits = g.node("Div", x, g.weight(head.temperature), name="logits")
    if head.activation == "softmax":
        g.node("Softmax", logits, name="probs", axis=1)
    else:
        g.node("Sigmoid", logits, name="probs")
    return _serialised(name, g, head)


def _transformed(g: _Graph, head: Head, x: str) -> str:
    if "sqrt" in head.transform:
        x = g.node("Sqrt", g.node("Relu", x))
    if "l2" in head.transform:
        norm = g.node("ReduceL2", x, axes=[1], keepdims=1)
        x = g.node("Div", x, g.node("Max", norm, g.weight(1e-12)))
    return x


def _widened(g: _Graph, head: Head, x: str) -> str:
    if head.classes is None:
        return x
    if isinstance(head.classes, ClassMeans):
        whole = g.node("Cast", g.weight(head.classes.whole, dtype=np.int8), to=TensorProto.FLOAT)
        probs = _class_probs(g, g.node("Mul", whole, g.weight(head.classes.scale)), head.classes.b)
        return g.node("Concat", x, g.node("MatMul", probs, g.weight(head.classes.values)), axis=1)
    w = g.node("Cast", g.weight(head.classes.w, dtype=np.float16), to=TensorProto.FLOAT)
    logs = g.node("Log", g.node("Add", _class_probs(g, w, head.classes.b), g.weight(head.classes.floor)))
    return g.node("Concat", x, logs, axis=1)


def _class_probs(g: _Graph, w: str, b: Array) -> str:
    return g.node("Softmax", g.node("Gemm", "features", w, g.weight(b)), axis=1)


def _standardised(g: _Graph, head: Head, x: str) -> str:
    x = x if head.mean is None else g.node("Sub", x, g.weight(head.mean))
    return x if head.scale is None else g.node("Div", x, g.weight(head.scale))


def _activated(g: _Graph, activation: Activation, x: str) -> str:
    if activation == "gelu":  # 0.5 x (1 + erf(x / sqrt 2)); opset 17 has no Gelu
        gate = g.node("Add", g.node("Erf", g.node("Mul", x, g.weight(0.5**0.5))), g.weight(1.0))
        return g.node("Mul", g.node("Mul", x, g.weight(0.5)), gate)
    return x if activation == "none" else g.node({"relu": "Relu", "tanh": "Tanh"}[activation], x)


def _serialised(name: str, g: _Graph, head: Head) -> bytes:
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", head.n_inputs])]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", head.n_outputs]) for n in ("logits", "probs")]
    graph = helper.make_graph(g.nodes, name, inputs, outputs, g.weights)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="postlens"
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
