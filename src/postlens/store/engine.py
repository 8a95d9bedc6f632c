"""A path or URL to an SQLAlchemy engine with the settings that the store relies on."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from postlens.errors import MissingExtraError, StoreError, UsageError

LOCK_TIMEOUT_S = 5.0  # longer: survives slower writers beside it; shorter: says sooner that there is one
_LOG_RETRY_S = 0.02  # far below what a migration takes, far above what a look at the lock costs
_WRITERS_LOCK = 7_270_331_154  # key of the advisory lock that makes writers take turns on PostgreSQL: any fixed number
_HOLDERS_LOCK = 7_270_331  # of the one that lets a single server hold a schema: any fixed number of 32 bits


def parse_url(url_or_path: str | Path) -> URL:
    """The database's URL; a plain path is an SQLite file. Raises `UsageError` for any other database."""
    given = str(url_or_path)
    if "://" not in given:
        return URL.create("sqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # a port that is no number
        raise _no_store(given) from None  # the cause shows the URL, maybe with a password
    if url.get_backend_name() in ("postgresql", "postgres"):
        if "@" in (url.host or ""):
            raise UsageError("expected one @ in the store's URL, got several; write %40 for an @ in user or password")
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite" or not url.database:
        raise _no_store(given)
    return url.set(drivername="sqlite")


def _no_store(given: str) -> UsageError:
    """Names no more than the URL's scheme: what follows may hold a password."""
    scheme = given.partition("://")[0]
    return UsageError(f"expected a store: a path, sqlite:///... or postgresql://..., got {scheme}://...")


def shown_location(url_or_path: str | Path) -> str:
    """The store's path, or its URL without password and query, as it may be logged and shown.

    A query is left out as a whole since it may hold a password too. Raises `UsageError` as `parse_url` does.
    """
    url = parse_url(url_or_path)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    shown = URL.create("postgresql", username=url.username, host=url.host, port=url.port, database=url.database)
    return shown.render_as_string()


def open_engine(url: URL, *, read_only: bool, lock_timeout_s: float) -> Engine:
    """The engine; nothing is connected yet. Raises `StoreError`, or `MissingExtraError` without psycopg."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, read_only=read_only, lock_timeout_s=lock_timeout_s)
    if importlib.util.find_spec("psycopg") is None:
        raise MissingExtraError("postgres", needed_for="a store in PostgreSQL")
    given = url.query.get("options", "")
    options = f"{given} -c lock_timeout={round(lock_timeout_s * 1000)} -c timezone=UTC"
    return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args={"options": options})


def _sqlite(url: URL, *, read_only: bool, lock_timeout_s: float) -> Engine:
    path = Path(str(url.database))
    if read_only and not path.is_file():
        raise StoreError(f"expected a store at {path}, found none; run `postlens analyze` first")
    if not read_only:
        _make_folder(path)
    target = URL.create("sqlite", database=_file_uri(path, read_only=read_only), query={"uri": "true"})
    engine = create_engine(target, hide_parameters=True, connect_args={"timeout": lock_timeout_s})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions: `begin` does
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # overwrite what is deleted
        if not read_only:
            _use_log(connection, lock_timeout_s=lock_timeout_s)
            connection.execute("PRAGMA synchronous = NORMAL")

    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _use_log(connection: sqlite3.Connection, *, lock_timeout_s: float) -> None:
    """Switch to a write-ahead log, waiting for others that switch a new file now.

    SQLite's own busy timeout does not cover this change: of two processes that make a store at once, one is told at
    once that the file is locked (https://www.sqlite.org/c3ref/busy_handler.html, where waiting could deadlock).
    """
    give_up_at = time.monotonic() + lock_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
            time.sleep(_LOG_RETRY_S)
        else:
            return


def _make_folder(path: Path) -> None:
    """Make the folder of a new store. Raises `StoreError` where a file or a missing permission is in the way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"expected a folder for the store at {path.parent}, got: {error.strerror}; choose another with --store"
        ) from error


def _file_uri(path: Path, *, read_only: bool) -> str:
    """`file:` URI; a store on a read-only medium without a write-ahead log is opened as immutable."""
    uri = path.resolve().as_uri()
    if not read_only:
        return f"{uri}?mode=rwc"
    wal = Path(f"{path}-wal")
    settled = not wal.exists() or wal.stat().st_size == 0
    immutable = settled and not os.access(path.parent, os.W_OK)
    return f"{uri}?mode=ro" + ("&immutable=1" if immutable else "")


def _begin_sqlite(conn: Connection) -> None:
    writes = conn.get_execution_options().get("writes", False)
    conn.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")  # a writer waits for its turn before it reads


def for_reading(engine: Engine) -> Engine:
    """The engine for transactions that see one state and change nothing."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(writes=False)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def take_turn(conn: Connection) -> None:
    """Wait until no other writer is at work; SQLite does so when a writing transaction begins."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS_LOCK})


def try_hold(conn: Connection) -> bool:
    """Hold PostgreSQL's schema until the connection ends or `release_hold`; false where another process does."""
    found = conn.execute(text("SELECT pg_try_advisory_lock(:key, hashtext(current_schema()))"), {"key": _HOLDERS_LOCK})
    return bool(found.scalar_one())


def release_hold(conn: Connection) -> None:
    """Let another process hold the schema."""
    conn.execute(text("SELECT pg_advisory_unlock(:key, hashtext(current_schema()))"), {"key": _HOLDERS_LOCK})


def scrub_sqlite(engine: Engine) -> bool:
    """Rewrite the file without deleted content and empty the log; False where a reader is in the way."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA query_only = OFF")
        cursor.execute("VACUUM")
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy and busy[0] == 0)
    finally:
        raw.close()
