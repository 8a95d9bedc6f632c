"""Cells of a table to media references."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from postlens.sources.cells import kind_of_cell, parse_text
from postlens.sources.marks import BrokenValue, LinkedText
from postlens.sources.protocol import absolute
from postlens.sources.single import is_url, url_ref
from postlens.types import MediaRef


def parse_media(cell: Any, *, folder: str, as_url: bool = False) -> tuple[MediaRef, ...]:
    """The media that a cell names, in order: paths (relative ones from `folder`) or URLs, separated by ; or |.

    A separator within an existing file's name separates nothing; within a list of URLs it does so only before the next
    address. Backslashes are read as slashes where only that leads to a file.

    Args:
        cell: a text, or a list of texts.
        as_url: whether the column is for URLs, so that an entry without http(s) is still one.

    Raises:
        ValueError: an object, bytes, a list within a list, or a cell that holds no value.
    """
    many = isinstance(cell, list | tuple)
    items = cell if many else [cell]
    if kind := next((kind for item in items if (kind := kind_of_cell(item))), None):
        raise ValueError(f"expected text or a list of texts, got {kind}{' in a list' if many else ''}")
    texts = [parse_text(_unlinked(item, folder)) for item in items]
    return tuple(_ref(part, folder, as_url) for text in texts if text is not None for part in _parts(text, folder))


def _unlinked(cell: Any, folder: str) -> Any:
    """Where a cell links to, unless its text is an address or a file itself."""
    if isinstance(cell, BrokenValue):
        raise ValueError(cell.reason)
    if not isinstance(cell, LinkedText) or is_url(cell) or _exists(Path(folder, cell)):
        return cell
    return cell.target if is_url(cell.target) else unquote(cell.target)


def _parts(text: str, folder: str) -> Sequence[str]:
    if not re.search("[;|]", text) or _exists(Path(folder, text)):
        return [text]
    pattern = r"[;|]\s*(?=https?://)" if is_url(text) else "[;|]"
    return [part.strip() for part in re.split(pattern, text) if part.strip(" ;|")]


def _ref(part: str, folder: str, as_url: bool) -> MediaRef:
    if as_url or is_url(part):
        return url_ref(part)
    path = Path(folder, part)
    if "\\" in part and not _exists(path) and _exists(turned := Path(folder, part.replace("\\", "/"))):
        path = turned
    return MediaRef(path=absolute(str(path)))


def _exists(path: Path) -> bool:
    """Whether a file is there; a text that cannot be a path names none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False
