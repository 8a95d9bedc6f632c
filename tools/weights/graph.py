"""Layers, named one after the other, to a deterministic ONNX model (opset 17, NCHW, float32)."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # the lowest that opset 17 allows, so that older onnxruntime releases load the files


def same_pads(size: int, *, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding along one axis: (before, after), the odd pixel after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class GraphWriter:
    """Collects nodes and weights; every method returns the name of the tensor it made."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int | str]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def output(self, tensor: str, name: str, shape: Sequence[int | str]) -> None:
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def weight(self, array: NDArray[np.generic], *, stem: str = "w") -> str:
        name = f"{stem}{len(self._weights)}"
        self._weights[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def node(self, op: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def conv(
        self,
        x: str,
        weight: NDArray[np.float32] | str,
        bias: NDArray[np.float32] | None,
        *,
        stride: int = 1,
        pads: Sequence[int] = (0, 0, 0, 0),
        group: int = 1,
    ) -> str:
        """2-d convolution; `weight` is (out, in / group, kh, kw) or a tensor name, pads are t, l, b, r."""
        inputs = [x, weight if isinstance(weight, str) else self.weight(weight)]
        if bias is not None:
            inputs.append(self.weight(bias))
        return self.node("Conv", inputs, strides=[stride, stride], pads=list(pads), group=group)

    def dense(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
        """x (N, in) @ weight (in, out) + bias."""
        inputs = [x, self.weight(weight)] + ([] if bias is None else [self.weight(bias)])
        return self.node("Gemm", inputs)

    def dequantized(self, quantized: NDArray[np.uint8], *, scale: float, zero_point: int) -> str:
        """uint8 weights kept as such in the file and turned into float32 when the session loads."""
        parts = [self.weight(quantized, stem="q"), self.weight(np.float32(scale)), self.weight(np.uint8(zero_point))]
        return self.node("DequantizeLinear", parts)

    def build(self) -> bytes:
        """The checked model as bytes; equal calls give equal bytes."""
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, list(self._weights.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="postlens"
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)
