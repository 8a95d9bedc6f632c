"""A TensorFlow.js graph model (JSON nodes, one binary shard, float32 or float16) to ONNX.

The graph is written in NCHW: convolutions run faster there on onnxruntime, and only a reshape that flattens a map
needs the original NHWC order back. Covers the operators that the shipped models use and refuses any other.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weights.graph import GraphWriter, same_pads


@dataclass(frozen=True, kw_only=True)
class TfjsModel:
    """Nodes in topological order and their constants (float32 or int32, NHWC / HWIO as stored)."""

    nodes: Sequence[Mapping[str, Any]]
    constants: Mapping[str, NDArray[np.generic]]

    @property
    def input_shape(self) -> list[int]:
        """(H, W, C) of the single placeholder."""
        node = next(node for node in self.nodes if node["op"] == "Placeholder")
        return [int(dim["size"]) for dim in node["attr"]["shape"]["shape"]["dim"]][1:]


def read(graph: bytes, shard: bytes) -> TfjsModel:
    """Reads the JSON graph and its shard; raises ValueError when bytes are left over."""
    document = json.loads(graph)
    constants, offset = {}, 0
    for entry in (entry for group in document["weightsManifest"] for entry in group["weights"]):
        stored = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"])).newbyteorder("<")
        count = math.prod(entry["shape"])
        array = np.frombuffer(shard, stored, count, offset).reshape(entry["shape"])
        constants[entry["name"]] = array.astype(entry["dtype"])
        offset += count * stored.itemsize
    if offset != len(shard):
        raise ValueError(f"expected {offset} bytes of weights, got {len(shard)}")
    return TfjsModel(nodes=_sorted_nodes(document["modelTopology"]["node"]), constants=constants)


def _sorted_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Operators in an order where every input comes first; constants are left out."""
    waiting = {node["name"]: node for node in nodes if node["op"] != "Const"}
    constants = {node["name"] for node in nodes if node["op"] == "Const"}
    done: list[Mapping[str, Any]] = []
    ready = set(constants)
    while waiting:
        name = next(n for n, node in waiting.items() if ready.issuperset(node.get("input", [])))
        done.append(waiting.pop(name))
        ready.add(name)
    return done


def attribute(node: Mapping[str, Any], name: str) -> Any:
    """A node attribute as a Python value; byte strings are decoded, lists of integers too."""
    value = node.get("attr", {}).get(name, {})
    if "s" in value:
        return base64.b64decode(value["s"]).decode()
    items = value.get("list", {})
    return [base64.b64decode(s).decode() for s in items.get("s", [])] or [int(i) for i in items.get("i", [])]


def build(
    model: TfjsModel, *, name: str, outputs: Mapping[str, tuple[str, Sequence[int | str]]], any_size: bool = False
) -> bytes:
    """ONNX with input `image` (N, C, H, W); `outputs` maps a tfjs node to its new name and shape.

    With `any_size`, H and W are free: right for a fully convolutional net and sizes that its strides divide, since
    padding is then the same at every size.
    """
    converter = _Converter(model, name, any_size=any_size)
    for node in model.nodes:
        converter.convert(node)
    for source, (target, shape) in outputs.items():
        converter.graph.output(converter.tensors[source], target, shape)
    return converter.graph.build()


class _Converter:
    """Translates one node at a time; `sizes` holds the spatial size of every 4-d tensor (square maps only)."""

    def __init__(self, model: TfjsModel, name: str, *, any_size: bool) -> None:
        self.model = model
        self.any_size = any_size
        self.graph = GraphWriter(name)
        self.tensors: dict[str, str] = {}
        self.sizes: dict[str, int] = {}

    def convert(self, node: Mapping[str, Any]) -> None:
        inputs = node.get("input", [])
        self.sizes[node["name"]] = self.sizes[inputs[0]] if inputs else self.model.input_shape[0]
        self.tensors[node["name"]] = self._handlers()[node["op"]](node)

    def _handlers(self) -> dict[str, Callable[[Mapping[str, Any]], str]]:
        return {
            "Placeholder": self._placeholder,
            "_FusedConv2D": self._conv,
            "DepthwiseConv2dNative": self._depthwise,
            "MaxPool": self._max_pool,
            "Pad": self._channel_pad,
            "Reshape": self._reshape,
            "Mean": self._mean,
            "Prelu": lambda node: self._prelu(self._input(node), node["input"][1]),
            "AddV2": lambda node: self.graph.node("Add", [self.tensors[name] for name in node["input"]]),
            "Relu": lambda node: self.graph.node("Relu", [self._input(node)]),
            "Sigmoid": lambda node: self.graph.node("Sigmoid", [self._input(node)]),
            "Softmax": lambda node: self.graph.node("Softmax", [self._input(node)], axis=-1),
            "Identity": self._input,
        }

    def _input(self, node: Mapping[str, Any]) -> str:
        return self.tensors[node["input"][0]]

    def _placeholder(self, node: Mapping[str, Any]) -> str:
        height, width, channels = self.model.input_shape
        return self.graph.input("image", ["N", channels, *(("H", "W") if self.any_size else (height, width))])

    def _pads(self, node: Mapping[str, Any], *, kernel: int, stride: int) -> list[int]:
        """Padding for this node, and the size of what it makes noted in `sizes`."""
        size = self.sizes[node["name"]]
        if attribute(node, "padding") == "VALID":
            self.sizes[node["name"]] = (size - kernel) // stride + 1
            return [0, 0, 0, 0]
        self.sizes[node["name"]] = -(-size // stride)
        before, after = same_pads(size, kernel=kernel, stride=stride)
        return [before, before, after, after]

    def _conv(self, node: Mapping[str, Any]) -> str:
        _, weight, bias, *slope = node["input"]
        kernel, stride = self.model.constants[weight], attribute(node, "strides")[1]
        pads = self._pads(node, kernel=kernel.shape[0], stride=stride)
        x = self.graph.conv(
            self._input(node), kernel.transpose(3, 2, 0, 1), self.model.constants[bias], stride=stride, pads=pads
        )
        match attribute(node, "fused_ops"):
            case ["BiasAdd"]:
                return x
            case ["BiasAdd", "Relu"]:
                return self.graph.node("Relu", [x])
            case ["BiasAdd", "Prelu"]:
                return self._prelu(x, slope[0])
        raise ValueError(f"{node['name']}: fused operators {attribute(node, 'fused_ops')} are not supported")

    def _depthwise(self, node: Mapping[str, Any]) -> str:
        kernel, stride = self.model.constants[node["input"][1]], attribute(node, "strides")[1]
        pads = self._pads(node, kernel=kernel.shape[0], stride=stride)
        weight = kernel.transpose(2, 3, 0, 1)
        return self.graph.conv(self._input(node), weight, None, stride=stride, pads=pads, group=len(weight))

    def _prelu(self, x: str, slope: str) -> str:
        return self.graph.node("PRelu", [x, self.graph.weight(self.model.constants[slope].reshape(-1, 1, 1))])

    def _max_pool(self, node: Mapping[str, Any]) -> str:
        kernel, stride = attribute(node, "ksize")[1], attribute(node, "strides")[1]
        pads = self._pads(node, kernel=kernel, stride=stride)
        shape, strides = [kernel, kernel], [stride, stride]
        return self.graph.node("MaxPool", [self._input(node)], kernel_shape=shape, strides=strides, pads=pads)

    def _channel_pad(self, node: Mapping[str, Any]) -> str:
        """Zero padding, its table turned from NHWC to NCHW order."""
        table = self.model.constants[node["input"][1]][[0, 3, 1, 2]]
        return self.graph.node("Pad", [self._input(node), self.graph.weight(table.T.astype(np.int64).ravel())])

    def _reshape(self, node: Mapping[str, Any]) -> str:
        """Flattening in the original NHWC order; the batch axis is kept, the next inferred."""
        shape = self.model.constants[node["input"][1]].astype(np.int64).copy()
        shape[:2] = 0, -1
        nhwc = self.graph.node("Transpose", [self._input(node)], perm=[0, 2, 3, 1])
        return self.graph.node("Reshape", [nhwc, self.graph.weight(shape)])

    def _mean(self, node: Mapping[str, Any]) -> str:
        """Global average pooling, the only mean these models take."""
        return self.graph.node("ReduceMean", [self._input(node)], axes=[2, 3], keepdims=0)
