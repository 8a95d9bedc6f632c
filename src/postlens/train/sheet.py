"""The pictures of inspected images to a sheet in a file, PNG or HTML by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postlens.errors import UsageError
from postlens.media.probe import display_name
from postlens.train.inspect import Inspection
from postlens.train.sheet_html import render_html
from postlens.train.sheet_png import render_png


def write_sheet(inspections: Sequence[Inspection], path: Path, *, title: str) -> None:
    """Write the sheet as .png or .html, by the name's ending; the file is whole or not there.

    Raises:
        UsageError: another ending, or a folder that cannot be written.
    """
    check_name(path)
    is_png = path.suffix.lower() == ".png"
    data = render_png(inspections, title) if is_png else render_html(inspections, title).encode("utf-8", "replace")
    partial = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        name = display_name(path)
        raise UsageError(f"expected a sheet that can be written at {name}, got: {error.strerror}") from error


def check_name(path: Path) -> None:
    """Raise `UsageError` for a name that ends neither in .png nor in .html."""
    if path.suffix.lower() not in (".png", ".html"):
        raise UsageError(f"{display_name(path)}: expected a name that ends in .png or .html, got {path.name!r}")
