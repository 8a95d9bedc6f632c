"""An ONNX file whose batch norms are folded into its convolutions, to the timm net that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from postlens.errors import ModelError
from postlens.types import FloatArray


def load_folded(net: nn.Module, path: Path) -> None:
    """Set the net's convolutions and batch norms, in place, so that in eval mode it computes what the file does.

    The k-th convolution of the file is the k-th of the net. The norm behind it gets scale 1 and the convolution's bias
    as its shift: running mean 0, running variance 1 - eps, weight 1. Its statistics are therefore not those of the
    images that it was trained on, and a batch norm that learns should stay in eval mode.

    Raises `ModelError` unless both have the same convolutions in the same order, each with a batch norm in the net.
    """
    convs, norms = ([one for one in net.modules() if isinstance(one, kind)] for kind in (nn.Conv2d, nn.BatchNorm2d))
    folded = list(_convolutions(path))
    ours = [tuple(conv.weight.shape) for conv in convs]
    theirs = [weight.shape for weight, _ in folded]
    if ours != theirs or len(norms) != len(convs):
        raise ModelError(
            f"{path}: expected the {len(ours)} convolutions of the net, each with a batch norm ({len(norms)} there), "
            f"got {len(theirs)} in the file{_first_difference(ours, theirs)}"
        )
    for conv, norm, (weight, bias) in zip(convs, norms, folded, strict=True):
        conv.weight.data = torch.from_numpy(weight.copy())
        _set_shift(norm, torch.from_numpy(bias.copy()))


def _set_shift(norm: Any, bias: torch.Tensor) -> None:
    """Make the batch norm add the bias and nothing else, in eval mode."""
    norm.weight.data.fill_(1.0)
    norm.bias.data = bias
    norm.running_mean.fill_(0.0)
    norm.running_var.fill_(1.0 - norm.eps)


def _convolutions(path: Path) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Weight (out, in / groups, h, w) and bias (out,) of each, in the order they run."""
    import onnx

    graph = onnx.load(path).graph
    values = {one.name: one for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":
            arrays = [np.asarray(onnx.numpy_helper.to_array(values[name]), np.float32) for name in node.input[1:]]
            yield arrays[0], arrays[1] if len(arrays) > 1 else np.zeros(len(arrays[0]), np.float32)


def _first_difference(ours: list[tuple[int, ...]], theirs: list[tuple[int, ...]]) -> str:
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False), start=1):
        if a != b:
            return f"; convolution {number} has shape {a} in the net, {b} in the file"
    return ""
