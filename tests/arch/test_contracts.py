"""The import contracts of pyproject.toml name every module that they are about."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "postlens"
HOME = "session"  # of onnxruntime


def contract(name: str) -> dict[str, list[str]]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (found,) = [one for one in config["tool"]["importlinter"]["contracts"] if one["name"] == name]
    return found


def test_onnxruntime_is_forbidden_to_every_module_of_vision_but_its_home():
    listed = set(contract("onnxruntime lives in vision.session")["source_modules"])
    modules = {path.stem for path in (SRC / "vision").glob("*.py")} - {"__init__", HOME}
    assert {f"postlens.vision.{module}" for module in modules} == {one for one in listed if ".vision." in one}


def test_onnxruntime_is_forbidden_to_every_part_but_vision():
    listed = set(contract("onnxruntime lives in vision.session")["source_modules"])
    parts = {path.parent.name for path in SRC.glob("*/__init__.py")} - {"vision", "sample_campaign"}
    assert {f"postlens.{part}" for part in parts} <= listed
