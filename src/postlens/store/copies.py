"""What the search for copies keeps of media, to rows and back. It is bookkeeping: it makes no new revision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from postlens.store.meta import read_meta, write_meta
from postlens.store.schema import copy_pairs, copy_states
from postlens.store.statements import delete_in, delete_keys, select_in, upsert

_SETTLED = "copies_settled"  # in `meta`: digest of what the links between posts follow from


class CopyState(NamedTuple):
    """What is kept of one media file; the bytes are the search's own."""

    short: bytes
    by_look: bytes | None
    by_hash: bytes | None


class CopyPair(NamedTuple):
    """Two media files that were compared, the smaller sha256 first."""

    sha256_a: str
    sha256_b: str
    reason: str | None  # `None`: they are no copies
    score: float | None


def read_copy_states(conn: Connection) -> dict[str, CopyState]:
    """All that is kept, by sha256."""
    rows = conn.execute(select(copy_states))
    return {row.sha256: CopyState(row.short, row.by_look, row.by_hash) for row in rows}


def read_copy_pairs(conn: Connection) -> set[CopyPair]:
    """All pairs that are kept."""
    return {CopyPair(*row) for row in conn.execute(select(copy_pairs))}


def replace_copy_states(conn: Connection, states: Mapping[str, CopyState], *, before: Mapping[str, CopyState]) -> None:
    """Make the states, by sha256, all that are kept; `before`: those kept so far."""
    changed = [{"sha256": name, **one._asdict()} for name, one in states.items() if before.get(name) != one]
    upsert(conn, copy_states, changed, counted=False)
    delete_keys(conn, copy_states, [(name,) for name in sorted(before.keys() - states.keys())], counted=False)


def replace_copy_pairs(conn: Connection, pairs: set[CopyPair], *, before: set[CopyPair]) -> None:
    """Make the pairs all that are kept; `before`: those kept so far."""
    gone = {pair[:2] for pair in before} - {pair[:2] for pair in pairs}
    delete_keys(conn, copy_pairs, sorted(gone), counted=False)
    upsert(conn, copy_pairs, [pair._asdict() for pair in sorted(pairs - before)], counted=False)


def unsettle_copies(conn: Connection, sha256s: Iterable[str]) -> dict[str, int]:
    """Drop what is kept of media that go or whose facts changed; returns the rows removed by table."""
    gone = list(sha256s)
    return {
        copy_states.name: delete_in(conn, copy_states, "sha256", gone, counted=False),
        copy_pairs.name: sum(delete_in(conn, copy_pairs, f"sha256_{side}", gone, counted=False) for side in "ab"),
    }


def clear_copies(conn: Connection) -> None:
    """Drop all that is kept."""
    for table in (copy_pairs, copy_states):
        conn.execute(delete(table), execution_options={"counted": False})


def read_unsettled_copies(conn: Connection, sha256s: Iterable[str]) -> set[str]:
    """Those media of which nothing is kept."""
    asked = set(sha256s)
    return asked - {row.sha256 for row in select_in(conn, select(copy_states.c.sha256), copy_states.c.sha256, asked)}


def read_settled(conn: Connection) -> str | None:
    """Digest of what the last links followed from."""
    return read_meta(conn, _SETTLED)


def write_settled(conn: Connection, digest: str) -> None:
    """Keep the digest of what the links follow from."""
    write_meta(conn, _SETTLED, digest)
