"""Long work to jobs: queued in the store, done one after the other, gone on with after a restart.

A job's uploads lie in a folder of their own until it is finished. What it finds is in the store, so that a job that was
cut off finds most of its work done when it runs again. Progress is kept in memory and written now and then.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from postlens.errors import PostlensError, StoreError, UnknownNameError
from postlens.pipelines.run import Runner
from postlens.pipelines.uploads import Found, Plan, ingest_uploads
from postlens.serve.batching import Workers
from postlens.serve.claim import Claim
from postlens.serve.errors import Problem, problem_of, renamed
from postlens.serve.metrics import log_error
from postlens.serve.names import shown_name
from postlens.serve.settings import ServeSettings
from postlens.store import Store
from postlens.store.jobs import (
    FINISHED,
    OPEN,
    Job,
    count_open,
    delete_finished,
    read_job,
    read_jobs,
    requeue,
    write_job,
)

COMMIT_EVERY: Final = 4  # files of a job per transaction: progress is told with each. More: faster, told more seldom
KEEP_PROGRESS_S: Final = 2.0  # progress is written so often: what a restart may tell too little of
LOOK_AGAIN_S: Final = 60.0  # for jobs that nothing told of
MOST_ATTEMPTS: Final = 3  # a job whose server died so often is what kills it. More: survives more crashes of others
RETRY_S: Final = 5.0  # a store that is locked or full is tried again after so long


class StoppedError(Exception):
    """The job was cancelled, or the server ends."""


class Jobs:
    """The queue and the thread that works on it."""

    def __init__(self, store: Store, workers: Workers, *, folder: Path, serving: ServeSettings) -> None:
        self._store, self._workers, self._folder, self._serving = store, workers, folder, serving
        self._changed = threading.Lock()  # never held while the store is waited for
        self._news, self._closing = threading.Event(), threading.Event()
        self._progress: dict[str, tuple[int, int]] = {}
        self._running: tuple[str, Runner] | None = None
        self._cancelled: set[str] = set()
        self._claim: Claim | None = None
        self._thread = threading.Thread(target=self._work, name="postlens-jobs", daemon=True)

    def start(self) -> None:
        """Take up what an earlier server left, and begin. Raises `SettingsError` where another server has the store."""
        self._claim = Claim(self._store, self._folder)
        with self._store.write() as conn:
            for job in read_jobs(conn, states=("running",)):
                if job.attempts >= MOST_ATTEMPTS:
                    write_job(conn, _failed(job, _deadly(job)))
            requeue(conn)
        self._remove_strays()
        self._thread.start()

    def close(self) -> None:
        """Stop at the next step; what is not finished is gone on with by the next server."""
        self._closing.set()
        self._news.set()
        with self._changed:
            if self._running is not None:
                self._running[1].close()
        if self._thread.ident is not None:
            self._thread.join()
        if self._claim is not None:
            self._claim.close()

    # --- for requests: each blocks on the store ---------------------------------------------------------------------

    def new_folder(self) -> tuple[str, Path]:
        """The id of a job to be, and a folder for its uploads."""
        job_id = uuid.uuid4().hex
        folder = self._folder / job_id
        folder.mkdir(parents=True, mode=0o700)
        return job_id, folder

    def add(self, job_id: str, kind: str, request: Mapping[str, Any], *, key_id: str | None) -> Job:
        """Queue a job whose uploads are in its folder. Raises `Problem` where too many wait."""
        job = Job(job_id, kind, "queued", datetime.now(UTC), request=dict(request), key_id=key_id)
        with self._store.write() as conn:
            n_open = count_open(conn)
            if n_open >= self._serving.max_jobs:
                raise Problem(
                    "busy", f"expected fewer than {self._serving.max_jobs} jobs to wait, got {n_open}; try again later",
                    headers={"Retry-After": "30"},
                )  # fmt: skip
            write_job(conn, job)
        self._news.set()
        return job

    def discard(self, job_id: str) -> None:
        """Delete the uploads of a job that came to nothing."""
        shutil.rmtree(self._folder / job_id, ignore_errors=True)

    def get(self, job_id: str) -> Job:
        """A job with its progress. Raises `UnknownNameError`."""
        with self._store.read() as conn:
            job = read_job(conn, job_id)
        if job is None:
            raise UnknownNameError(f"expected the id of a job, got {job_id!r}; finished ones are kept for some days")
        return self._live(job)

    def list(self) -> list[Job]:
        """All jobs, the latest first."""
        with self._store.read() as conn:
            return [self._live(job) for job in reversed(read_jobs(conn))]

    @property
    def is_running(self) -> bool:
        """Whether a job changes the store now."""
        return self._running is not None

    def n_open(self) -> int:
        """How many wait or run."""
        with self._store.read() as conn:
            return count_open(conn)

    def cancel(self, job_id: str) -> Job:
        """Let a job end as soon as it can: at once while it waits, else at the next stage of what it looks at.

        What was found until then stays. Raises `UnknownNameError`, and `Problem` for a job that is finished.
        """
        with self._store.write() as conn:
            job = read_job(conn, job_id)
            waited = job is not None and job.state == "queued"
            if job is not None and waited:
                job = _finished(job, "cancelled")
                write_job(conn, job)
        if job is None:
            raise UnknownNameError(f"expected the id of a job, got {job_id!r}")
        if waited:
            self.discard(job_id)
            return job
        if job.state in FINISHED:
            raise Problem("conflict", f"expected a job that waits or runs, this one is {job.state}")
        with self._changed:
            self._cancelled.add(job_id)
            if self._running is not None and self._running[0] == job_id:
                self._running[1].close()
        return self._live(job)

    def _live(self, job: Job) -> Job:
        """With the progress that was not written yet."""
        if job.state not in OPEN or job.job_id not in self._progress:
            return job
        done, total = self._progress[job.job_id]
        return replace(job, n_done=done, n_total=total)

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._run(job)

    def _next(self) -> Job | None:
        """The oldest job that waits, now running; `None` at the end."""
        while not self._closing.is_set():
            self._news.clear()
            try:
                job = self._take()
            except StoreError:
                self._closing.wait(RETRY_S)
                continue
            if job is not None:
                return job
            if not self._closing.is_set():
                self._news.wait(LOOK_AGAIN_S)
        return None

    def _take(self) -> Job | None:
        now = datetime.now(UTC)
        with self._store.read() as conn:
            if not read_jobs(conn, states=("queued",)):
                return None
        with self._store.write() as conn:
            delete_finished(conn, before=now - timedelta(days=self._serving.job_days))
            waiting = read_jobs(conn, states=("queued",))
            if not waiting:
                return None
            job = replace(waiting[0], state="running", started_at=now, attempts=waiting[0].attempts + 1)
            write_job(conn, job)
        return job

    def _run(self, job: Job) -> None:
        """Do the job and note how it ended; the outermost edge of its work."""
        folder = self._folder / job.job_id
        try:
            found = self._do(job, folder)
        except StoppedError:
            if self._closing.is_set() and job.job_id not in self._cancelled:
                self._leave(job)
                return
            ended = _finished(job, "cancelled")
        except PostlensError as error:
            ended = _failed(job, problem_of(error, names={f"{folder}/": ""}))
        except Exception as error:  # noqa: BLE001  a job that breaks must not end the others
            log_error(error, job.job_id)
            ended = _failed(job, Problem("internal", f"the job broke; the server's log tells why by {job.job_id}"))
        else:
            ended = replace(
                _finished(job, "done"), result=_result(found, folder), n_done=found.n_media, n_total=found.n_media
            )
        self._end(ended, folder)

    def _leave(self, job: Job) -> None:
        """Let it wait for the next server, which a job that stays as running counts against."""
        with suppress(StoreError), self._store.write() as conn:
            write_job(conn, replace(job, state="queued", started_at=None, attempts=job.attempts - 1))

    def _stop_if_asked(self, job: Job) -> None:
        if self._closing.is_set() or job.job_id in self._cancelled:
            raise StoppedError

    def _do(self, job: Job, folder: Path) -> Found:
        last = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal last
            self._progress[job.job_id] = done, total
            self._stop_if_asked(job)
            if time.monotonic() - last > KEEP_PROGRESS_S:
                last = time.monotonic()
                with self._store.write() as conn:
                    write_job(conn, replace(job, n_done=done, n_total=total))

        settings = self._workers.settings
        settings = settings.model_copy(update={"commit_every": min(settings.commit_every, COMMIT_EVERY)})
        runner = Runner(self._workers.stages, settings, pool=self._workers.jobs)
        with self._changed:
            self._running = job.job_id, runner
        try:
            self._stop_if_asked(job)
            found = ingest_uploads(
                self._store,
                Plan.of(job.request or {}, folder),
                runner,
                now=datetime.now(UTC),
                progress=progress,
                stop=lambda: self._stop_if_asked(job),
            )
        finally:
            with self._changed:
                self._running = None
            runner.close()
        self._stop_if_asked(job)
        return found

    def _end(self, job: Job, folder: Path) -> None:
        """Write how it ended, however long the store takes to be writable, and delete its uploads."""
        while True:
            try:
                with self._store.write() as conn:
                    write_job(conn, job)
                break
            except StoreError:
                if self._closing.wait(RETRY_S):
                    return
        self._progress.pop(job.job_id, None)
        self._cancelled.discard(job.job_id)
        shutil.rmtree(folder, ignore_errors=True)

    def _remove_strays(self) -> None:
        """Delete uploads that no open job has: of requests that a killed server was reading."""
        with self._store.read() as conn:
            known = {job.job_id for job in read_jobs(conn, states=OPEN)}
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path, ignore_errors=True)


def _finished(job: Job, state: Any) -> Job:
    """Without the request, which names the creator: a receipt."""
    return replace(job, state=state, finished_at=datetime.now(UTC), request=None)


def _failed(job: Job, problem: Problem) -> Job:
    return replace(_finished(job, "failed"), problem=problem.document())


def _deadly(job: Job) -> Problem:
    text = f"the server ended {job.attempts} times while it did this job, which is not tried again"
    return Problem("internal", f"{text}; send its files one by one to find the one that does it")


def _result(found: Found, folder: Path) -> dict[str, Any]:
    """Which posts to ask the store for, and what failed, by the names that the client gave."""
    failures = [asdict(one) for one in found.failures]
    for one in failures:
        place, one["subject"] = one["subject"], shown_name(one["subject"])
        one["message"] = renamed(one["message"], {place: one["subject"], f"{folder}/": ""})
    return {"post_ids": list(found.post_ids), "n_media": found.n_media, "failures": failures}
