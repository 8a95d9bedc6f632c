"""A spreadsheet to how many rows it has, read on trial by a process of its own that may take only so much memory.

A file of some KB can unpack to more than any machine has: a packed sheet that repeats itself, a cell at the last row
and column, one long text that a million cells share. What unpacking takes is known when it has been done, and a library
that runs out of memory takes its process along, so another does it first: python -m postlens.sources.trial FILE BYTES.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from postlens.errors import TooLargeError
from postlens.media.probe import display_name
from postlens.sources.sheets import CSV_SUFFIXES, JSON_SUFFIXES, SHEET_SUFFIXES

MIB: Final = 1 << 20
TRIAL_S: Final = 20.0  # for one spreadsheet; 100,000 rows of 20 columns take 3 to 5 s. More: bombs cost more time
_PIECE_BYTES: Final = 1 << 20


def expect_small(path: Path, *, max_bytes: int, max_rows: int) -> None:
    """Raise `TooLargeError` for a table with more rows, or one that takes more memory when it is unpacked.

    A table that is damaged passes: who reads it tells what is wrong.
    """
    suffix = path.suffix.lower()
    if suffix in SHEET_SUFFIXES:
        n_rows = _rows_on_trial(path, max_bytes)
    elif suffix in CSV_SUFFIXES | JSON_SUFFIXES:
        if path.stat().st_size > max_bytes:
            raise _too_large(path, max_bytes)
        n_rows = _lines(path)
    else:
        n_rows = _parquet_rows(path, max_bytes)
    if n_rows > max_rows:
        name = display_name(str(path))
        raise TooLargeError(f"{name}: expected a table of at most {max_rows:,} rows, got {n_rows:,}; send it in parts")


def _too_large(path: Path, max_bytes: int) -> TooLargeError:
    limit = f"at most {max_bytes / MIB:g} MiB when it is unpacked"
    return TooLargeError(f"{display_name(str(path))}: expected a table that takes {limit}, got more; send it in parts")


def _rows_on_trial(path: Path, max_bytes: int) -> int:
    words = [sys.executable, "-I", "-m", "postlens.sources.trial", str(path), str(max_bytes)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=TRIAL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _too_large(path, max_bytes) from error
    if done.returncode:
        raise _too_large(path, max_bytes)
    return int(done.stdout)


def _lines(path: Path) -> int:
    """Lines of a text: at least as many as rows."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE_BYTES), b""))


def _parquet_rows(path: Path, max_bytes: int) -> int:
    """Rows as the file's own head counts them."""
    import polars as pl

    if path.stat().st_size > max_bytes:
        raise _too_large(path, max_bytes)
    try:
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return 0


# --- in the process of its own ----------------------------------------------------------------------------------------


def _limit_memory(n_bytes: int) -> None:
    """Let this process take so many bytes more than it has; without effect where the system knows no such limit."""
    import resource

    statm = Path("/proc/self/statm")
    if statm.exists():
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + n_bytes, taken + n_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _count(path: str) -> int:
    """Rows of all sheets, each unpacked as it is when it is read in earnest."""
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(path)
        return sum(len(book.get_sheet_by_name(title).to_python(skip_empty_area=False)) for title in book.sheet_names)
    except (calamine.CalamineError, ValueError, OSError):
        return 0


if __name__ == "__main__":
    _limit_memory(int(sys.argv[2]))
    sys.stdout.write(str(_count(sys.argv[1])))
