"""The routes of the API to docs/openapi.json: .venv/bin/python tools/build_openapi.py [--check] (2 s)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from postlens.serve.routes.api import description

PAGE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def text() -> str:
    """The document with sorted keys, so that equal routes are equal files."""
    return json.dumps(description(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with --check say whether it is up to date."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text():
        return 0
    print("docs/openapi.json is not what the routes say: run tools/build_openapi.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
