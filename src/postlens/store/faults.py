"""Database errors to errors of our own tree, with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from postlens.errors import PostlensError, StoreError, StoreLockedError, StoreWriteError

_PRIMARY_CODE = 0xFF  # extended SQLite codes carry the primary one in their low byte (sqlite.org/rescode.html)
_SQLITE = {
    5: "locked", 6: "locked", 8: "read_only", 10: "io", 11: "damaged", 13: "full", 14: "unopenable", 26: "damaged",
}  # fmt: skip
_POSTGRES = {  # postgresql.org/docs/current/errcodes-appendix.html
    "55P03": "locked", "40P01": "locked", "25006": "read_only", "42501": "read_only", "53100": "full",
    "58030": "io", "XX001": "damaged",
}  # fmt: skip

_MEANING: dict[str, tuple[type[PostlensError], str]] = {
    "locked": (StoreLockedError, "another process is writing to it; wait until that has finished, then run again"),
    "read_only": (StoreWriteError, "it cannot be written to; check its permissions, or choose another with --store"),
    "full": (StoreWriteError, "the disk is full; free some space, then run again: what was committed is kept"),
    "io": (StoreWriteError, "the disk reports an error; check it, then run again: what was committed is kept"),
    "damaged": (StoreError, "it is damaged, or no postlens store; restore a copy, or choose another with --store"),
    "unopenable": (StoreError, "it cannot be opened; check that its folder exists and may be written to"),
}


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise what the database says about the store `name` as `StoreError` or one of its kinds.

    Errors that tell of a mistake in our own statements (integrity, syntax) pass through as they are.
    """
    try:
        yield
    except DBAPIError as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        kind, advice = meaning
        raise kind(f"the store {name} cannot be used: {advice} ({error.orig})") from error


def _meaning(error: DBAPIError) -> tuple[type[PostlensError], str] | None:
    """The error class and advice for a driver's error; `None` where it is no matter of the store's state."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    state = getattr(error.orig, "sqlstate", None)
    if code is not None:
        fault = _SQLITE.get(code & _PRIMARY_CODE)
    elif state is not None:
        fault = _POSTGRES.get(state)
    else:  # psycopg knows no state when it cannot connect
        return (StoreError, "it cannot be reached; check the address, and that the server runs")
    return None if fault is None else _MEANING[fault]
