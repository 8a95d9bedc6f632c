"""Whether the libraries that train are installed."""

from __future__ import annotations

import importlib.util

from postlens.errors import MissingExtraError

LIBRARIES = ("torch", "torchvision", "timm", "lightning", "torchmetrics", "tensorboard", "onnx", "safetensors")


def require_train_extra(needed_for: str) -> None:
    """Raise `MissingExtraError`, which says what to install, unless all are there. Loads none of them."""
    if any(importlib.util.find_spec(name) is None for name in LIBRARIES):
        raise MissingExtraError("train", needed_for=needed_for)
