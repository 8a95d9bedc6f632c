"""Codes and settings of the server to tables of docs/serving.md: .venv/bin/python tools/build_serving.py [--check]."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from postlens.serve.errors import KINDS
from postlens.serve.settings import ServeSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "serving.md"
HEADS = {"| Code | Status | |\n|---|---|---|\n": "codes", "| Setting | Default | |\n|---|---|---|\n": "settings"}


def codes() -> str:
    """A row for each kind of problem."""
    return "".join(f"| `{one.code}` | {one.status} | {one.title}. |\n" for one in KINDS.values())


def settings() -> str:
    """A row for each setting."""
    fields = {name: one for name, one in ServeSettings.model_fields.items() if name != "analysis"}
    return "".join(f"| `{name}` | {_default(one)} | {one.description} |\n" for name, one in fields.items())


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "needed"
    return "" if value in (None, ()) else f"`{value}`"


def built(text: str) -> str:
    """The page with its tables as the code says."""
    for head, rows in zip(HEADS, (codes(), settings()), strict=True):
        text = re.sub(re.escape(head) + r"(?:\|.*\n|@@.*\n)*", lambda _, head=head, rows=rows: head + rows, text)
    return text


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(built(text), encoding="utf-8")
        return 0
    if built(text) == text:
        return 0
    print("the tables of docs/serving.md are not what the code says: run tools/build_serving.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
