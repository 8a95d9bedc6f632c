"""Jobs of the server to rows and back; writing them makes no new revision, as they are no facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select, update

from postlens.store.schema import jobs
from postlens.store.statements import upsert

State = Literal["queued", "running", "done", "failed", "cancelled"]
OPEN: tuple[State, ...] = ("queued", "running")
FINISHED: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """Long work that was asked for."""

    job_id: str
    kind: str
    state: State
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    n_done: int = 0  # media looked at
    n_total: int | None = None  # None: not known yet
    request: Mapping[str, Any] | None = None  # None once it is finished
    result: Mapping[str, Any] | None = None  # what to ask the store for
    problem: Mapping[str, Any] | None = None  # a problem document
    key_id: str | None = None  # of the key that asked
    attempts: int = 0  # how often it was begun, but for those times when a server that was to stop left it


def write_job(conn: Connection, job: Job) -> None:
    """Insert or update a job."""
    upsert(conn, jobs, [asdict(job)], counted=False)


def read_job(conn: Connection, job_id: str) -> Job | None:
    """The job of this id."""
    row = conn.execute(select(jobs).where(jobs.c.job_id == job_id)).one_or_none()
    return None if row is None else Job(**row._mapping)


def read_jobs(conn: Connection, *, states: tuple[State, ...] | None = None) -> list[Job]:
    """All jobs, or those in these states, the oldest first."""
    chosen = select(jobs).order_by(jobs.c.created_at, jobs.c.job_id)
    if states is not None:
        chosen = chosen.where(jobs.c.state.in_(states))
    return [Job(**row._mapping) for row in conn.execute(chosen)]


def count_open(conn: Connection) -> int:
    """How many jobs wait or run."""
    return conn.execute(select(func.count()).select_from(jobs).where(jobs.c.state.in_(OPEN))).scalar_one()


def requeue(conn: Connection) -> int:
    """Let jobs that ran when a server ended wait again; returns how many."""
    again = update(jobs).where(jobs.c.state == "running").values(state="queued", started_at=None)
    return conn.execute(again, execution_options={"counted": False}).rowcount


def delete_finished(conn: Connection, *, before: datetime | None = None) -> int:
    """Drop finished jobs, all or those that ended before a time; returns how many."""
    gone = delete(jobs).where(jobs.c.state.in_(FINISHED))
    if before is not None:
        gone = gone.where(jobs.c.finished_at < before)
    return conn.execute(gone, execution_options={"counted": False}).rowcount
