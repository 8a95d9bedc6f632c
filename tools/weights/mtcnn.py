"""MTCNN's three checkpoints (Zhang et al. 2016, arXiv:1604.02878) to ONNX.

The trained weights flatten feature maps in width, height, channel order (a heritage of Caffe's column-major export).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from weights.graph import GraphWriter

State = Mapping[str, NDArray[np.float32]]


def build_proposal(state: State) -> bytes:
    """P-Net, fully convolutional: image (N, 3, H, W) -> face prob (N, H', W'), box offsets (N, 4, H', W')."""
    g = _Net("mtcnn_proposal", state)
    x = g.graph.input("image", ["N", 3, "H", "W"])
    x = g.pool(g.conv(x, "1"), kernel=2)
    x = g.conv(g.conv(x, "2"), "3")
    probs = g.graph.node("Softmax", [g.plain(x, "conv4_1")], axis=1)
    face = g.graph.node("Gather", [probs, g.graph.weight(np.int64(1))], axis=1)
    g.graph.output(face, "face_prob", ["N", "H4", "W4"])
    g.graph.output(g.plain(x, "conv4_2"), "offsets", ["N", 4, "H4", "W4"])
    return g.graph.build()


def build_refine(state: State) -> bytes:
    """R-Net: image (N, 3, 24, 24) -> face prob (N,), box offsets (N, 4)."""
    g = _Net("mtcnn_refine", state)
    x = g.graph.input("image", ["N", 3, 24, 24])
    x = g.pool(g.conv(x, "1"), kernel=3)
    x = g.pool(g.conv(x, "2"), kernel=3)
    x = g.dense(g.flatten(g.conv(x, "3")), "4")
    g.outputs(x, {"offsets": ("dense5_2", 4)}, face="dense5_1")
    return g.graph.build()


def build_output(state: State) -> bytes:
    """O-Net: image (N, 3, 48, 48) -> face prob (N,), box offsets (N, 4), five landmarks as x1..x5, y1..y5 (N, 10)."""
    g = _Net("mtcnn_output", state)
    x = g.graph.input("image", ["N", 3, 48, 48])
    x = g.pool(g.conv(x, "1"), kernel=3)
    x = g.pool(g.conv(x, "2"), kernel=3)
    x = g.pool(g.conv(x, "3"), kernel=2)
    x = g.dense(g.flatten(g.conv(x, "4")), "5")
    g.outputs(x, {"offsets": ("dense6_2", 4), "landmarks": ("dense6_3", 10)}, face="dense6_1")
    return g.graph.build()


class _Net:
    def __init__(self, name: str, state: State) -> None:
        self.graph = GraphWriter(name)
        self.state = state

    def plain(self, x: str, layer: str) -> str:
        return self.graph.conv(x, self.state[f"{layer}.weight"], self.state[f"{layer}.bias"])

    def conv(self, x: str, number: str) -> str:
        x = self.plain(x, f"conv{number}")
        slope = self.state[f"prelu{number}.weight"].reshape(-1, 1, 1)
        return self.graph.node("PRelu", [x, self.graph.weight(slope)])

    def pool(self, x: str, *, kernel: int) -> str:
        return self.graph.node("MaxPool", [x], kernel_shape=[kernel, kernel], strides=[2, 2], ceil_mode=1)

    def flatten(self, x: str) -> str:
        return self.graph.node("Flatten", [self.graph.node("Transpose", [x], perm=[0, 3, 2, 1])])

    def linear(self, x: str, layer: str) -> str:
        return self.graph.dense(x, self.state[f"{layer}.weight"].T, self.state[f"{layer}.bias"])

    def dense(self, x: str, number: str) -> str:
        slope = self.graph.weight(self.state[f"prelu{number}.weight"])
        return self.graph.node("PRelu", [self.linear(x, f"dense{number}"), slope])

    def outputs(self, x: str, layers: Mapping[str, tuple[str, int]], *, face: str) -> None:
        probs = self.graph.node("Softmax", [self.linear(x, face)], axis=1)
        self.graph.output(
            self.graph.node("Gather", [probs, self.graph.weight(np.int64(1))], axis=1), "face_prob", ["N"]
        )
        for name, (layer, width) in layers.items():
            self.graph.output(self.linear(x, layer), name, ["N", width])
