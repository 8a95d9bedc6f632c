"""Which tracks the last assignment to persons has seen, and on what it rested."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from postlens.store.meta import read_meta, write_meta
from postlens.store.schema import settled_tracks, tracks

FULL_RUN = "people_full_run"  # in `meta`: why the last assignment of all tracks was not of the new ones alone
_BASIS = "people_basis"  # in `meta`


@dataclass(frozen=True, slots=True)
class Basis:
    """What every assignment depends on, beside the tracks."""

    threshold: float
    model: str  # fingerprint of the template's
    words: str  # digest of the user's


def read_basis(conn: Connection) -> Basis | None:
    """That of the last assignment; `None` before the first."""
    kept = read_meta(conn, _BASIS)
    return None if kept is None else Basis(**json.loads(kept))


def write_basis(conn: Connection, basis: Basis) -> None:
    """Keep what an assignment rested on; this makes no new revision."""
    write_meta(conn, _BASIS, json.dumps(asdict(basis)))


def read_unsettled(conn: Connection) -> list[str]:
    """Ids of the tracks that the last assignment has not seen as they are now."""
    seen = select(settled_tracks.c.track_id).where(settled_tracks.c.track_id == tracks.c.track_id).exists()
    return list(conn.execute(select(tracks.c.track_id).where(~seen).order_by(tracks.c.track_id)).scalars())


def has_settled(conn: Connection) -> bool:
    """Whether any track is settled; none is after tracks went away or were looked at anew."""
    return conn.execute(select(settled_tracks.c.track_id).limit(1)).first() is not None
