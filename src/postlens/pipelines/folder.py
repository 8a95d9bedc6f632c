"""An output folder: the state of the store that its outputs were written from."""

from __future__ import annotations

from pathlib import Path

from postlens.pipelines.exports import replace_bytes

DOWNLOADS = ".downloads"  # hidden, so that no folder source that holds the output folder takes them for posts
STATE = ".postlens-state"  # beside the outputs, since several stores may write to one folder
LOG = "run.log"


def read_state(out: Path) -> str | None:
    """What the outputs in the folder show, `None` where they are not known to be whole.

    The text is "store id, revision, settings", separated by spaces.
    """
    try:
        return (out / STATE).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None


def write_state(out: Path, state: str) -> None:
    """Say, after the last of them is written, what the outputs show."""
    replace_bytes(out / STATE, state.encode("ascii"))


def remove_state(out: Path) -> None:
    """Say, before the first of them changes, that the outputs are not whole."""
    (out / STATE).unlink(missing_ok=True)
