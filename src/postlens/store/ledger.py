"""Which stage was done on which input, by which version and model; and what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from postlens.store.schema import failures, ledger
from postlens.store.statements import delete_in, delete_keys, select_in, upsert
from postlens.types import Failure, Provenance


class LedgerKey(NamedTuple):
    """What makes work the same work."""

    input_sha256: str
    stage: str
    stage_version: str
    fingerprint: str


_KEYS = select(ledger.c.input_sha256, ledger.c.stage, ledger.c.stage_version, ledger.c.fingerprint)

# From this many inputs on, one pass over the ledger was faster than asking for each input (100,000 inputs, 6 stages).
_MANY_INPUTS = 20_000


def mark_done(conn: Connection, rows: Iterable[Provenance]) -> None:
    """Note stages as done, and no longer done by any other version or model: the stored facts are the new ones."""
    new = {LedgerKey(one.input_sha256, one.stage, one.stage_version, one.fingerprint): one for one in rows}
    _drop_superseded(conn, set(new))
    values = [
        {**key._asdict(), "created_at": one.created_at, "code_version": one.code_version} for key, one in new.items()
    ]
    upsert(conn, ledger, values, keep_first=["created_at", "code_version"], counted=False)


def _drop_superseded(conn: Connection, new: Set[LedgerKey]) -> None:
    stages = {(key.input_sha256, key.stage) for key in new}
    rows = select_in(conn, _KEYS, ledger.c.input_sha256, {key.input_sha256 for key in new})
    old = [LedgerKey(*row) for row in rows]
    gone = [key for key in old if (key.input_sha256, key.stage) in stages and key not in new]
    delete_keys(conn, ledger, gone, counted=False)


def stale(conn: Connection, sha256s: Iterable[str], stages: Sequence[tuple[str, str, str]]) -> dict[str, set[str]]:
    """sha256 to the names of the stages (name, version, fingerprint) that are not done as they are now.

    Inputs for which all is done are left out; the others come in the order given.
    """
    if not stages:
        return {}
    wanted = list(dict.fromkeys(sha256s))
    complete = _complete(conn, wanted, stages)
    rest = [sha256 for sha256 in wanted if sha256 not in complete]
    missing = {sha256: {stage[0] for stage in stages} for sha256 in rest}
    fresh = select(ledger.c.input_sha256, ledger.c.stage).where(_as_now(stages))
    for input_sha256, stage in select_in(conn, fresh, ledger.c.input_sha256, rest):
        missing[input_sha256].discard(stage)
    return missing


def read_done(conn: Connection, sha256s: Iterable[str], stage: str) -> set[str]:
    """The inputs for which a stage was done, by whatever version and model."""
    chosen = select(ledger.c.input_sha256).where(ledger.c.stage == stage)
    return {row[0] for row in select_in(conn, chosen, ledger.c.input_sha256, sha256s)}


def read_stages(conn: Connection, sha256s: Iterable[str], stages: Iterable[str]) -> dict[str, set[LedgerKey]]:
    """sha256 to how these stages (by name) were last done on it; inputs on which none was are left out."""
    found: dict[str, set[LedgerKey]] = {}
    chosen = _KEYS.where(ledger.c.stage.in_(list(stages)))
    for row in select_in(conn, chosen, ledger.c.input_sha256, sha256s):
        found.setdefault(row.input_sha256, set()).add(LedgerKey(*row))
    return found


def _complete(conn: Connection, sha256s: Sequence[str], stages: Sequence[tuple[str, str, str]]) -> set[str]:
    """Inputs on which every stage is done as it is now: a row for each input, not for each of its stages.

    Others than those asked for are among them where many are asked for.
    """
    column = ledger.c.input_sha256
    chosen = select(column).where(_as_now(stages)).group_by(column).having(func.count() == len(set(stages)))
    return {row[0] for row in select_in(conn, chosen, column, sha256s if len(sha256s) < _MANY_INPUTS else None)}


def _as_now(stages: Sequence[tuple[str, str, str]]) -> ColumnElement[bool]:
    return tuple_(ledger.c.stage, ledger.c.stage_version, ledger.c.fingerprint).in_(list(stages))


def write_failures(conn: Connection, batch: Iterable[Failure]) -> int:
    """Note failures; the newest of a subject and stage is kept. Returns how many rows changed."""
    rows = [{"subject": f.subject, "stage": f.stage, "error": f.error, "message": f.message} for f in batch]
    return upsert(conn, failures, rows)


def clear_failures(conn: Connection, subjects: Iterable[str], *, stage: str | None = None) -> int:
    """Drop the failures of subjects that succeeded, of one stage or all; returns how many there were."""
    if stage is None:
        return delete_in(conn, failures, "subject", subjects)
    return delete_keys(conn, failures, [(subject, stage) for subject in dict.fromkeys(subjects)])


def read_failures(conn: Connection) -> list[Failure]:
    """All failures by subject and stage."""
    rows = conn.execute(select(failures).order_by(failures.c.subject, failures.c.stage))
    return [Failure(**row._mapping) for row in rows]
