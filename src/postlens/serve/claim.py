"""A store to the one server that works on it: a second would take the same jobs, and delete the first one's uploads."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from postlens.errors import SettingsError
from postlens.store import Store

LOCK: Final = ".lock"  # in the folder of uploads; it stays, as deleting it would let two servers lock two files


class Claim:
    """A lock on the folder of uploads, and on the store where that is in PostgreSQL; of a dead server it is free."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Raises `SettingsError` where another server has it."""
        with ExitStack() as undo:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _taken(store) from error
            held = undo.enter_context(store.held_alone())
            if not held:
                raise _taken(store)
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Let another server have it."""
        self._undo.close()


def _taken(store: Store) -> SettingsError:
    return SettingsError(
        f"expected one server for the store {store.name}, got a second; stop the other, or name another store"
    )
