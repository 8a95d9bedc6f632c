"""Waiting images of all clients to small batches, on worker threads that keep their models.

Each worker owns its sessions, as in `pipelines.run`. Images wait in one bounded queue; a worker takes what is there, a
fair share of it, and never waits for a batch to fill: batches grow by themselves when there is more to do than workers.
Jobs hand their batches to the same threads, which leave one worker to images while jobs run, where there are two.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any, Generic, ParamSpec, TypeVar

from postlens.config import Settings
from postlens.pipelines.answers import Answerer
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.run import Outcome, Runner
from postlens.pipelines.stage import Stage
from postlens.pipelines.stages import all_stages
from postlens.serve.errors import Problem
from postlens.serve.metrics import log_error
from postlens.tasks.niche.model import load_niche_model
from postlens.tasks.products.model import load_product_models
from postlens.tasks.reactions.model import load_reaction_model

T = TypeVar("T")
P = ParamSpec("P")
Observe = Callable[[int], None]
# So many batches of images in a row, then one of a job, if one waits: jobs go on under load. More: they go on slower.
IMAGES_BEFORE_JOB = 8


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """One file to look at, and how its outcome becomes an answer in the worker's thread."""

    item: WorkItem
    answer: Callable[[Outcome, Answerer], T]
    future: Future[T] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Task:
    """A batch of a job."""

    do: Callable[[], Any]
    future: Future[Any]


class JobPool(Executor):
    """The workers as an executor for batches of jobs, which a `Runner` takes as its pool."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let a worker call the function when it has time."""
        future: Future[T] = Future()
        self._workers.add_task(_Task(lambda: fn(*args, **kwargs), future))
        return future


class Workers:
    """Threads with models; safe to use from any thread."""

    def __init__(
        self, settings: Settings, *, queue_size: int, batch_size: int, observe: Observe = lambda n: None
    ) -> None:
        """`observe`: told the size of each batch of images. Raises `SettingsError`, `ModelError` as `Answerer`."""
        self.settings = settings
        self.stages: tuple[Stage, ...] = all_stages(
            load_niche_model(settings.niche_model).encoder_card,
            product_models=load_product_models(settings.product_models),
            reaction_model=load_reaction_model(settings.reaction_model),
        )
        self.jobs = JobPool(self)
        self._runner = Runner(self.stages, settings, pool=self.jobs)
        self._size, self._batch, self._observe = queue_size, batch_size, observe
        self._looks: deque[Look[Any]] = deque()
        self._tasks: deque[_Task] = deque()
        self._n_tasks = self._n_loaded = self._n_since_task = 0
        self._error: BaseException | None = None
        self._closing = False
        self._turn = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"postlens-worker-{i}", daemon=True)
            for i in range(settings.workers)
        ]

    def start(self) -> None:
        """Let the threads load their models and begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop after the batches that have begun; what waits is cancelled."""
        self._runner.close()
        with self._turn:
            self._closing = True
            for future in [*(one.future for one in self._looks), *(one.future for one in self._tasks)]:
                future.cancel()
            self._looks.clear()
            self._tasks.clear()
            self._turn.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether every worker has loaded its models, and works."""
        return self._n_loaded == len(self._threads) and all(thread.is_alive() for thread in self._threads)

    @property
    def error(self) -> BaseException | None:
        """Why a worker could not load its models."""
        return self._error

    @property
    def n_waiting(self) -> int:
        """How many images wait."""
        return len(self._looks)

    @property
    def n_tasks(self) -> int:
        """How many batches of jobs run."""
        return self._n_tasks

    def submit(self, look: Look[T]) -> Future[T]:
        """Let the file be looked at; cancelling the future takes it out of the queue. Raises `Problem` when full."""
        with self._turn:
            if self._closing or len(self._looks) >= self._size:
                raise Problem("busy", f"expected fewer than {self._size} images to wait, got more; try again soon")
            self._looks.append(look)
            self._turn.notify()
        look.future.add_done_callback(lambda future: self._drop(look) if future.cancelled() else None)
        return look.future

    def add_task(self, task: _Task) -> None:
        """Let a batch of a job be done."""
        with self._turn:
            if self._closing:
                task.future.cancel()
                return
            self._tasks.append(task)
            self._turn.notify()

    def _drop(self, look: Look[Any]) -> None:
        with self._turn:
            if look in self._looks:
                self._looks.remove(look)

    # --- in the threads ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            answerer = self._load()
        except BaseException as error:  # noqa: BLE001  told by /health; the thread has nothing to work with
            self._error = error
            log_error(error, threading.current_thread().name)
            return
        while (work := self._next()) is not None:
            if isinstance(work, _Task):
                self._do(work)
            else:
                self._look(work, answerer)

    def _load(self) -> Answerer:
        """This thread's models."""
        for stage in self.stages:
            stage.setup()
        answerer = Answerer(self.settings)
        with self._turn:
            self._n_loaded += 1
        return answerer

    def _next(self) -> _Task | list[Look[Any]] | None:
        """What to do next; `None` at the end."""
        with self._turn:
            while not self._closing:
                task_next = bool(self._tasks) and self._n_tasks < max(1, len(self._threads) - 1)
                if task_next and (not self._looks or self._n_since_task >= IMAGES_BEFORE_JOB):
                    self._n_since_task = 0
                    self._n_tasks += 1
                    return self._tasks.popleft()
                if self._looks:
                    self._n_since_task += 1
                    share = min(self._batch, ceil(len(self._looks) / len(self._threads)))
                    return [self._looks.popleft() for _ in range(share)]
                self._turn.wait()
        return None

    def _do(self, task: _Task) -> None:
        try:
            _run(task.future, task.do)
        finally:
            with self._turn:
                self._n_tasks -= 1
                self._turn.notify_all()

    def _look(self, looks: list[Look[Any]], answerer: Answerer) -> None:
        """Look at the files together; each answer goes to its own future."""
        wanted = [look for look in looks if look.future.set_running_or_notify_cancel()]
        if not wanted:
            return
        self._observe(len(wanted))
        first = {look.item.sha256: look for look in reversed(wanted)}
        again = [look for look in wanted if first[look.item.sha256] is not look]  # the same picture of another client
        for group in (list(first.values()), *([look] for look in again)):
            try:
                outcomes = self._runner.look([look.item for look in group])
            except Exception as error:  # noqa: BLE001  the thread must outlive what breaks in it
                for look in group:
                    look.future.set_exception(error)
                continue
            for look, outcome in zip(group, outcomes, strict=True):
                _finish(look.future, partial(look.answer, outcome, answerer))


def _run(future: Future[Any], do: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        _finish(future, do)


def _finish(future: Future[Any], do: Callable[[], Any]) -> None:
    """Hand the result, or what went wrong, to who waits for it."""
    try:
        result = do()
    except BaseException as error:  # noqa: BLE001  it is raised where the future is waited for
        future.set_exception(error)
    else:
        future.set_result(result)
