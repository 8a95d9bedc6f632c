"""A store to plain values that two stores with the same facts have in common, whatever the order of writing."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from postlens.store.schema import meta, metadata

Row = tuple[Any, ...]


def dump(conn: Connection) -> dict[str, list[Row]]:
    """Table name to its sorted rows, without columns that say when or where a fact was met.

    `meta` is left out, and tables of what can be found again. Binary values stand as the first 16 hex
    digits of their sha256.
    """
    tables = [one for one in metadata.sorted_tables if one is not meta and not one.info.get("volatile", False)]
    return {
        table.name: sorted(
            (tuple(_plain(value) for value in row) for row in conn.execute(select(*_lasting(table.columns)))),
            key=repr,
        )
        for table in tables
    }


def _lasting(columns: Any) -> list[Any]:
    return [column for column in columns if not column.info.get("volatile", False)]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(value).hexdigest()[:16]
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return value.isoformat() if isinstance(value, datetime) else value
