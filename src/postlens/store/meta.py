"""Small facts about the store itself: its revision, its id, and the folders its outputs were written to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from postlens.store.schema import meta, metadata
from postlens.store.statements import delete_keys, upsert

_REVISION = "revision"
_STORE_ID = "store_id"
_FOLDER = "outputs:"  # and the folder's absolute path


def read_meta(conn: Connection, key: str) -> str | None:
    """The value kept under a key."""
    return conn.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def write_meta(conn: Connection, key: str, value: str) -> None:
    """Keep a value under a key; this makes no new revision."""
    upsert(conn, meta, [{"key": key, "value": value}], counted=False)


def delete_meta(conn: Connection, key: str) -> None:
    """Drop the value kept under a key, if any; this makes no new revision."""
    delete_keys(conn, meta, [(key,)], counted=False)


def read_revision(conn: Connection) -> int:
    """How many transactions have changed facts so far; bookkeeping (ledger, file stats, meta) does not count."""
    return int(read_meta(conn, _REVISION) or 0)


def bump_revision(conn: Connection) -> None:
    """Count one more change; `Store.write` calls it."""
    write_meta(conn, _REVISION, str(read_revision(conn) + 1))


def read_store_id(conn: Connection) -> str | None:
    """The random id that tells this store from others; `None` before `write_folder` made one."""
    return read_meta(conn, _STORE_ID)


def read_folders(conn: Connection) -> list[str]:
    """Absolute paths of all folders that outputs of this store were written to."""
    keys: Iterable[str] = conn.execute(select(meta.c.key)).scalars()
    return sorted(key.removeprefix(_FOLDER) for key in keys if key.startswith(_FOLDER))


def write_folder(conn: Connection, folder: str) -> None:
    """Remember a folder, by its absolute path, before outputs of this store are written to it."""
    if read_store_id(conn) is None:
        write_meta(conn, _STORE_ID, uuid.uuid4().hex)
    write_meta(conn, f"{_FOLDER}{folder}", "")


def count_rows(conn: Connection) -> dict[str, int]:
    """Number of rows by table."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    return {table.name: conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}
