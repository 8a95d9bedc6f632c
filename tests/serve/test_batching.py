"""Images of several clients on the same models."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from postlens.config import Settings
from postlens.errors import ModelError
from postlens.media.hashing import sha256_file
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.run import Runner
from postlens.pipelines.stages import EncodeStage
from postlens.serve.app import create_app
from postlens.serve.batching import Look, Workers
from postlens.serve.errors import Problem
from postlens.serve.settings import ServeSettings

from .conftest import BASE, code_of, wait_until

STAGES = frozenset({"measure"})


@contextmanager
def workers(*, n: int = 1, queue_size: int = 8, batch_size: int = 4, start: bool = True):
    sizes: list[int] = []
    found = Workers(Settings(workers=n), queue_size=queue_size, batch_size=batch_size, observe=sizes.append)
    if start:
        found.start()
    try:
        yield found, sizes
    finally:
        found.close()


@pytest.fixture
def item(tmp_path, photo):
    path = tmp_path / "a.jpg"
    path.write_bytes(photo)
    return WorkItem(sha256_file(path), str(path), "image", STAGES)


def measured(item: WorkItem) -> Look:
    return Look(item, lambda outcome, answerer: outcome.features.measures)


def test_images_that_wait_are_looked_at_together(item):
    with workers(start=False) as (found, sizes):
        futures = [found.submit(measured(item)) for _ in range(6)]
        found.start()
        assert len({tuple(future.result(30).items()) for future in futures}) == 1
        assert sizes == [4, 2]


def test_a_full_queue_is_told(item):
    with workers(queue_size=2, start=False) as (found, _):
        for _ in range(2):
            found.submit(measured(item))
        with pytest.raises(Problem) as told:
            found.submit(measured(item))
        assert told.value.kind.code == "busy"
        assert told.value.response().headers["retry-after"] == "1"


def test_a_request_that_ends_leaves_the_queue(item):
    async def ask(found: Workers) -> None:
        await asyncio.wait_for(asyncio.wrap_future(found.submit(measured(item))), 0.05)

    with workers(queue_size=1, start=False) as (found, sizes):
        with pytest.raises(TimeoutError):
            asyncio.run(ask(found))
        assert found.n_waiting == 0
        kept = found.submit(measured(item))
        found.start()
        assert kept.result(30)
        assert sizes == [1]


def test_an_answer_that_breaks_is_raised_to_its_own_client_alone(item):
    def breaks(outcome, answerer):
        raise ValueError("mine")

    with workers(start=False) as (found, _):
        mine, other = found.submit(Look(item, breaks)), found.submit(measured(item))
        found.start()
        with pytest.raises(ValueError, match="mine"):
            mine.result(30)
        assert other.result(30)


def test_a_batch_that_breaks_is_told_to_all_of_it_and_the_thread_goes_on(item, monkeypatch):
    with workers(start=False) as (found, _):
        broken = [found.submit(measured(item)) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(Runner, "_run_batch", lambda *_: 1 / 0)
            found.start()
            assert [type(future.exception(30)) for future in broken] == [ZeroDivisionError] * 2
        assert found.submit(measured(item)).result(30)
        assert found.is_ready


def test_workers_that_have_ended_are_not_ready(item):
    with workers() as (found, _):
        wait_until(lambda: found.is_ready)
    assert not found.is_ready


def test_jobs_leave_a_worker_to_images(item):
    import threading

    go_on = threading.Event()
    with workers(n=2) as (found, _):
        wait_until(lambda: found.is_ready)
        slow = [found.jobs.submit(go_on.wait, 30) for _ in range(3)]
        wait_until(lambda: found.n_tasks == 1)
        assert found.submit(measured(item)).result(30)
        assert found.n_tasks == 1
        go_on.set()
        assert all(future.result(30) for future in slow)


def test_what_waits_at_the_end_is_cancelled(item):
    with workers(start=False) as (found, _):
        future = found.submit(measured(item))
        task = found.jobs.submit(print)
    assert future.cancelled()
    assert task.cancelled()
    with pytest.raises(Problem):
        found.submit(measured(item))


def test_models_that_cannot_be_loaded_are_told(monkeypatch, caplog):
    def breaks(self):
        raise ModelError("weights are damaged")

    monkeypatch.setattr(EncodeStage, "setup", breaks)
    with workers() as (found, _):
        assert isinstance(wait_until(lambda: found.error), ModelError)
        assert not found.is_ready
    assert "ModelError" in repr([record.fields for record in caplog.records])


def test_a_server_whose_models_cannot_be_loaded_is_not_ready(store_file, monkeypatch):
    monkeypatch.setattr(Workers, "is_ready", False)
    settings = ServeSettings.load(store=str(store_file), analysis=Settings(workers=1))
    with TestClient(create_app(settings), base_url=BASE) as client:
        assert code_of(client.get("/health")) == "not-ready"
        assert code_of(client.post("/predict", files={"file": b"x"})) == "not-ready"
        assert client.get("/health/live").status_code == 200
