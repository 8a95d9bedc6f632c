"""A path or URL to an open store: transactions for one writer and many readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, event

from postlens.errors import StoreLockedError, StoreWriteError
from postlens.store.engine import (
    LOCK_TIMEOUT_S,
    for_reading,
    open_engine,
    parse_url,
    release_hold,
    scrub_sqlite,
    shown_location,
    take_turn,
    try_hold,
)
from postlens.store.faults import translated
from postlens.store.meta import bump_revision, delete_meta, read_meta, write_meta
from postlens.store.migrate import bring_up_to_date
from postlens.store.schema import metadata

_CHANGES = "postlens_changes"  # in conn.info: rows changed so far by this transaction
_SCRUB = "postlens_scrub"  # in conn.info: something was forgotten, so its bytes must go after the commit
_PENDING = "scrub"  # meta key: there are bytes of forgotten rows left


def scrub_after_commit(conn: Connection) -> None:
    """Ask that deleted bytes are removed from the database's files once the transaction is committed."""
    conn.info[_SCRUB] = True


def scrub_later(conn: Connection) -> None:
    """Note that there are deleted bytes, for the next `Store.finish_scrub`."""
    write_meta(conn, _PENDING, "1")


class Store:
    """An open store. Safe to share between threads; each transaction has its own connection."""

    def __init__(self, engine: Engine, *, name: str, read_only: bool) -> None:
        self.name = name  # path, or URL without password and query
        self.read_only = read_only
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._reader = for_reading(engine)
        event.listen(engine, "after_cursor_execute", _count_changes)

    @classmethod
    def open(cls, url_or_path: str | Path, *, read_only: bool = False, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Self:
        """Open a store, creating or migrating it first unless `read_only`.

        `url_or_path`: a file path, `sqlite:///...` or `postgresql://...`. Raises `StoreVersionError` for one written by
        a newer postlens, `StoreError` where it cannot be opened, `MissingExtraError` for PostgreSQL without psycopg.
        """
        url, name = parse_url(url_or_path), shown_location(url_or_path)
        with translated(name), ExitStack() as undo:
            engine = open_engine(url, read_only=read_only, lock_timeout_s=lock_timeout_s)
            undo.callback(engine.dispose)
            store = cls(engine, name=name, read_only=read_only)
            bring_up_to_date(store._writer, store._reader, read_only=read_only)
            undo.pop_all()
        return store

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: all of it is committed at the end, or nothing on an exception.

        Writers take turns. Raises `StoreLockedError` when the turn does not come in time, `StoreWriteError` when the
        disk is full or read-only. The revision goes up by one if a fact changed.
        """
        if self.read_only:
            raise StoreWriteError(f"the store {self.name} was opened read-only; open it without read_only to write")
        with translated(self.name):
            with self._writer.connect() as conn:
                conn.info.update({_CHANGES: 0, _SCRUB: False})
                with conn.begin():
                    take_turn(conn)
                    yield conn
                    if conn.info[_CHANGES]:
                        bump_revision(conn)
                    if conn.info[_SCRUB]:
                        write_meta(conn, _PENDING, "1")
                scrub = conn.info[_SCRUB]
            if scrub:
                self.scrub()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction: it sees one state of the store, whatever is written meanwhile."""
        with translated(self.name), self._reader.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def held_alone(self) -> Iterator[bool]:
        """Whether this process is now the only one that holds the store's schema, in PostgreSQL; of a file always true.

        It keeps nobody from reading or writing: only from holding.
        """
        if self._engine.dialect.name != "postgresql":
            yield True
            return
        with translated(self.name), self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
            held = try_hold(conn)
            try:
                yield held
            finally:
                if held:
                    release_hold(conn)

    def scrub(self) -> None:
        """Remove the bytes of deleted rows from the database's own files. `write` does so after forgetting.

        Raises `StoreLockedError` while a reader or writer is in the way; `finish_scrub` then does it later. PostgreSQL:
        tables are rewritten; its server log and backups are the administrator's.
        """
        with translated(self.name):
            done = scrub_sqlite(self._engine) if self._engine.dialect.name == "sqlite" else self._rewrite_tables()
        if not done:
            raise StoreLockedError(
                f"the rows are deleted, but a reader keeps their bytes in {self.name}-wal; close it and run again:"
                " the next analyze or forget on this store removes them"
            )
        with self.write() as conn:
            delete_meta(conn, _PENDING)

    def scrub_pending(self) -> bool:
        """Whether rows were forgotten whose bytes could not be removed so far."""
        with self.read() as conn:
            return read_meta(conn, _PENDING) is not None

    def finish_scrub(self) -> bool:
        """Remove the bytes that an earlier scrub had to leave; returns whether there were any. Raises as `scrub`."""
        pending = self.scrub_pending()
        if pending:
            self.scrub()
        return pending

    def _rewrite_tables(self) -> bool:
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
            for table in metadata.sorted_tables:
                conn.exec_driver_sql(f'VACUUM FULL "{table.name}"')
        return True

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _count_changes(
    conn: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _executemany: bool
) -> None:
    """Add up the rows that INSERT, UPDATE and DELETE statements really changed."""
    changes = context is not None and (context.isinsert or context.isupdate or context.isdelete)
    if changes and context.execution_options.get("counted", True):
        conn.info[_CHANGES] = conn.info.get(_CHANGES, 0) + max(cursor.rowcount, 0)
