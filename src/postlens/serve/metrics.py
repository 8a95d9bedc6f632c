"""Requests to figures for Prometheus, lines of the access log, and headers that every answer has.

A line has the route as it is declared, never the path or query as they came: both may name persons.
"""

from __future__ import annotations

import logging
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postlens.serve.errors import Problem
from postlens.version import __version__

LOGGER: Final = logging.getLogger("postlens.serve")
UNKNOWN_ROUTE: Final = "unknown"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # any other word is a client's
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES: Final = (1, 2, 3, 4, 6, 8, 16, 32)

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        more: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("postlens_requests", "Requests answered.", ("method", "route", "status"), **more)
        self.seconds = Histogram(
            "postlens_request_seconds", "From the head of a request to the end of its answer.", ("route",),
            buckets=_SECONDS, **more,
        )  # fmt: skip
        self.running = Gauge("postlens_requests_running", "Requests being answered.", **more)
        self.batches = Histogram("postlens_batch_images", "Images looked at together.", buckets=_IMAGES, **more)
        self.waiting = Gauge("postlens_queue_images", "Images that wait for a model.", **more)
        self.jobs = Gauge("postlens_jobs_open", "Jobs that wait or run.", **more)
        self.ready = Gauge("postlens_ready", "1 when models and store are there to answer.", **more)
        Gauge("postlens_info", "1, with the version.", ("version",), **more).labels(__version__).set(1)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class Edge:
    """The outermost middleware: it counts, logs, adds headers, and turns what nobody caught into a problem."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; nothing is raised."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, request_id, status = self._clock(), uuid.uuid4().hex[:16], 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with self._metrics.running.track_inprogress():
            try:
                await self._app(scope, receive, sent)
            except Exception as error:  # noqa: BLE001  the outermost edge: the server goes on
                log_error(error, request_id)
                if not status:
                    detail = f"the request could not be answered; the server's log tells why by {request_id}"
                    await Problem("internal", detail).response()(scope, receive, sent)
        self._tell(scope, status, self._clock() - began, request_id)

    def _tell(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        caller = scope.get("state", {}).get("caller")
        fields = {
            "method": method,
            "route": route,
            "status": status,  # 0: the client went away before the answer
            "ms": round(1000 * seconds, 1),
            "client": (scope.get("client") or ("unknown", 0))[0],
            "key": getattr(caller, "key_id", None),
            "request_id": request_id,
        }
        LOGGER.info("request", extra={"fields": fields})


def log_error(error: BaseException, request_id: str) -> None:
    """What went wrong and where; not the message, which may quote what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    where = [f"{frame.filename.rpartition('/site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    LOGGER.error("error", extra={"fields": {"request_id": request_id, "error": type(error).__name__, "at": where}})
