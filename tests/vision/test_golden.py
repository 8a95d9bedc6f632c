"""Shipped models give the numbers they gave when they were built."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from postlens.vision.zoo import load_spec

ROOT = Path(__file__).resolve().parents[2]
GOLDEN: dict[str, Any] = json.loads((ROOT / "tests" / "golden" / "models.json").read_text())


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_golden", ROOT / "tools" / "write_golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_model_answers_as_when_it_was_built(name: str, writer: ModuleType) -> None:
    answers = writer.answers(name)
    assert answers.keys() == GOLDEN[name]["outputs"].keys()
    for output, expected in GOLDEN[name]["outputs"].items():
        np.testing.assert_allclose(answers[output], expected, rtol=1e-3, atol=1e-3 * max(map(abs, expected)))


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_numbers_belong_to_the_shipped_file(name: str) -> None:
    assert load_spec(name).sha256 == GOLDEN[name]["sha256"]
