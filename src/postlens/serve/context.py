"""What all requests share, opened once when the server starts: the store, the models, the jobs."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Request

from postlens.serve.settings import ServeSettings
from postlens.store import Store


class Context:
    """The open store and what works on it; `app.state.context` while the server runs."""

    def __init__(self, settings: ServeSettings) -> None:
        """Open the store. Raises `StoreError` where it cannot be used."""
        self.serving = settings
        self.settings = settings.downloads
        self.store = Store.open(settings.store)
        self.started_at = datetime.now(UTC)

    def start(self) -> None:
        """Begin to load models and to work on jobs."""

    def close(self) -> None:
        """Stop all work and close the store."""
        self.store.close()

    @property
    def is_ready(self) -> bool:
        """Whether models and store are there to answer."""
        return True


def context_of(request: Request) -> Context:
    """The context of the server that answers a request; a dependency of routes."""
    context: Context = request.app.state.context
    return context


def now() -> datetime:
    """The time of a request; a dependency of routes, so that tests set it."""
    return datetime.now(UTC)
