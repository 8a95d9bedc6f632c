"""LightGBM boosters to one ONNX file of tree ensembles; imported by recipes/engagement.py, takes a second.

Written from the ONNX operator specification (ai.onnx.ml, TreeEnsembleRegressor) and LightGBM's `dump_model`. The graph
reads `features` (N, F) float32, whose first column is the anchor, and returns `lower`, `median` and `upper` (N, 1):
anchor + trees, the outer two widened by one small tree that holds the conformal margins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8  # as the other shipped models
LARGEST = float(np.finfo(np.float32).max)  # LightGBM's threshold that parts nothing but NaN is above it
Tree = Mapping[str, Any]  # nested nodes, as LightGBM's dump_model has them under "tree_structure"


@dataclass(frozen=True, slots=True)
class Columns:
    """The attributes of a TreeEnsembleRegressor: one entry per node, and one per leaf."""

    nodes_treeids: list[int] = field(default_factory=list)
    nodes_nodeids: list[int] = field(default_factory=list)
    nodes_featureids: list[int] = field(default_factory=list)
    nodes_values: list[float] = field(default_factory=list)
    nodes_modes: list[str] = field(default_factory=list)
    nodes_truenodeids: list[int] = field(default_factory=list)
    nodes_falsenodeids: list[int] = field(default_factory=list)
    nodes_missing_value_tracks_true: list[int] = field(default_factory=list)
    target_treeids: list[int] = field(default_factory=list)
    target_nodeids: list[int] = field(default_factory=list)
    target_ids: list[int] = field(default_factory=list)
    target_weights: list[float] = field(default_factory=list)

    def attributes(self) -> dict[str, list[Any]]:
        """By ONNX name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def add(self, tree: Tree, number: int) -> None:
        """Append a tree's nodes, each before its children."""
        waiting: list[tuple[Tree, int]] = [(tree, 0)]
        n_nodes = 1
        while waiting:
            node, node_id = waiting.pop()
            if "leaf_value" in node:
                self._leaf(number, node_id, float(node["leaf_value"]))
                continue
            self._split(node, number, node_id, children=n_nodes)
            waiting += [(node["left_child"], n_nodes), (node["right_child"], n_nodes + 1)]
            n_nodes += 2

    def _split(self, node: Tree, number: int, node_id: int, *, children: int) -> None:
        threshold = float(node["threshold"])
        self._node(number, node_id, int(node["split_feature"]), float32_below(threshold), "BRANCH_LEQ")
        self.nodes_truenodeids.append(children)
        self.nodes_falsenodeids.append(children + 1)
        # Where LightGBM saw no missing value in training it reads NaN as 0.
        left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
        self.nodes_missing_value_tracks_true.append(int(left))

    def _leaf(self, number: int, node_id: int, value: float) -> None:
        self._node(number, node_id, 0, 0.0, "LEAF")
        self.nodes_truenodeids.append(0)
        self.nodes_falsenodeids.append(0)
        self.nodes_missing_value_tracks_true.append(0)
        self.target_treeids.append(number)
        self.target_nodeids.append(node_id)
        self.target_ids.append(0)
        self.target_weights.append(value)

    def _node(self, number: int, node_id: int, feature: int, value: float, mode: str) -> None:
        self.nodes_treeids.append(number)
        self.nodes_nodeids.append(node_id)
        self.nodes_featureids.append(feature)
        self.nodes_values.append(value)
        self.nodes_modes.append(mode)


def float32_below(value: float) -> float:
    """The largest float32 that is not above the value: `x <= value` then means the same for every float32 x."""
    rounded = np.float32(np.clip(value, -LARGEST, LARGEST))
    return float(np.nextafter(rounded, np.float32(-math.inf)) if float(rounded) > value else rounded)


def step_tree(feature: int, edges: Sequence[float], values: Sequence[float]) -> dict[str, Any]:
    """A tree that gives values[i] where edges[i - 1] < x <= edges[i]; NaN goes to the last. len(edges) + 1 values."""
    if not edges:
        return {"leaf_value": values[0]}
    return split(feature, edges[0], {"leaf_value": values[0]}, step_tree(feature, edges[1:], values[1:]))


def split(feature: int, threshold: float, left: Tree, right: Tree) -> dict[str, Any]:
    """One node in LightGBM's form; NaN goes right."""
    return {
        "split_feature": feature,
        "threshold": threshold,
        "default_left": False,
        "missing_type": "NaN",
        "left_child": left,
        "right_child": right,
    }


def scaled(tree: Tree, factor: float) -> dict[str, Any]:
    """The tree with all leaf values multiplied."""
    if "leaf_value" in tree:
        return {"leaf_value": tree["leaf_value"] * factor}
    return {
        **tree,
        "left_child": scaled(tree["left_child"], factor),
        "right_child": scaled(tree["right_child"], factor),
    }


def build_model(name: str, ensembles: Mapping[str, Sequence[Tree]], *, n_features: int) -> bytes:
    """A serialised graph with one output (N, 1) for each named ensemble, the anchor (column 0) added to it."""
    nodes = [helper.make_node("Gather", ["features", "first"], ["anchor"], axis=1)]
    for output, trees in ensembles.items():
        columns = Columns()
        for number, tree in enumerate(trees):
            columns.add(tree, number)
        offset = f"{output}_offset"
        nodes += [
            helper.make_node(
                "TreeEnsembleRegressor",
                ["features"],
                [offset],
                domain="ai.onnx.ml",
                n_targets=1,
                aggregate_function="SUM",
                post_transform="NONE",
                **columns.attributes(),
            ),
            helper.make_node("Add", ["anchor", offset], [output]),
        ]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 1]) for output in ensembles]
    first = numpy_helper.from_array(np.array([0], np.int64), "first")
    graph = helper.make_graph(nodes, name, inputs, outputs, [first])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="postlens")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def run_trees(trees: Sequence[Tree], x: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) sums of the trees in plain Python: the reference for trees that LightGBM did not make."""
    return np.array([sum(_leaf_value(tree, row) for tree in trees) for row in x])


def _leaf_value(tree: Tree, row: NDArray[np.float32]) -> float:
    while "leaf_value" not in tree:
        value = float(row[tree["split_feature"]])
        left = tree["default_left"] if math.isnan(value) else value <= tree["threshold"]
        tree = tree["left_child"] if left else tree["right_child"]
    return float(tree["leaf_value"])
