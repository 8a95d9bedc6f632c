"""Keys of the server to rows and back; writing them makes no new revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from postlens.errors import UnknownNameError
from postlens.store.schema import api_keys
from postlens.store.statements import upsert


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key: whom it was given to, and what it allows."""

    key_id: str
    name: str
    digest: str  # sha256 of the secret, 64 hex digits
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


def write_key(conn: Connection, key: ApiKey) -> None:
    """Insert a key."""
    row = {name: getattr(key, name) for name in ("key_id", "name", "digest", "created_at", "revoked_at")}
    upsert(conn, api_keys, [{**row, "scopes": list(key.scopes)}], counted=False)


def read_keys(conn: Connection) -> Sequence[ApiKey]:
    """All keys, those that were revoked included, the oldest first."""
    rows = conn.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id))
    return [ApiKey(**{**row._mapping, "scopes": tuple(row.scopes)}) for row in rows]


def read_key(conn: Connection, key_id: str) -> ApiKey | None:
    """The key of this id."""
    row = conn.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    return None if row is None else ApiKey(**{**row._mapping, "scopes": tuple(row.scopes)})


def revoke_key(conn: Connection, key_id: str, *, now: datetime) -> None:
    """Let a key count no more from now on. Raises `UnknownNameError` for one that is not there or was revoked."""
    live = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
    done = conn.execute(
        update(api_keys).where(live).values(revoked_at=now), execution_options={"counted": False}
    ).rowcount
    if not done:
        raise UnknownNameError(f"expected the id of a key that counts, got {key_id!r}; `serve keys list` shows them")
