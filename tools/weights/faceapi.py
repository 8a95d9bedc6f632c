"""face-api's weight manifests (JSON + one binary shard, uint8 or float32) to ONNX.

The template network is dlib's ResNet-29 (King 2017, dlib's `anet_type`); the expression network is the small
depthwise-separable CNN of face-api.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weights.graph import GraphWriter, same_pads

# A zero point this close to an integer is that integer: the manifest's numbers carry float32 rounding.
ZERO_POINT_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One tensor as the manifest holds it: raw uint8 with scale and minimum, or float32 (scale None)."""

    raw: NDArray[np.uint8] | NDArray[np.float32]
    scale: float | None
    minimum: float

    def values(self) -> NDArray[np.float32]:
        if self.scale is None:
            return self.raw.astype(np.float32)
        return (self.raw.astype(np.float64) * self.scale + self.minimum).astype(np.float32)

    def zero_point(self) -> int | None:
        """The uint8 that stands for 0.0, None when the range does not hold it exactly."""
        if self.scale is None:
            return None
        exact = -self.minimum / self.scale
        near = round(exact)
        return near if math.isclose(exact, near, abs_tol=ZERO_POINT_TOLERANCE) and 0 <= near <= 255 else None


def read_manifest(manifest: bytes, shard: bytes) -> dict[str, Stored]:
    """Every tensor of a weights manifest, in its stored type; raises ValueError when bytes are left over."""
    tensors, offset = {}, 0
    for entry in (entry for group in json.loads(manifest) for entry in group["weights"]):
        quantization = entry.get("quantization", {})
        dtype = np.dtype(quantization.get("dtype", entry["dtype"])).newbyteorder("<")
        count = math.prod(entry["shape"])
        raw = np.frombuffer(shard, dtype, count, offset).reshape(entry["shape"])
        offset += count * dtype.itemsize
        tensors[entry["name"]] = Stored(raw=raw, scale=quantization.get("scale"), minimum=quantization.get("min", 0.0))
    if offset != len(shard):
        raise ValueError(f"expected {offset} bytes of weights, got {len(shard)}")
    return tensors


# --- dlib's ResNet-29 ---
TEMPLATE_PX = 150
TEMPLATE_DIM = 128
# (name, number of plain residual blocks, width); every group but the first is entered by a down-sampling block.
GROUPS = (("conv32", 3, 32), ("conv64", 3, 64), ("conv128", 2, 128), ("conv256", 2, 256))


def build_template(tensors: Mapping[str, Stored]) -> bytes:
    """ONNX: image (N, 3, 150, 150), mean subtracted and divided by 256 -> template (N, 128), not normalised."""
    net = _Dlib(tensors)
    x = net.graph.input("image", ["N", 3, TEMPLATE_PX, TEMPLATE_PX])
    x = net.relu(net.conv_scale(x, "conv32_down", stride=2, pad=0))
    x = net.graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
    net.size = (net.size - 3) // 2 + 1
    for name, n_blocks, width in GROUPS:
        if width > 32:
            x = net.down(x, f"{name}_down", widths=(net.width, width))
        for index in range(n_blocks):
            x = net.residual(x, f"{name}_{index + 1}")
    x = net.down(x, "conv256_down_out", widths=(256, 256))
    pooled = net.graph.node("Flatten", [net.graph.node("GlobalAveragePool", [x])])
    net.graph.output(net.graph.dense(pooled, tensors["fc"].values(), None), "template", ["N", TEMPLATE_DIM])
    return net.graph.build()


class _Dlib:
    """dlib's residual blocks; `size` and `width` follow the current feature map."""

    def __init__(self, tensors: Mapping[str, Stored]) -> None:
        self.tensors = tensors
        self.graph = GraphWriter("face_template")
        self.size = TEMPLATE_PX
        self.width = 32

    def relu(self, x: str) -> str:
        return self.graph.node("Relu", [x])

    def conv_scale(self, x: str, name: str, *, stride: int, pad: int) -> str:
        """Convolution, then dlib's affine layer (the frozen form of batch normalisation)."""
        bias = self.tensors[f"{name}/conv/bias"].values()
        kernel = self.tensors[f"{name}/conv/filters"].raw.shape[0]
        x = self.graph.conv(x, self._filters(name), bias, stride=stride, pads=[pad] * 4)
        self.size = (self.size + 2 * pad - kernel) // stride + 1
        gain, shift = (self.tensors[f"{name}/scale/{part}"].values() for part in ("weights", "biases"))
        x = self.graph.node("Mul", [x, self.graph.weight(gain.reshape(-1, 1, 1))])
        return self.graph.node("Add", [x, self.graph.weight(shift.reshape(-1, 1, 1))])

    def residual(self, x: str, name: str) -> str:
        inner = self.relu(self.conv_scale(x, f"{name}/conv1", stride=1, pad=1))
        inner = self.conv_scale(inner, f"{name}/conv2", stride=1, pad=1)
        return self.relu(self.graph.node("Add", [inner, x]))

    def down(self, x: str, name: str, *, widths: tuple[int, int]) -> str:
        """Halves the map; the skip is average-pooled and zero-padded in channels, the branch in rows and columns."""
        pooled_size = self.size // 2
        inner = self.relu(self.conv_scale(x, f"{name}/conv1", stride=2, pad=0))
        inner = self.conv_scale(inner, f"{name}/conv2", stride=1, pad=1)
        inner = self._zero_padded(inner, (0, pooled_size - self.size, pooled_size - self.size))
        skip = self.graph.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
        skip = self._zero_padded(skip, (widths[1] - widths[0], 0, 0))
        self.size, self.width = pooled_size, widths[1]
        return self.relu(self.graph.node("Add", [inner, skip]))

    def _zero_padded(self, x: str, after: tuple[int, int, int]) -> str:
        if not any(after):
            return x
        pads = self.graph.weight(np.array([0, 0, 0, 0, 0, *after], np.int64))
        return self.graph.node("Pad", [x, pads])

    def _filters(self, name: str) -> NDArray[np.float32] | str:
        """Filters in ONNX order (out, in, kh, kw), quantised wherever the package stores them so."""
        stored = self.tensors[f"{name}/conv/filters"]
        zero_point = stored.zero_point()
        if zero_point is None:
            return stored.values().transpose(3, 2, 0, 1)
        raw = stored.raw.astype(np.uint8).transpose(3, 2, 0, 1)
        return self.graph.dequantized(raw, scale=stored.scale or 1.0, zero_point=zero_point)


# --- the expression CNN ---
EXPRESSION_PX = 112


def build_expression(tensors: Mapping[str, Stored]) -> bytes:
    """ONNX: image (N, 3, 112, 112), mean subtracted and divided by 255 -> probs (N, 7)."""
    values = {name: stored.values() for name, stored in tensors.items()}
    net = _Expression(values)
    x = net.graph.input("image", ["N", 3, EXPRESSION_PX, EXPRESSION_PX])
    for index in range(4):
        x = net.dense_block(x, f"dense{index}")
    pooled = net.graph.node("Flatten", [net.graph.node("GlobalAveragePool", [x])])
    logits = net.graph.dense(pooled, values["fc/weights"], values["fc/bias"])
    net.graph.output(net.graph.node("Softmax", [logits], axis=1), "probs", ["N", 7])
    return net.graph.build()


class _Expression:
    def __init__(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        self.values = values
        self.graph = GraphWriter("face_expression")
        self.size = EXPRESSION_PX

    def dense_block(self, x: str, name: str) -> str:
        """Four layers; each reads the rectified sum of all outputs before it, as does the block's result."""
        layer = self._conv if f"{name}/conv0/filters" in self.values else self._separable
        outputs = [self.graph.node("Relu", [layer(x, f"{name}/conv0", stride=2)])]
        for index in range(1, 4):
            outputs.append(self._separable(self._rectified_sum(outputs), f"{name}/conv{index}", stride=1))
        return self._rectified_sum(outputs)

    def _rectified_sum(self, tensors: Iterable[str]) -> str:
        first, *rest = tensors
        if not rest:
            return first
        return self.graph.node("Relu", [self.graph.node("Sum", [first, *rest])])

    def _pads(self, stride: int) -> tuple[int, int, int, int]:
        before, after = same_pads(self.size, kernel=3, stride=stride)
        self.size = -(-self.size // stride)
        return before, before, after, after

    def _conv(self, x: str, name: str, *, stride: int) -> str:
        weight = self.values[f"{name}/filters"].transpose(3, 2, 0, 1)
        return self.graph.conv(x, weight, self.values[f"{name}/bias"], stride=stride, pads=self._pads(stride))

    def _separable(self, x: str, name: str, *, stride: int) -> str:
        depthwise = self.values[f"{name}/depthwise_filter"].transpose(2, 3, 0, 1)
        pointwise = self.values[f"{name}/pointwise_filter"].transpose(3, 2, 0, 1)
        pads = self._pads(stride)
        x = self.graph.conv(x, depthwise, None, stride=stride, pads=pads, group=depthwise.shape[0])
        return self.graph.conv(x, pointwise, self.values[f"{name}/bias"])
