"""Exports that read torch's table of ONNX operators once for each process of a test run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_registry() -> Iterator[None]:
    """Building the table takes more than half of exporting a small net, and `torch.onnx.export` does it each time.

    It is the same for all, as nothing here gives operators of its own (`custom_translation_table`).
    """
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield
