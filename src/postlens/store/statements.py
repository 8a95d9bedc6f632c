"""Statements that every table shares: upsert of what differs, replacement of a set of rows, long IN lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")
Values = Mapping[str, Any]

CHUNK = 1_000  # values per IN list; SQLite takes 32,766 variables (since 3.32), psycopg 65,535


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in lists of at most `size`."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def select_in(
    conn: Connection, statement: Select[Any], column: ColumnElement[Any], values: Iterable[Any] | None
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Rows whose column is one of the values, each value once; every row where values is `None`."""
    if values is None:
        yield from conn.execute(statement).all()
        return
    for part in chunks(dict.fromkeys(values)):
        yield from conn.execute(statement.where(column.in_(part))).all()


def upsert(
    conn: Connection,
    table: Table,
    rows: Sequence[Values],
    *,
    keep_known: Collection[str] = (),
    keep_first: Collection[str] = (),
    counted: bool = True,
) -> int:
    """Insert rows or update those that differ; returns how many rows changed.

    All rows have the same keys, the primary key among them; other columns stay as they are. A `None` does not erase a
    column in `keep_known`; one in `keep_first` is never changed once known. `counted=False`: no new revision.
    """
    if not rows:
        return 0
    dialect = conn.dialect.name
    statement = _upsert(table, dialect, tuple(rows[0]), frozenset(keep_known), frozenset(keep_first))
    return _n_changed(conn, statement, list(rows), counted=counted)


def _n_changed(conn: Connection, statement: Any, rows: list[Values] | None = None, *, counted: bool) -> int:
    """Execute and return how many rows were changed; psycopg tells so for many rows only when asked beforehand."""
    options = {"counted": counted, "preserve_rowcount": True}
    return max(conn.execute(statement, rows, execution_options=options).rowcount, 0)


@cache
def _upsert(
    table: Table, dialect: str, names: tuple[str, ...], keep_known: frozenset[str], keep_first: frozenset[str]
) -> Any:
    """`INSERT ... ON CONFLICT DO UPDATE ... WHERE something differs`; both databases write it alike."""
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    key = [column.name for column in table.primary_key]
    changed: dict[str, ColumnElement[Any]] = {}
    for name in names:
        new, old = insert.excluded[name], table.c[name]
        if name in keep_first:
            changed[name] = func.coalesce(old, new)
        elif name not in key:
            changed[name] = func.coalesce(new, old) if name in keep_known else new
    if not changed:
        return insert.on_conflict_do_nothing(index_elements=key)
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in changed.items()))
    return insert.on_conflict_do_update(index_elements=key, set_=changed, where=differs)


def delete_keys(conn: Connection, table: Table, keys: Sequence[tuple[Any, ...]], *, counted: bool = True) -> int:
    """Delete the rows with these primary keys; returns how many there were."""
    if not keys:
        return 0
    rows: list[Values] = [{f"key_{i}": value for i, value in enumerate(key)} for key in keys]
    return _n_changed(conn, _delete(table), rows, counted=counted)


@cache
def _delete(table: Table) -> Delete:
    columns: list[Column[Any]] = list(table.primary_key)
    return delete(table).where(and_(*(column == bindparam(f"key_{i}") for i, column in enumerate(columns))))


def replace_rows(
    conn: Connection, table: Table, rows: Sequence[Values], *, scope: tuple[str, Iterable[Any]], **same: Any
) -> int:
    """Make `rows` the only ones of the scope: (column, values), and of the columns that are the `same`.

    Rows that are equal already are left alone, so writing the same facts again changes nothing. Returns how many rows
    were inserted, changed or deleted.
    """
    column, values = scope
    key = [table.c[c.name] for c in table.primary_key]
    stored: Select[Any] = select(*key).where(*(table.c[name] == value for name, value in same.items()))
    old = {tuple(row) for row in select_in(conn, stored, table.c[column], values)}
    new = {tuple(row[c.name] for c in key) for row in rows}
    gone = sorted(old - new)
    return delete_keys(conn, table, gone) + upsert(conn, table, rows)


def delete_in(conn: Connection, table: Table, column: str, values: Iterable[Any], *, counted: bool = True) -> int:
    """Delete the rows whose column is one of the values; returns how many there were."""
    statements = (delete(table).where(table.c[column].in_(part)) for part in chunks(dict.fromkeys(values)))
    return sum(_n_changed(conn, statement, counted=counted) for statement in statements)
