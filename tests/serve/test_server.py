"""The server on real sockets: slow clients, large heads, and its end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from postlens.errors import SettingsError
from postlens.serve.server import run
from postlens.serve.settings import ServeSettings

from .conftest import served, wait_until
from .running import running


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    store = tmp_path_factory.mktemp("server") / "new.db"
    with running(
        store, header_timeout_s=0.3, idle_timeout_s=0.3, keep_alive_s=1, max_connections_per_address=8
    ) as found:
        yield found


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=5)


def rest_of(peer: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    found = b""
    try:
        while piece := peer.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    "begun", [b"", b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-a: b\r\n"]
)
def test_a_head_that_does_not_end_is_cut_off(url, begun):
    with connect(url) as peer:
        began = time.monotonic()
        peer.sendall(begun)
        assert rest_of(peer) == b""
        assert time.monotonic() - began < 3


def test_one_address_has_so_many_connections_and_no_more(url):
    taken = [connect(url) for _ in range(8)]
    with connect(url) as peer:
        assert rest_of(peer).startswith(b"HTTP/1.1 503 ")
    for one in taken:
        one.close()
    wait_until(lambda: httpx.get(f"{url}/health/live", headers={"Connection": "close"}).status_code == 200)


def test_a_head_that_drips_is_cut_off(url):
    with connect(url) as peer:
        began = time.monotonic()
        try:
            for sign in b"GET /health HTTP/1.1\r\nHost: localhost\r\n" * 3:
                peer.sendall(bytes([sign]))
                time.sleep(0.02)
        except OSError:
            pass
        assert time.monotonic() - began < 2


def test_a_second_request_on_a_connection_has_its_own_time(url):
    head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(url) as peer:
        for _ in range(3):
            peer.sendall(head)
            found = b""
            while not found.endswith(b"}"):
                found += peer.recv(65536)
            assert found.startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.4)


def test_a_body_that_stops_coming_is_answered_and_ended(url):
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    with connect(url) as peer:
        peer.sendall(head)
        assert b"408" in rest_of(peer).splitlines()[0]


def test_two_gigabytes_are_refused_before_they_come(url):
    head = (
        b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\nExpect: 100-continue\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with connect(url) as peer:
        peer.sendall(head)
        assert b"413" in peer.recv(65536).splitlines()[0]


@pytest.mark.parametrize(
    "head", [b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
)
def test_a_head_that_is_none_is_refused(url, head):
    with connect(url) as peer:
        peer.sendall(head)
        assert rest_of(peer)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")


def test_the_server_does_not_say_what_it_runs_on(url):
    assert "server" not in httpx.get(f"{url}/health").headers


def test_a_job_outlives_a_server_that_is_killed(tmp_path, clip):
    store = tmp_path / "new.db"
    with server_process(store, tmp_path) as (process, url):
        assert not url.endswith(":0")
        job_id = httpx.post(f"{url}/analyze", files={"file": ("a.mp4", clip)}, timeout=30).json()["job_id"]
        process.kill()
    with served(store) as client:
        wait_until(lambda: client.get(f"/jobs/{job_id}").json()["state"] == "done", within_s=60)
        assert client.get(f"/jobs/{job_id}/result").json()["posts"]


@contextmanager
def server_process(store: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server in a process of its own, as the verb runs it, killed at the end."""
    words = ["serve", "--store", str(store), "--port", "0", "--set", "workers=1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "postlens", *words]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(words, cwd=folder, env=environment, stderr=out)
    try:
        wait_until(lambda: process.poll() is not None or "http://" in log.read_text(), within_s=60)
        assert process.poll() is None, log.read_text()
        url = log.read_text().split()[0]
        wait_until(lambda: process.poll() is not None or answers(f"{url}/health"), within_s=60)
        yield process, url
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_taken_is_told_before_anything_is_opened(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="another --port"):
        run(ServeSettings.load(store=str(tmp_path / "new.db"), port=taken.getsockname()[1]))
    assert list(tmp_path.iterdir()) == []


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
