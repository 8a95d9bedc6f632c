"""Bytes to files that are never half written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path


def replace_bytes(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write beside the target, then rename over it; `remove_leftovers` knows the name used meanwhile."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def remove_leftovers(out: Path, names: Iterable[str]) -> int:
    """Delete what processes that were killed in `replace_bytes` left of these files; returns how many there were.

    Whether a process still runs is not asked: numbers are used again, in containers soon, and faces would stay. Of two
    processes that write to one folder at the same time, one may thus fail, and succeeds when run again.
    """
    patterns = [re.compile(rf"\.{re.escape(name)}\.\d+") for name in names]
    left = [path for path in out.iterdir() if any(pattern.fullmatch(path.name) for pattern in patterns)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)
