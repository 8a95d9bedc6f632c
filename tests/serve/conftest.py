"""A server on a copy of the sample campaign's store, shared by the tests of a file that change nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from postlens.config import Settings
from postlens.serve.app import create_app
from postlens.serve.claim import LOCK
from postlens.serve.settings import ServeSettings

from ..pipelines.sample_run import sample_run

__all__ = ["sample_run"]

BASE = "http://127.0.0.1"
Serve = Callable[..., Any]


@contextmanager
def served(store: Path | str, **more: Any) -> Iterator[TestClient]:
    """A client of a server that is ready."""
    given = {"analysis": Settings(workers=1), "rate_per_s": 0, **more}
    with TestClient(create_app(ServeSettings.load(store=str(store), **given)), base_url=BASE) as client:
        wait_until(lambda: client.app.state.context.is_ready)
        yield client


def wait_until(happened: Callable[[], Any], *, within_s: float = 60) -> Any:
    """What comes of it, as soon as it is true."""
    give_up_at = time.monotonic() + within_s
    while not (found := happened()):
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.01)
    return found


@pytest.fixture
def store_file(sample_run: Path, tmp_path: Path) -> Path:
    """A store of one's own."""
    return Path(shutil.copy(sample_run / "postlens.db", tmp_path / "postlens.db"))


@pytest.fixture(scope="module")
def client(sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server for tests that change nothing."""
    store = shutil.copy(sample_run / "postlens.db", tmp_path_factory.mktemp("served") / "postlens.db")
    with served(store) as found:
        yield found


@pytest.fixture(scope="session")
def photo(sample_campaign: Path) -> bytes:
    """A smiling face."""
    return (sample_campaign / "media" / "sample.portraits" / "smile.jpg").read_bytes()


@pytest.fixture(scope="session")
def clip(sample_campaign: Path) -> bytes:
    """A video of two seconds."""
    return (sample_campaign / "media" / "sample.archive" / "commodore.mp4").read_bytes()


def left_in(folder: Path) -> list[Path]:
    """Uploads that lie in the server's folder."""
    return [path for path in folder.iterdir() if path.name != LOCK]


def code_of(answer: Any) -> str:
    """The code of a problem document, checked to be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["type"] == f"urn:postlens:problem:{said['code']}"
    assert said["title"]
    assert said["detail"]
    return str(said["code"])
