"""The web page over copies of the sample campaign: answered in the process, or served to a browser."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from postlens.config import Settings
from postlens.serve.app import create_app
from postlens.serve.settings import ServeSettings

from ...pipelines.sample_run import sample_run

__all__ = ["sample_run"]

HOST = "127.0.0.1"


def serve_settings(store: Path, **more: object) -> ServeSettings:
    """One worker, so that few models are loaded."""
    return ServeSettings(store=str(store), analysis=Settings(workers=1), rate_per_s=0, **more)


def copied_store(sample_run: Path, folder: Path) -> Path:
    """The sample campaign's store, to be changed."""
    return Path(shutil.copy(sample_run / "postlens.db", folder / "postlens.db"))


@pytest.fixture(scope="session")
def pages(sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The sample campaign, only to be read."""
    store = copied_store(sample_run, tmp_path_factory.mktemp("pages"))
    with client_of(store) as client:
        yield client


@contextmanager
def client_of(store: Path, **more: object) -> Iterator[TestClient]:
    """A client of a server over a store."""
    app = create_app(serve_settings(store, **more))
    with TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=True) as client:
        yield client


@contextmanager
def served(settings: ServeSettings) -> Iterator[str]:
    """The address of a server in a thread of its own."""
    with socket.create_server((HOST, 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://{HOST}:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def form_token(client: TestClient, page: str = "/web/analyze") -> str:
    """The token that forms of a page carry."""
    return client.get(page).text.partition('name="csrf" value="')[2].partition('"')[0]
