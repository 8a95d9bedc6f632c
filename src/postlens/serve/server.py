"""Settings to a running server: uvicorn with its own limits set."""

from __future__ import annotations

import uvicorn

from postlens.serve.app import create_app
from postlens.serve.settings import ServeSettings

MOST_HEAD_BYTES = 16 << 10  # of a request's head; browsers send below 4 KiB, longer cookies and proxies need more


def run(settings: ServeSettings) -> None:
    """Answer until stopped by SIGINT or SIGTERM; what has begun is finished first."""
    uvicorn.Server(server_config(settings)).run()


def server_config(settings: ServeSettings) -> uvicorn.Config:
    """What the server listens with. Its own access log is off: it would hold query strings."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http="h11",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
    )
