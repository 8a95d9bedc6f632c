"""What is made of the whole store, made once for all who ask, and kept for as long as it counts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
# While a job runs, something is made anew after so many times the seconds that it took: a tenth of one core at most.
# More: answers are older; fewer: they cost more.
REUSE = 10


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """Something made of the store as it was at one revision."""

    revision: int
    value: T
    generation: int  # how many changes the server itself had made when this was begun
    made_at_s: float  # by the clock of `Kept`
    seconds: float  # that it took


class Kept(Generic[T]):
    """The latest of something; all who ask while it is made wait for the same making. Safe to share between threads."""

    def __init__(
        self,
        make: Callable[[], tuple[int, T]],
        pool: Executor,
        *,
        may_age: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make`: reads the store, and gives its revision with what was made; `may_age`: whether a job changes it."""
        self._make, self._pool, self._may_age, self._clock = make, pool, may_age, clock
        self._lock = threading.Lock()
        self._generation = 0
        self._last: Made[T] | None = None
        self._making: Future[Made[T]] | None = None

    def renew(self) -> None:
        """Let nothing that was begun before now be shown beyond its revision: call it after a change."""
        with self._lock:
            self._generation += 1

    def get(self, revision: int, *, exact: bool = False) -> Made[T]:
        """What is kept, where it counts at this revision, else made anew; blocks."""
        while (found := self._find(revision, exact)) is None:
            self._made().result()
        return found

    async def wait(self, revision: int, *, exact: bool = False) -> Made[T]:
        """`get` that holds no thread while something is made; one that is cancelled leaves the making to others."""
        while (found := self._find(revision, exact)) is None:
            await asyncio.shield(asyncio.wrap_future(self._made()))
        return found

    def _find(self, revision: int, exact: bool) -> Made[T] | None:
        """What is kept, unless it is older than it may be."""
        with self._lock:
            last, generation = self._last, self._generation
        if last is None or last.revision >= revision:
            return last
        is_young = self._clock() - last.made_at_s < REUSE * last.seconds
        return last if is_young and not exact and last.generation == generation and self._may_age() else None

    def _made(self) -> Future[Made[T]]:
        """The making that is under way, else one that begins."""
        with self._lock:
            if self._making is None or self._making.done():
                self._making = self._pool.submit(self._do, self._generation)
            return self._making

    def _do(self, generation: int) -> Made[T]:
        began = self._clock()
        revision, value = self._make()
        ended = self._clock()
        found = Made(revision, value, generation, ended, ended - began)
        with self._lock:
            self._last = found
        return found
