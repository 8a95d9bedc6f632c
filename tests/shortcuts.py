"""Set-up that every test would pay again, done once for each process of a test run."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from postlens.store import Store
from postlens.store.migrate import read_version
from postlens.vision.session import Session


def replayed(upgrade: Callable[[Connection], None], folder: Path) -> Callable[[Connection], None]:
    """`upgrade` that makes a new SQLite store by the statements which the real migrations led to (3 ms, not 60)."""
    path = folder / "migrated.db"
    Store.open(path).close()
    with sqlite3.connect(path) as conn:
        statements = [line for line in conn.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
    conn.close()

    def upgrade_or_replay(conn: Connection) -> None:
        if conn.dialect.name != "sqlite" or read_version(conn) is not None:
            upgrade(conn)
            return
        for statement in statements:
            conn.exec_driver_sql(statement)

    return upgrade_or_replay


class SharedSessions(threading.local):
    """What `vision.zoo` keeps for each thread, but with one set of shipped models for all threads and all runs."""

    shared: dict[tuple[Path, str], Session] = {}  # noqa: RUF012  one for the process is the point

    def __init__(self) -> None:
        self.sessions = self.shared


class SharedStatements(dict[tuple[Any, ...], Any]):
    """Compiled SQL for all engines of one dialect; SQLAlchemy compiles anew for each engine, and each test has its own.

    Keys of `compiled_cache` are (dialect of the engine, statement, ...):
    https://docs.sqlalchemy.org/en/20/core/connections.html#sql-caching.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        """The compiled statement, whichever engine it was compiled for."""
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)
