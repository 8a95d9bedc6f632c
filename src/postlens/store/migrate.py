"""A store of an older schema to the newest one, by the numbered files in `migrations/versions/`."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, column, inspect, select, table

from postlens.errors import StoreError, StoreVersionError
from postlens.store.schema import SCHEMA_VERSION, VERSION_TABLE

_VERSION = table(VERSION_TABLE, column("version_num"))


def read_version(conn: Connection) -> str | None:
    """The schema version of the store, `None` for an empty database.

    Raises `StoreError` for an SQLite file that another program made.
    """
    names = inspect(conn).get_table_names()
    if VERSION_TABLE in names:
        return conn.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
    if names and conn.dialect.name == "sqlite":
        raise StoreError(f"expected a postlens store, found another program's tables ({names[0]}, ...)")
    return None


def check_version(version: str | None, *, read_only: bool) -> bool:
    """True where the store must be migrated first. Raises `StoreVersionError` where this postlens cannot use it."""
    if version == SCHEMA_VERSION:
        return False
    found = f"the store has schema {version}, this postlens knows up to {SCHEMA_VERSION}"
    if version is not None and version > SCHEMA_VERSION:
        raise StoreVersionError(f"{found}: upgrade postlens")
    if read_only:
        raise StoreVersionError(f"{found}: open it once for writing to bring it up to date")
    return True


def upgrade(conn: Connection) -> None:
    """Run the missing migrations within the connection's transaction: all or none."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", "postlens.store:migrations")
    command.upgrade(config, "head")


def bring_up_to_date(writer: Engine, reader: Engine, *, read_only: bool) -> None:
    """Create or migrate the schema where needed; two processes that start at once do it only once."""
    from postlens.store.engine import take_turn

    with reader.begin() as conn:
        stale = check_version(read_version(conn), read_only=read_only)
    if not stale:
        return
    with writer.begin() as conn:
        take_turn(conn)
        if check_version(read_version(conn), read_only=read_only):
            upgrade(conn)
