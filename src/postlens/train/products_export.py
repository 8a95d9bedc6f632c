"""Trained heads to `head.onnx` with its card and `products.toml`: a folder for the setting `product_models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from postlens.errors import ModelError
from postlens.tasks.products.items import Label
from postlens.tasks.products.model import HEAD_CARD, Reads, vectors_fingerprint, write_product_card
from postlens.train.products_fit import Heads, root
from postlens.types import FloatArray, ModelSpec
from postlens.vision.cards import file_sha256, known, write_card
from postlens.vision.session import Session

HEAD_FILE = "head.onnx"
OPSET, IR_VERSION = 18, 9  # read by onnxruntime since 1.14
PARITY = 1e-3  # largest difference of a probability to numpy's; float32 differs by 1e-6 to 1e-5
PROBE_ROWS = 64  # of the vectors trained on, compared after export
LICENCE = "FILL IN: the licence of this model, given the terms of its training images"
PAPER = "logistic regression, one per label; Platt 1999 (calibration); Saerens et al. 2002 (label frequencies)"


def export_heads(
    heads: Heads,
    out: Path,
    *,
    vectors: FloatArray,
    reads: Reads,
    labels: Sequence[Label],
    metrics: Mapping[str, Any],
    trained_on: Sequence[str],
    limits: str,
) -> ModelSpec:
    """Write `head.onnx`, `head.toml` and `products.toml`; vectors (N, D) are those that it is compared on.

    Raises `ModelError` when the file does not compute what the heads do.
    """
    path = out / HEAD_FILE
    path.write_bytes(_graph(heads))
    spec = ModelSpec(
        name="head",
        version="1",
        task="products",
        file=HEAD_FILE,
        sha256=file_sha256(path),
        licence=LICENCE,
        source="postlens train products: recipe heads",
        paper=PAPER,
        input_size=(vectors.shape[1],),
        outputs=("probs",),
        labels=tuple(label.name for label in labels),
        metrics=known(metrics),
        limits=limits,
        trained_on=tuple(trained_on),
        upstream=(vectors_fingerprint(reads),),
    )
    spec = _compared(spec, heads, vectors[:PROBE_ROWS], path)
    write_card(spec, out / HEAD_CARD)
    write_product_card(out, reads=reads, takes="vectors", nets=[HEAD_CARD], labels=labels)
    return spec


def _compared(spec: ModelSpec, heads: Heads, vectors: FloatArray, path: Path) -> ModelSpec:
    """The spec with the difference between the file and numpy; a file that differs is removed."""
    got = Session(spec, path).run({"features": vectors})["probs"]
    difference = float(np.nan_to_num(np.abs(got - heads.predict(root(vectors))).max(), nan=1.0))
    if not difference <= PARITY:
        path.unlink()
        raise ModelError(
            f"{HEAD_FILE}: expected the heads' probabilities within {PARITY}, got a difference of {difference:.2g}; "
            "another version of onnx or onnxruntime may export right"
        )
    return replace(spec, metrics={**spec.metrics, "parity": {"max_difference": float(f"{difference:.1e}")}})


def _graph(heads: Heads) -> bytes:
    """`features` (n, D) to `probs` (n, K): root, standardise, multiply, sigmoid; the calibration is folded in."""
    from onnx import TensorProto, helper

    linear = heads.linear
    slope = np.array([scale.slope for scale in heads.scales])
    offset = np.array([scale.offset for scale in heads.scales])
    weight = linear.weight / linear.scale[:, None] * slope
    bias = (linear.bias - (linear.mean / linear.scale) @ linear.weight) * slope + offset
    nodes = [
        helper.make_node("Sign", ["features"], ["sign"]),
        helper.make_node("Abs", ["features"], ["size"]),
        helper.make_node("Sqrt", ["size"], ["root"]),
        helper.make_node("Mul", ["sign", "root"], ["roots"]),
        helper.make_node("Gemm", ["roots", "weight", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probs"]),
    ]
    graph = helper.make_graph(
        nodes,
        "products_head",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(weight)])],
        [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["n", len(bias)])],
        [_tensor("weight", weight), _tensor("bias", bias)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="postlens")
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString(deterministic=True))


def _tensor(name: str, values: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
