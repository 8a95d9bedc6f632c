"""What all requests share, opened once when the server starts: the store, the models, the jobs, the answers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
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
from postlens.serve.batching import Workers
from postlens.serve.jobs import Jobs
from postlens.serve.metrics import Metrics
from postlens.serve.security import KeyRing
from postlens.serve.settings import ServeSettings
from postlens.store import Store
from postlens.store.engine import parse_url
from postlens.store.meta import read_meta, read_revision, write_meta
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

T = TypeVar("T")
READERS = 8  # threads that read the store at once; more wait
# While a job runs, answers are compiled anew after so many times the seconds that it took: a tenth of one core at most.
# More: answers are older; fewer: they cost more.
REUSE = 10
SERVER_ID = "server_id"  # meta key: tells ETags of this store from those of others


@dataclass(frozen=True, slots=True)
class State:
    """All answers about a store at one revision."""

    revision: int
    campaign: Campaign
    made_at_s: float  # by the monotonic clock
    seconds: float  # that it took


class Context:
    """The open store and what works on it; `app.state.context` while the server runs."""

    def __init__(self, settings: ServeSettings, metrics: Metrics | None = None) -> None:
        """Open the store. Raises `StoreError`, `SettingsError`, `ModelError` where something cannot be used."""
        self.serving = settings
        self.settings = settings.downloads
        self.metrics = metrics or Metrics()
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
        self._threads = CapacityLimiter(READERS)
        self._answerer: Answerer | None = None
        self._state: State | None = None
        self._index: tuple[int, Index] | None = None
        self._compiling, self._indexing = threading.Lock(), threading.Lock()
        self._salt = self._read_salt()

    def start(self) -> None:
        """Begin to load models and to work on jobs."""
        self.workers.start()
        self.jobs.start()

    def close(self) -> None:
        """Stop all work and close the store."""
        self.jobs.close()
        self.workers.close()
        self.store.close()

    @property
    def is_ready(self) -> bool:
        """Whether all models are loaded."""
        return self.workers.is_ready

    async def run(self, do: Callable[[], T]) -> T:
        """Read in a thread; one that is cancelled is not waited for."""
        return await run_sync(do, limiter=self._threads, abandon_on_cancel=True)

    async def change(self, do: Callable[[], T]) -> T:
        """Write in a thread; it is finished even when the client has gone, so that nothing is half told.

        What is asked for afterwards is compiled anew.
        """
        try:
            return await run_sync(do, limiter=self._threads)
        finally:
            self._state = None

    # --- answers ----------------------------------------------------------------------------------------------------

    def state(self, *, exact: bool = False) -> State:
        """All answers at the store's revision, compiled anew when that has changed; blocks, see `run`.

        While a job runs they may be a little older, unless they are to be `exact`.
        """
        known = self._state
        if known is not None and self._is_fresh(known, exact):
            return known
        with self._compiling:
            known = self._state
            if known is None or not self._is_fresh(known, exact):
                known = self._state = self._compile()
            return known

    def _is_fresh(self, state: State, exact: bool) -> bool:
        if state.revision == self.revision():
            return True
        if exact:
            return False
        age_s = time.monotonic() - state.made_at_s
        return self.jobs.is_running and age_s < REUSE * state.seconds

    def campaign(self) -> Campaign:
        """All answers about the store as it is now; blocks, see `run`."""
        return self.state().campaign

    def index(self) -> Index:
        """The vectors of all posts as they are now; blocks, see `run`."""
        with self._indexing:
            revision = self.revision()
            if self._index is None or self._index[0] != revision:
                with self.store.read() as conn:
                    self._index = revision, read_index(conn, fingerprint=load_spec(ENCODER).fingerprint)
            return self._index[1]

    def revision(self) -> int:
        """How often the facts in the store have changed; blocks."""
        with self.store.read() as conn:
            return read_revision(conn)

    def etag_of(self, revision: int, *parts: str) -> str:
        """An ETag of an answer that rests on this revision and these words."""
        text = "\n".join([self._salt, str(revision), *parts])
        return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]}"'

    def ask(self, do: Callable[[Connection, Answerer], T]) -> T:
        """What is made of the store with opened heads, which one thread uses at a time; blocks, see `run`."""
        with self._compiling, self.store.read() as conn:
            return do(conn, self._heads())

    def _heads(self) -> Answerer:
        if self._answerer is None:
            self._answerer = Answerer(self.settings)
        return self._answerer

    def _compile(self) -> State:
        began = time.monotonic()
        with self.store.read() as conn:
            revision = read_revision(conn)
            campaign = compile_campaign(conn, self._heads(), now=datetime.now(UTC))
        return State(revision, campaign, time.monotonic(), time.monotonic() - began)

    def _read_salt(self) -> str:
        """What ETags begin with: the store's own word, and the settings that answers depend on."""
        with self.store.read() as conn:
            word = read_meta(conn, SERVER_ID)
        if word is None:
            word = hashlib.sha256(f"{self.store.name} {datetime.now(UTC)}".encode()).hexdigest()[:16]
            with self.store.write() as conn:
                write_meta(conn, SERVER_ID, word)
        return f"{word} {self.settings.model_dump_json(exclude={'workers', 'commit_every'})}"


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
