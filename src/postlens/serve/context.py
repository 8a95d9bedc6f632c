"""What all requests share, opened once when the server starts: the store, the models, the jobs, the answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request
from sqlalchemy import Connection

from postlens.errors import SettingsError
from postlens.pipelines.answers import Answerer
from postlens.pipelines.campaign import Campaign
from postlens.pipelines.compile import compile_campaign
from postlens.pipelines.search import Index, read_index
from postlens.serve.basis import basis_of
from postlens.serve.batching import Workers
from postlens.serve.errors import Problem
from postlens.serve.jobs import Jobs
from postlens.serve.kept import Kept
from postlens.serve.metrics import Metrics
from postlens.serve.security import KeyRing
from postlens.serve.settings import ServeSettings
from postlens.store import Store
from postlens.store.engine import parse_url
from postlens.store.meta import read_meta, read_revision, write_meta
from postlens.tasks.reactions.emoji import load_table
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

T = TypeVar("T")
READERS = 8  # threads that read the store at once; more wait
WRITERS = 2  # threads that write: stores let one after the other, and the second sees at once that the first was there
# Changes that wait for a thread; then 503. A locked store holds each pair for its lock timeout (5 s): eight wait 20 s,
# less than the time that a request has. More: later answers while it is locked; fewer: refusals in a short rush.
MOST_WAITING = 8
PROBE_S = 0.8  # that the store has to answer whether it is there: what asks gives up after one or two seconds
SERVER_ID = "server_id"  # meta key: tells ETags of this store from those of others


@dataclass(frozen=True, slots=True)
class State:
    """All answers about a store at one revision."""

    revision: int
    campaign: Campaign


class Context:
    """The open store and what works on it; `app.state.context` while the server runs."""

    def __init__(self, settings: ServeSettings, metrics: Metrics | None = None) -> None:
        """Open the store. Raises `StoreError`, `SettingsError`, `ModelError` where something cannot be used."""
        self.serving = settings
        self.settings = settings.downloads
        self.metrics = metrics or Metrics()
        self.emoji = load_table(self.settings.emoji_table)
        folder = jobs_folder(settings)
        self.store = Store.open(settings.store)
        self.workers = Workers(
            self.settings,
            queue_size=settings.queue_size,
            batch_size=settings.batch_size,
            observe=self.metrics.batches.observe,
        )
        self.jobs = Jobs(self.store, self.workers, folder=folder, serving=settings)
        self.keys = KeyRing(self.store)
        self.folder = folder
        self._readers = ThreadPoolExecutor(READERS, "postlens-read")
        self._writers, self._writing = CapacityLimiter(WRITERS), CapacityLimiter(WRITERS)  # turns, and their threads
        self._prober = ThreadPoolExecutor(1, "postlens-probe")
        self._heads_alone = ThreadPoolExecutor(1, "postlens-heads")  # which one thread uses at a time
        self._indexer = ThreadPoolExecutor(1, "postlens-index")
        self._answerer: Answerer | None = None
        self._state: Kept[State] = Kept(self._compile, self._heads_alone, may_age=self._is_changing)
        self._index: Kept[Index] = Kept(self._read_index, self._indexer, may_age=self._is_changing)
        self._salt = self._read_salt()

    def start(self) -> None:
        """Begin to load models and to work on jobs."""
        self.workers.start()
        self.jobs.start()

    def close(self) -> None:
        """Stop all work and close the store."""
        self.jobs.close()
        self.workers.close()
        for pool in (self._readers, self._prober, self._heads_alone, self._indexer):
            pool.shutdown(wait=False, cancel_futures=True)
        self.store.close()

    @property
    def is_ready(self) -> bool:
        """Whether all models are loaded."""
        return self.workers.is_ready

    async def run(self, do: Callable[[], T]) -> T:
        """Read in a thread; one that is cancelled is not waited for, and counts among the readers until it ends."""
        return await asyncio.wrap_future(self._readers.submit(do))

    async def change(self, do: Callable[[], T]) -> T:
        """Write in a thread; once begun it is finished even when the client has gone, so that nothing is half told.

        What is asked for afterwards is compiled anew. Raises `Problem` where too many changes wait.
        """
        async with self.turn():
            return await run_sync(do, limiter=self._writing)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The turn of one that changes the store in threads of its own. Raises `Problem` where too many wait for it."""
        if self._writers.statistics().tasks_waiting >= MOST_WAITING:
            raise Problem("busy", f"expected at most {MOST_WAITING} changes to wait for the store, more do; try later")
        async with self._writers:
            try:
                yield
            finally:
                self.renew()

    async def probe(self) -> None:
        """Look whether the store can be read, whatever else waits. Raises `StoreError`, `Problem` for one too slow."""
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._prober.submit(self.revision)), PROBE_S)
        except TimeoutError as error:
            raise Problem("store-failed", f"expected the store to answer within {PROBE_S} s, it did not") from error

    # --- answers ----------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Show nothing any more that was made before a change; call it after one that did not go by `change`."""
        self._state.renew()
        self._index.renew()

    def state(self, *, exact: bool = False) -> State:
        """All answers at the store's revision, compiled anew when that has changed; blocks, see `answers`.

        While a job runs they may be a little older, unless they are to be `exact`.
        """
        return self._state.get(self.revision(), exact=exact).value

    async def answers(self, *, exact: bool = False) -> State:
        """`state` for requests: all that wait for it share one thread."""
        return (await self._state.wait(await self.run(self.revision), exact=exact)).value

    async def index(self) -> Index:
        """The vectors of all posts, as old as answers may be."""
        return (await self._index.wait(await self.run(self.revision))).value

    def revision(self) -> int:
        """How often the facts in the store have changed; blocks."""
        with self.store.read() as conn:
            return read_revision(conn)

    def etag_of(self, revision: int, *parts: str) -> str:
        """An ETag of an answer that rests on this revision and these words."""
        text = "\n".join([self._salt, str(revision), *parts])
        return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]}"'

    async def ask(self, do: Callable[[Connection, Answerer], T]) -> T:
        """What is made of the store with opened heads, one request after the other."""

        def asked() -> T:
            with self.store.read() as conn:
                return do(conn, self._heads())

        return await asyncio.wrap_future(self._heads_alone.submit(asked))

    def _is_changing(self) -> bool:
        return self.jobs.is_running

    def _heads(self) -> Answerer:
        if self._answerer is None:
            self._answerer = Answerer(self.settings)
        return self._answerer

    def _compile(self) -> tuple[int, State]:
        with self.store.read() as conn:
            revision = read_revision(conn)
            return revision, State(revision, compile_campaign(conn, self._heads(), now=now()))

    def _read_index(self) -> tuple[int, Index]:
        with self.store.read() as conn:
            return read_revision(conn), read_index(conn, fingerprint=load_spec(ENCODER).fingerprint)

    def _read_salt(self) -> str:
        """What ETags begin with: the store's own word, and all that answers depend on beside the store."""
        with self.store.read() as conn:
            word = read_meta(conn, SERVER_ID)
        if word is None:
            word = hashlib.sha256(f"{self.store.name} {now()}".encode()).hexdigest()[:16]
            with self.store.write() as conn:
                write_meta(conn, SERVER_ID, word)
        return f"{word} {basis_of(self.serving)}"


def jobs_folder(settings: ServeSettings) -> Path:
    """Where uploads lie. Raises `SettingsError` where none is given for a store that is no file, or it cannot be."""
    url = parse_url(settings.store)
    folder = settings.jobs_folder
    if folder is None:
        if url.get_backend_name() != "sqlite":
            raise SettingsError(
                "expected POSTLENS_SERVE_JOBS_FOLDER for a store in PostgreSQL, got none; name a folder"
            )
        folder = Path(f"{url.database}-jobs")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"expected a folder for uploads at {folder}, got: {error.strerror}") from error
    return folder


def context_of(request: Request) -> Context:
    """The context of the server that answers a request; a dependency of routes."""
    context: Context = request.app.state.context
    return context


def now() -> datetime:
    """The time of a request; a dependency of routes, so that tests set it."""
    return datetime.now(UTC)
