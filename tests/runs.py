"""Run folders as trainings leave them, written without torch: models that anyone can compute by hand (10 ms)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from postlens.types import NICHES, ModelSpec
from postlens.vision.cards import file_sha256, write_card
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

OPSET, IR_VERSION = 17, 8
SIZE_PX = 16
CARD: dict[str, Any] = {"version": "1", "licence": "test", "source": "test", "paper": "none", "limits": "a test"}
Node = tuple[str, Sequence[str], str]  # operator, inputs, output


def write_run(
    folder: Path,
    *,
    own_encoder: bool = True,
    labels: Sequence[str] = NICHES,
    says: str = "pet",
    projected: bool = False,
) -> Path:
    """A run whose head says `says` of every image, with probability .9 for nine labels.

    With an encoder of its own, features are the mean red, green and blue in [0, 1]; else the shipped encoder's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder = write_encoder(folder) if own_encoder else load_spec(ENCODER)
    write_head(folder, encoder, labels=labels, says=says, projected=projected)
    return folder


def write_encoder(folder: Path) -> ModelSpec:
    """`encoder.onnx` and its card: mean colour of an image."""
    nodes = [("ReduceMean", ["image"], "features")]
    size = {"input_size": (3, SIZE_PX, SIZE_PX), "mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)}
    card = {**size, "interpolation": "bicubic, antialiased, centre square", "channel_order": "RGB", "dim": 3}
    shapes = {"features": ["n", 3]}
    image = {"image": ["n", 3, SIZE_PX, SIZE_PX]}
    return write_model(folder, "encoder", nodes, inputs=image, outputs=shapes, task="encode", **card)


def write_head(
    folder: Path, encoder: ModelSpec, *, labels: Sequence[str] = NICHES, says: str = "pet", projected: bool = False
) -> ModelSpec:
    """`head.onnx` and its card: the same answer whatever it reads; projected: the features twice over."""
    k, width = len(labels), encoder.dim or 0
    bias = np.where(np.arange(k) == list(labels).index(says), np.log(9.0 * (k - 1)), 0.0)  # 0.9 : 0.1 / (k - 1)
    weights = {"w": np.zeros((width, k), np.float32), "b": bias.astype(np.float32)}
    nodes: list[Node] = [("Gemm", ["features", "w", "b"], "logits"), ("Softmax", ["logits"], "probs")]
    outputs = {"logits": ["n", k], "probs": ["n", k]}
    if projected:
        nodes.append(("Concat", ["features", "features"], "projected"))
        outputs["projected"] = ["n", 2 * width]
    return write_model(
        folder, "head", nodes, inputs={"features": ["n", width]}, outputs=outputs, weights=weights, task="niche",
        labels=tuple(labels), thresholds={"other_below": 0.3} if tuple(labels) == NICHES else {},
        upstream=(encoder.fingerprint,), input_size=(width,), dim=2 * width if projected else None,
    )  # fmt: skip


def write_creator(folder: Path, upstream: ModelSpec, *, labels: Sequence[str] = NICHES, says: str = "pet") -> ModelSpec:
    """`creator.onnx` and its card: the same answer for every bag, attention by the first feature of each post."""
    k = len(labels)
    bias = np.where(np.arange(k) == list(labels).index(says), np.log(9.0 * (k - 1)), 0.0).astype(np.float32)
    weights = {"first": np.array([0]), "zero": np.zeros((1, 1), np.float32), "b": bias[None]}
    nodes: list[Node] = [
        ("Gather", ["features", "first"], "column"),  # (1, N, 1)
        ("Flatten", ["column"], "score"),  # (1, N)
        ("Softmax", ["score"], "attention"),
        ("ReduceSum", ["attention"], "one"),  # (1, 1): makes the answer one of the bag
        ("Mul", ["one", "zero"], "nothing"),
        ("Add", ["nothing", "b"], "logits"),
        ("Softmax", ["logits"], "probs"),
    ]
    outputs = {"logits": [1, k], "probs": [1, k], "attention": [1, "n"]}
    return write_model(
        folder, "creator", nodes, inputs={"features": [1, "n", upstream.dim]}, outputs=outputs, weights=weights,
        task="niche", labels=tuple(labels), upstream=(upstream.fingerprint,), input_size=(upstream.dim or 0,),
    )  # fmt: skip


def write_colour_net(
    folder: Path, name: str, *, labels: Sequence[str], size_px: int = SIZE_PX, channel_order: str = "RGB"
) -> ModelSpec:
    """A net over pixels whose three probabilities are the mean brightness of its channels."""
    nodes = [("ReduceMean", ["image"], "probs")]
    size = {"input_size": (3, size_px, size_px), "mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)}
    return write_model(
        folder, name, nodes, inputs={"image": ["n", 3, size_px, size_px]}, outputs={"probs": ["n", 3]},
        task="products", labels=tuple(labels), channel_order=channel_order, **size,
    )  # fmt: skip


def write_model(
    folder: Path,
    name: str,
    nodes: Sequence[Node],
    *,
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    weights: dict[str, np.ndarray] | None = None,
    **card: Any,
) -> ModelSpec:
    """An ONNX file of float32 tensors with its card."""
    axes: dict[str, dict[str, Any]] = {
        "ReduceMean": {"axes": [2, 3], "keepdims": 0},
        "Softmax": {"axis": 1},
        "Concat": {"axis": 1},
        "Gather": {"axis": 2},
    }
    graph = helper.make_graph(
        [helper.make_node(op, list(given), [made], **axes.get(op, {})) for op, given, made in nodes],
        name,
        *(
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in side.items()]
            for side in (inputs, outputs)
        ),
        [numpy_helper.from_array(value, key) for key, value in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    spec = ModelSpec(name=name, file=path.name, sha256=file_sha256(path), outputs=tuple(outputs), **CARD | card)
    write_card(spec, folder / f"{name}.toml")
    return spec
