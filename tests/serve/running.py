"""A server on a real socket, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from postlens.config import Settings
from postlens.serve.server import server_config
from postlens.serve.settings import ServeSettings

from .conftest import wait_until


@contextmanager
def running(store: Path, **more: Any) -> Iterator[str]:
    """The address of a server that is ready."""
    given = {"analysis": Settings(workers=1), "rate_per_s": 0, **more}
    server = uvicorn.Server(server_config(ServeSettings.load(store=str(store), **given)))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        wait_until(lambda: server.config.app.state.context.is_ready)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
