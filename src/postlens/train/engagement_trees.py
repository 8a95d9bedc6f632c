"""LightGBM's trees to one ONNX file of tree ensembles: takes a second.

Written from the ONNX operator specification (ai.onnx.ml, TreeEnsembleRegressor) and LightGBM's `dump_model`. The graph
reads `features` (N, F) float32, whose first column is the anchor, and returns `lower`, `median` and `upper` (N, 1):
anchor + trees, the outer two widened by one small tree that holds the conformal margins, and kept away from the median
by another that holds the least distance. The trees of the median, with their counts, also stand in the file's metadata,
for what explains a forecast (`tasks.engagement.explain`).
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.explain import TREES

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8  # as the other shipped models
LARGEST = float(np.finfo(np.float32).max)  # LightGBM's threshold that parts nothing but NaN is above it
# Of a node: what SHAP values need, and no more.
SPLIT_KEYS = ("split_feature", "threshold", "default_left", "missing_type", "internal_count")
DIGITS = 6  # significant ones of leaf values in the metadata; thresholds stay whole, since they decide branches
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


def build_model(
    name: str,
    ensembles: Mapping[str, Sequence[Tree]],
    *,
    n_features: int,
    median_trees: Sequence[Tree] = (),
    least: Tree | None = None,
) -> bytes:
    """A serialised graph with one output (N, 1) for each named ensemble, the anchor (column 0) added to it.

    Args:
        ensembles: trees by name.
        n_features: columns of a row.
        median_trees: as LightGBM's dump_model has them, kept in the metadata.
        least: how far `lower` and `upper` are from `median` at least; needs ensembles of these names.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Gather", ["features", "first"], ["anchor"], axis=1)]
    ends = ("lower", "upper") if least is not None else ()
    for output, trees in ensembles.items():
        nodes += _ensemble_nodes(output, trees, "anchor", f"{output}_trees" if output in ends else output)
    if least is not None:
        nodes += _least_nodes(least)
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 1]) for output in ensembles]
    first = numpy_helper.from_array(np.array([0], np.int64), "first")
    graph = helper.make_graph(nodes, name, inputs, outputs, [first])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="postlens")
    if median_trees:
        helper.set_model_props(model, {TREES: pack_trees(median_trees)})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _least_nodes(least: Tree) -> list[Any]:
    """The ends, moved out to the least distance from the median."""
    from onnx import helper

    return [
        *_ensemble_nodes("above", [least], "median", "least_upper"),
        helper.make_node("Sub", ["median", "above_offset"], ["least_lower"]),
        helper.make_node("Min", ["lower_trees", "least_lower"], ["lower"]),
        helper.make_node("Max", ["upper_trees", "least_upper"], ["upper"]),
    ]


def _ensemble_nodes(name: str, trees: Sequence[Tree], start: str, output: str) -> list[Any]:
    """The sum of the trees, `{name}_offset`, and `output`, that sum added to the value `start`."""
    from onnx import helper

    columns, offset = Columns(), f"{name}_offset"
    for number, tree in enumerate(trees):
        columns.add(tree, number)
    kind: dict[str, Any] = {"n_targets": 1, "aggregate_function": "SUM", "post_transform": "NONE"}
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["features"], [offset], domain="ai.onnx.ml", **(kind | columns.attributes())
    )
    return [ensemble, helper.make_node("Add", [start, offset], [output])]


def pack_trees(trees: Sequence[Tree]) -> str:
    """Base64 of zlib of JSON: what SHAP values need of the trees."""
    text = json.dumps([_bare(tree) for tree in trees], separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _bare(tree: Tree) -> dict[str, Any]:
    if "leaf_value" in tree:
        # A tree of one leaf has no count in LightGBM's dump; nothing depends on it.
        return {"leaf_value": float(f"{tree['leaf_value']:.{DIGITS}g}"), "leaf_count": tree.get("leaf_count", 1)}
    kept = {key: tree[key] for key in SPLIT_KEYS}
    return {**kept, "left_child": _bare(tree["left_child"]), "right_child": _bare(tree["right_child"])}


def run_trees(trees: Sequence[Tree], x: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) sums of the trees in plain Python: the reference for trees that LightGBM did not make."""
    return np.array([sum(_leaf_value(tree, row) for tree in trees) for row in x])


def _leaf_value(tree: Tree, row: NDArray[np.float32]) -> float:
    while "leaf_value" not in tree:
        value = float(row[tree["split_feature"]])
        left = tree["default_left"] if math.isnan(value) else value <= tree["threshold"]
        tree = tree["left_child"] if left else tree["right_child"]
    return float(tree["leaf_value"])
