"""Reads, changes and looks at the store's health that do not hold each other up, and what ETags depend on."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from postlens.config import Settings
from postlens.serve import basis, kept
from postlens.serve.basis import basis_of
from postlens.serve.context import MOST_WAITING, READERS, WRITERS
from postlens.serve.settings import ServeSettings

from .conftest import code_of, wait_until


@pytest.fixture
def context(client):
    """The context of the shared server."""
    return client.app.state.context


@contextmanager
def crowd(client, do, *, n):
    """So many calls of the server's loop at once, and what lets them go."""
    gate = threading.Event()
    with ThreadPoolExecutor(n) as pool:
        asked = [pool.submit(client.portal.call, do, lambda: gate.wait(20)) for _ in range(n)]
        try:
            yield asked, gate
        finally:
            gate.set()


def test_changes_that_wait_hold_up_neither_reads_nor_health(client, context):
    with crowd(client, context.change, n=WRITERS + MOST_WAITING):
        wait_until(lambda: context._writers.statistics().tasks_waiting == MOST_WAITING)
        began = time.monotonic()
        assert client.get("/health").status_code == 200
        assert time.monotonic() - began < 1
        assert client.get("/creators").status_code == 200
        refused = client.post("/people/undo", json={})
        form = {"headers": {"Cookie": f"postlens_form={'a' * 32}"}, "data": {"number": 1, "csrf": "a" * 32}}
        page = client.post("/web/people/undo", **form)
    assert page.status_code == 503
    assert code_of(refused) == "busy"
    assert refused.headers["retry-after"]


def test_health_waits_for_no_reader(client, context):
    with crowd(client, context.run, n=READERS):
        began = time.monotonic()
        assert client.get("/health").status_code == 200
        assert time.monotonic() - began < 1


def test_a_store_that_does_not_answer_is_told_within_a_second(client, context, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(context, "revision", lambda: gate.wait(20))
    began = time.monotonic()
    assert code_of(client.get("/health")) == "store-failed"
    assert time.monotonic() - began < 1
    gate.set()


def test_readers_that_are_left_alone_count_until_they_end(client, context):
    running, most, lock = 0, 0, threading.Lock()

    def read():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(context.run(read), 0.01)

    for _ in range(2):
        with ThreadPoolExecutor(2 * READERS) as pool:
            list(pool.map(lambda _: client.portal.call(leave), range(2 * READERS)))
    wait_until(lambda: running == 0)
    assert 0 < most <= READERS


def test_while_a_job_runs_vectors_are_read_no_more_often_than_answers(client, context, monkeypatch):
    monkeypatch.setattr(kept, "REUSE", 1e9)
    monkeypatch.setattr(type(context.jobs), "is_running", property(lambda _self: True))
    revision = context.revision()
    monkeypatch.setattr(context, "revision", lambda: revision + 1)
    first, index = context.state(), client.portal.call(context.index)
    monkeypatch.setattr(context, "revision", lambda: revision + 2)
    assert context.state() is first
    assert client.portal.call(context.index) is index


@pytest.fixture
def table(tmp_path):
    """A file that stands for an emoji table."""
    path = tmp_path / "table.toml"
    path.write_text("version = 1\n")
    return path


def test_etags_change_with_all_that_answers_depend_on(table, monkeypatch):
    def now(**more) -> str:
        return basis_of(ServeSettings(store="x.db", **{"analysis": Settings(workers=1, emoji_table=table), **more}))

    first = now()
    assert now() == first
    assert now(analysis=Settings(workers=2, emoji_table=table)) == first
    assert now(page_size=7) != first
    assert now(analysis=Settings(workers=1, emoji_table=table, metric="saves")) != first
    monkeypatch.setattr(basis, "__version__", "next")
    assert now() != first
    monkeypatch.undo()
    table.write_bytes(table.read_bytes() + b"\n# another word\n")
    assert now() != first


def test_etags_change_with_the_files_of_a_model_that_was_trained(tmp_path):
    def now() -> str:
        return basis_of(ServeSettings(store="x.db", analysis=Settings(workers=1, niche_model=tmp_path)))

    first = now()
    (tmp_path / "niche.onnx").write_bytes(b"1")
    second = now()
    (tmp_path / "niche.onnx").write_bytes(b"2")
    assert len({first, second, now()}) == 3
