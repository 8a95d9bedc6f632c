"""`postlens version`: print the version."""

from __future__ import annotations

from postlens.version import __version__


def version() -> None:
    """Print the version of postlens."""
    print(__version__)
