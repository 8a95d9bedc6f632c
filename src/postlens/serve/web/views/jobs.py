"""Jobs of the server to how far they are, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postlens.serve.web.names import without_folders
from postlens.store.jobs import FINISHED, Job

STEP = 10  # percent between two announcements to screen readers: each one interrupts
_STATES = {
    "queued": "Waiting for earlier jobs",
    "running": "Looking at the files",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as pages show it."""

    job_id: str
    href: str
    state: str
    title: str  # the state in words
    when: str
    n_done: int
    n_total: int | None
    told: str  # what a screen reader says: changes with every STEP
    post_ids: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]  # file, what happened
    problem: str | None
    finished_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state not in FINISHED


def job_view(job: Job) -> JobView:
    """A job in words."""
    result = job.result or {}
    failures = result.get("failures", ())
    return JobView(
        job_id=job.job_id,
        href=f"/web/jobs/{job.job_id}",
        state=job.state,
        title=_STATES[job.state],
        when=f"{job.created_at:%Y-%m-%d %H:%M}",
        n_done=job.n_done,
        n_total=job.n_total,
        told=_told(job),
        post_ids=tuple(result.get("post_ids", ())),
        failures=tuple((one["subject"], without_folders(one["message"])) for one in failures),
        problem=str(job.problem["detail"]) if job.problem else None,
        finished_at=job.finished_at,
    )


def _told(job: Job) -> str:
    if job.state != "running" or not job.n_total:
        return _STATES[job.state]
    return f"{100 * job.n_done // job.n_total // STEP * STEP} percent"
