"""Settings to a running server: uvicorn, with limits of its own, and a time for the head of each request."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any, ClassVar, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from postlens.errors import SettingsError
from postlens.pipelines.runlog import JsonLines
from postlens.serve.app import create_app
from postlens.serve.claim import Claim
from postlens.serve.connections import REFUSAL, Connections
from postlens.serve.context import jobs_folder
from postlens.serve.metrics import LOGGER
from postlens.serve.settings import ServeSettings
from postlens.store import Store

MOST_HEAD_BYTES: Final = 16 << 10  # of a request's head; browsers send below 4 KiB, long cookies and proxies need more
GRACE_S: Final = 10  # for requests that have begun when the server is to stop


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, with an end to its patience: it waits for the head of a request without limit itself."""

    head_timeout_s: ClassVar[float] = 10.0
    by_address: ClassVar[Connections]
    _head_timer: asyncio.TimerHandle | None = None
    _address: str | None = None  # for which this connection counts

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head; refuse an address that has too many connections."""
        super().connection_made(transport)
        address = self.client[0] if self.client else "unknown"
        if not self.by_address.take(address):
            transport.write(REFUSAL)
            transport.close()
            return
        self._address = address
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Wait for a whole head from its first byte on; bodies are timed elsewhere."""
        if self._address is None:
            return
        if self._head_timer is None and self._is_idle():
            self._wait_for_head()
        super().data_received(data)
        if not self._is_idle():
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        if self._address is not None:
            self.by_address.give_back(self._address)
            self._address = None
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.abort()


def run(settings: ServeSettings, *, tell: Callable[[int], None] = lambda port: None) -> None:
    """Answer until stopped by SIGINT or SIGTERM; what has begun is finished first.

    `tell`: called with the port when everything can be used, before the first answer. Raises `StoreError`,
    `SettingsError`, `ModelError` where something cannot be: a port that is taken, a store that another server has.
    """
    with bind(settings.host, settings.port) as listening:
        with Store.open(settings.store) as store:
            Claim(store, jobs_folder(settings)).close()
        log_lines()
        tell(listening.getsockname()[1])
        uvicorn.Server(server_config(settings)).run(sockets=[listening])


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the port, and does not listen yet. Raises `SettingsError` where it cannot be had.

    It comes before all else: uvicorn by itself would first run what works on the store, and then see that it cannot.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = min(places, key=lambda one: one[0] != socket.AF_INET)
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(place)
        except OSError:
            found.close()
            raise
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(f"expected to listen at {host}, port {port}, got: {why}; choose another --port") from error
    return found


def server_config(settings: ServeSettings) -> uvicorn.Config:
    """What the server listens with. Its own access log is off: it would hold query strings."""
    connections = Connections(settings.max_connections_per_address, proxies=settings.trusted_proxies)
    more = {"head_timeout_s": settings.header_timeout_s, "by_address": connections}
    protocol = type("Protocol", (PatientProtocol,), more)
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=protocol,
        ws="none",
        access_log=False,
        server_header=False,
        log_level="warning",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
    )


def log_lines() -> None:
    """Let the server's events go to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
