"""Model cards: `ModelSpec` to a TOML file beside the weights, and back.

A recipe that trains a head writes its card through `write_card`, so that the shipped models and the trained ones are
loaded alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from postlens.config import read_toml
from postlens.errors import ModelError
from postlens.types import ModelSpec

_TABLES = ("thresholds", "metrics")
_REQUIRED = ("name", "version", "task", "file", "sha256", "licence", "source", "paper", "outputs", "limits")


def read_card(path: Path, *, remedy: str = "reinstall postlens") -> ModelSpec:
    """The spec on a card. Raises `ModelError` when the card is absent, damaged, or lacks a field.

    remedy: what the error tells to do about a card that cannot be read.
    """
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot read the model card ({error}); {remedy}") from error
    known = {f.name for f in fields(ModelSpec)}
    missing, unknown = [name for name in _REQUIRED if not values.get(name)], sorted(values.keys() - known)
    if missing or unknown:
        raise ModelError(f"{path}: missing {missing}, unknown {unknown}; expected the fields of ModelSpec")
    arguments: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return ModelSpec(**arguments)


def write_card(spec: ModelSpec, path: Path) -> None:
    """Write the spec as TOML: plain fields in the order of `ModelSpec`, then one table each of numbers."""
    values = {f.name: getattr(spec, f.name) for f in fields(ModelSpec)}
    plain = {name: value for name, value in values.items() if name not in _TABLES and value not in ((), "", None)}
    lines = [f"{name} = {_toml(value)}" for name, value in plain.items()]
    for table in _TABLES:
        lines += _table_lines(table, values[table])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None, which a card cannot say."""
    nested = {name: known(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    return {name: value for name, value in nested.items() if value is not None}


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes, as cards carry it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _table_lines(name: str, table: Mapping[str, Any]) -> list[str]:
    """`[name]` with its plain entries, then a sub-table for every mapping in it."""
    if not table:
        return []
    lines = ["", f"[{name}]"]
    lines += [f"{_key(key)} = {_toml(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _table_lines(f"{name}.{_key(key)}", value)
    return lines


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _toml(value: Any) -> str:
    """One value; JSON's strings, numbers and booleans are also TOML's."""
    if isinstance(value, tuple | list):
        items = [_toml(item) for item in value]
        inline = "[" + ", ".join(items) + "]"
        return inline if len(inline) <= 100 else "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    if isinstance(value, float):
        return repr(float(value))
    return json.dumps(value, ensure_ascii=False)
