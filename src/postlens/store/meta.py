"""Small facts about the store itself: its revision, and from which revision a report was made."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from postlens.store.schema import meta, metadata
from postlens.store.statements import upsert

_REVISION = "revision"


def read_meta(conn: Connection, key: str) -> str | None:
    """The value kept under a key."""
    return conn.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def write_meta(conn: Connection, key: str, value: str) -> None:
    """Keep a value under a key; this makes no new revision."""
    upsert(conn, meta, [{"key": key, "value": value}], counted=False)


def read_revision(conn: Connection) -> int:
    """How many transactions have changed facts so far; bookkeeping (ledger, file stats, meta) does not count."""
    return int(read_meta(conn, _REVISION) or 0)


def bump_revision(conn: Connection) -> None:
    """Count one more change; `Store.write` calls it."""
    write_meta(conn, _REVISION, str(read_revision(conn) + 1))


def read_report_revision(conn: Connection, folder: str) -> int | None:
    """The revision that the last report in a folder was made from."""
    value = read_meta(conn, f"report:{folder}")
    return None if value is None else int(value)


def write_report_revision(conn: Connection, folder: str, revision: int) -> None:
    """Remember the revision that the report in a folder was made from."""
    write_meta(conn, f"report:{folder}", str(revision))


def count_rows(conn: Connection) -> dict[str, int]:
    """Number of rows by table."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    return {table.name: conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}
