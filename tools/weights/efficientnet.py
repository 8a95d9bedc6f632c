"""EfficientNet-Lite0's checkpoint to ONNX, batch normalisation folded into the convolutions.

Architecture: Tan and Le, EfficientNet (arXiv:1905.11946); the Lite family drops squeeze-and-excitation and uses
ReLU6. TensorFlow's SAME padding and batch-norm epsilon 1e-3, as the weights were trained.
"""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from weights.graph import GraphWriter, same_pads

INPUT_PX = 224
EPSILON = 1e-3
# (stride of the first block, number of blocks) of the seven stages; kernels and widths are read from the weights.
STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
State = Mapping[str, NDArray[np.float32]]


def read_checkpoint(data: bytes) -> dict[str, NDArray[np.float32]]:
    """A PyTorch checkpoint's tensors as numpy arrays, read without executing pickled code."""
    import torch

    state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    return {name: tensor.numpy() for name, tensor in state.items() if tensor.ndim}


def build(state: State) -> bytes:
    """ONNX: image (N, 3, 224, 224) -> features (N, 1280) after average pooling, logits (N, 1000)."""
    writer = _Lite(state)
    x = writer.graph.input("image", ["N", 3, INPUT_PX, INPUT_PX])
    x = writer.conv_norm(x, "_conv_stem", "_bn0", stride=2)
    for index, stride in enumerate(_strides()):
        x = writer.block(x, f"_blocks.{index}", stride=stride)
    x = writer.conv_norm(x, "_conv_head", "_bn1")
    features = writer.graph.node("Flatten", [writer.graph.node("GlobalAveragePool", [x])])
    logits = writer.graph.dense(features, state["_fc.weight"].T, state["_fc.bias"])
    writer.graph.output(features, "features", ["N", 1280])
    writer.graph.output(logits, "logits", ["N", 1000])
    return writer.graph.build()


def _strides() -> list[int]:
    return [stride if i == 0 else 1 for stride, n_blocks in STAGES for i in range(n_blocks)]


class _Lite:
    """Writes convolution + folded norm + ReLU6, tracking the map's size for SAME padding."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.graph = GraphWriter("efficientnet_lite0")
        self.size = INPUT_PX

    def conv_norm(self, x: str, conv: str, norm: str, *, stride: int = 1, act: bool = True) -> str:
        weight, bias = self._folded(conv, norm)
        before, after = same_pads(self.size, kernel=weight.shape[2], stride=stride)
        group = weight.shape[0] if "depthwise" in conv else 1
        pads = (before, before, after, after)
        x = self.graph.conv(x, weight, bias, stride=stride, pads=pads, group=group)
        self.size = -(-self.size // stride)
        return self._relu6(x) if act else x

    def block(self, x: str, name: str, *, stride: int) -> str:
        """Inverted residual: expand (absent in the first block), depthwise, project; skip when shapes agree."""
        inner = x
        if f"{name}._expand_conv.weight" in self.state:
            inner = self.conv_norm(inner, f"{name}._expand_conv", f"{name}._bn0")
        inner = self.conv_norm(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        inner = self.conv_norm(inner, f"{name}._project_conv", f"{name}._bn2", act=False)
        return self.graph.node("Add", [inner, x]) if self._keeps_shape(name, stride) else inner

    def _keeps_shape(self, name: str, stride: int) -> bool:
        expand = self.state.get(f"{name}._expand_conv.weight")
        width = self.state[f"{name}._project_conv.weight"].shape[0]
        return stride == 1 and expand is not None and expand.shape[1] == width

    def _folded(self, conv: str, norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mean, var = self.state[f"{norm}.running_mean"], self.state[f"{norm}.running_var"]
        scale = self.state[f"{norm}.weight"] / np.sqrt(var.astype(np.float64) + EPSILON)
        weight = self.state[f"{conv}.weight"] * scale[:, None, None, None]
        bias = self.state[f"{norm}.bias"] - mean * scale
        return weight.astype(np.float32), bias.astype(np.float32)

    def _relu6(self, x: str) -> str:
        limits = [self.graph.weight(np.float32(0)), self.graph.weight(np.float32(6))]
        return self.graph.node("Clip", [x, *limits])
