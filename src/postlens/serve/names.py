"""Places on the server to the names that clients may see."""

from __future__ import annotations

from pathlib import PurePath

from postlens.media.probe import display_name
from postlens.sources.single import is_url


def shown_name(place: str) -> str:
    """A file's own name, without the folders of the server; a URL without its query, which may hold a signature."""
    if is_url(place):
        return display_name(place.partition("?")[0])
    return display_name(PurePath(place).name or place)
