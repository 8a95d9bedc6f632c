"""Long work over HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from postlens.errors import SettingsError, StoreWriteError
from postlens.pipelines import uploads
from postlens.pipelines.run import Runner
from postlens.serve.routes import analyze
from postlens.serve.server import run
from postlens.serve.settings import ServeSettings
from postlens.store import Store
from postlens.store.jobs import Job, read_job, read_jobs, write_job
from postlens.types import Failure

from .conftest import code_of, left_in, served, wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def empty(tmp_path):
    """Where a store will be."""
    return tmp_path / "new.db"


def finished(client, job_id: str) -> dict:
    return wait_until(
        lambda: (one := client.get(f"/jobs/{job_id}").json())["state"] not in ("queued", "running") and one
    )


def start(client, *files, query: str = "?keep=true") -> str:
    answer = client.post(f"/analyze{query}", files=[("file", one) for one in files])
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['job_id']}"
    return answer.json()["job_id"]


def test_one_image_is_answered_at_once_and_forgotten(empty, photo):
    with served(empty) as client:
        answer = client.post("/analyze", files={"file": ("me.jpg", photo)})
        post = answer.json()
        assert answer.status_code == 200
        assert post["media"][0]["name"] == "me.jpg"
        assert post["media"][0]["faces"][0]["expression"]
        assert all(post[name] for name in ("niche", "recommendation", "reaction"))
        assert client.get("/posts").json()["total"] == 0
        assert left_in(client.app.state.context.folder) == []


def test_videos_and_several_files_are_a_job_whose_posts_stay(empty, photo, clip):
    with served(empty) as client:
        job_id = start(client, ("a.jpg", photo), ("b.mp4", clip), ("c.txt", b"a text"), query="?creator=ada")
        job = finished(client, job_id)
        assert (job["state"], job["n_done"], job["n_total"]) == ("done", 2, 2)
        found = client.get(f"/jobs/{job_id}/result").json()
        assert {media["name"] for post in found["posts"] for media in post["media"]} == {"a.jpg", "b.mp4"}
        assert {post["creator_id"] for post in found["posts"]} == {"upload:ada"}
        assert [(one["subject"], one["error"]) for one in found["failures"]] == [("c.txt", "UnsupportedMediaError")]
        assert str(empty) not in client.get(f"/jobs/{job_id}/result").text
        assert left_in(client.app.state.context.folder) == []
        again = start(client, ("a.jpg", photo), query="?creator=ada&keep=true")
        finished(client, again)
        assert client.get("/posts").json()["total"] == 2


def test_a_table_comes_with_its_files_and_reaches_no_others(empty, photo, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(photo[:-2] + b"\x00\xd9")
    table = (
        f"path,creator,likes\nmedia/a.jpg,ada,7\n{secret},eve,1\n../../secret.jpg,eve,2\nhttp://127.0.0.1/x.jpg,eve,3\n"
    )
    with served(empty) as client:
        job_id = start(client, ("posts.csv", table.encode()), ("media/a.jpg", photo))
        assert finished(client, job_id)["state"] == "done"
        found = client.get(f"/jobs/{job_id}/result").json()
        read = [(post["creator_id"], post["figures"]) for post in found["posts"] if post["media"]]
        assert read == [("upload:ada", {"likes": 7.0})]
        errors = {one["error"] for one in found["failures"]}
        assert errors == {"MediaNotFoundError", "RowError", "DownloadNotAllowedError"}
        assert str(empty) not in repr(found)


@pytest.mark.parametrize(("data", "code"), [(b"", "media-damaged"), (b"a text", "unsupported-media")])
def test_one_file_that_is_no_media_is_refused_at_once(empty, data, code):
    with served(empty) as client:
        assert code_of(client.post("/analyze", files={"file": ("a.mp4", data)})) == code
        assert code_of(client.post("/analyze", data={"x": "y"})) == "invalid"
        assert client.get("/jobs").json()["total"] == 0


def test_a_video_that_is_too_long_is_refused(empty, clip):
    with served(empty, max_video_s=0.5) as client:
        assert code_of(client.post("/analyze", files={"file": ("a.mp4", clip)})) == "too-large"


@pytest.fixture
def held(monkeypatch):
    """Lets jobs begin and then wait; set it to let them go on."""
    go_on, look = threading.Event(), Runner._run_batch

    def wait(self, items, stored):
        go_on.wait(20)
        return look(self, items, stored)

    monkeypatch.setattr(Runner, "_run_batch", wait)
    yield go_on
    go_on.set()


def test_jobs_are_cancelled_while_they_wait_and_while_they_run(empty, photo, held):
    with served(empty) as client:
        running, waiting = (start(client, ("a.jpg", photo)) for _ in range(2))
        wait_until(lambda: client.get(f"/jobs/{running}").json()["state"] == "running")
        assert code_of(client.get(f"/jobs/{running}/result")) == "conflict"
        assert client.delete(f"/jobs/{waiting}").json()["state"] == "cancelled"
        client.delete(f"/jobs/{running}")
        held.set()
        assert finished(client, running)["state"] == "cancelled"
        assert code_of(client.delete(f"/jobs/{running}")) == "conflict"
        assert code_of(client.delete("/jobs/none")) == "not-found"
        assert [one["state"] for one in client.get("/jobs?state=cancelled").json()["items"]] == ["cancelled"] * 2
        wait_until(lambda: left_in(client.app.state.context.folder) == [])


def test_too_many_jobs_are_told_to_come_later(empty, photo, held):
    with served(empty, max_jobs=1) as client:
        start(client, ("a.jpg", photo))
        answer = client.post("/analyze?keep=true", files={"file": ("a.jpg", photo)})
        assert code_of(answer) == "busy"
        assert answer.headers["retry-after"] == "30"
        held.set()


def test_a_server_goes_on_with_the_jobs_of_the_one_before(empty, photo, held):
    with served(empty) as client:
        running, waiting = start(client, ("a.jpg", photo)), start(client, ("b.jpg", photo))
        wait_until(lambda: client.get(f"/jobs/{running}").json()["state"] == "running")
        threading.Timer(0.2, held.set).start()
    with Store.open(empty) as store, store.read() as conn:
        assert [(one.state, one.attempts) for one in read_jobs(conn)] == [("queued", 0)] * 2
    with served(empty) as client:
        assert [finished(client, one)["state"] for one in (running, waiting)] == ["done", "done"]
        assert client.get(f"/jobs/{running}/result").json()["posts"]


def test_a_job_whose_uploads_are_gone_ends_with_what_is_missing(empty):
    plan = {"media": ["a.jpg"], "tables": [], "urls": [], "creator": None, "platform": "upload", "mapping": {}}
    with Store.open(empty) as store, store.write() as conn:
        write_job(conn, Job("lost", "analyze", "running", NOW, request=plan))
    with served(empty) as client:
        job = finished(client, "lost")
        assert job["state"] == "failed"
        assert job["problem"]["code"] == "media-damaged"
        assert str(empty) not in repr(job)


def test_what_a_killed_server_left_of_uploads_is_deleted(empty):
    stray = empty.with_name("new.db-jobs") / "request-x"
    stray.mkdir(parents=True)
    (stray / "a.jpg").write_bytes(b"1")
    with served(empty):
        assert not stray.exists()


def test_a_finished_job_names_nobody(empty, photo):
    with served(empty) as client:
        job_id = start(client, ("a.jpg", photo), query="?creator=zoe&keep=true")
        finished(client, job_id)
        with client.app.state.context.store.read() as conn:
            job = read_job(conn, job_id)
        assert job.request is None
        assert "zoe" not in repr(job)


PLAN = {"media": [], "tables": ["t.csv"], "urls": [], "creator": None, "platform": "upload", "mapping": {}}


@pytest.mark.parametrize(("n_killed", "state"), [(2, "done"), (3, "failed")])
def test_a_job_that_kills_its_server_is_given_up(empty, n_killed, state):
    with Store.open(empty) as store, store.write() as conn:
        write_job(conn, Job("deadly", "analyze", "running", NOW, request=PLAN, attempts=n_killed))
    with served(empty) as client:
        job = finished(client, "deadly")
        assert job["state"] == state
        assert ("ended 3 times" in repr(job["problem"])) == (n_killed == 3)


def test_a_table_beyond_the_limits_is_refused(empty, photo):
    table = ("posts.csv", b"path\n" + b"a.jpg\n" * 20)
    with served(empty, max_table_rows=10) as client:
        for files in ([table], [table, ("a.jpg", photo)]):
            assert code_of(client.post("/analyze", files=[("file", one) for one in files])) == "too-large"
        assert left_in(client.app.state.context.folder) == []


@pytest.fixture
def endless(monkeypatch):
    """Tables have rows without end."""

    def rows(*_args, **_more):
        while True:
            time.sleep(0.001)
            yield Failure("row", "source", "RowError", "damaged")

    monkeypatch.setattr(uploads, "open_source", rows)


def test_a_job_ends_at_any_row_of_a_table(empty, endless):
    with served(empty) as client:
        one, other = (start(client, ("t.csv", b"path\na.jpg\n"), query="") for _ in range(2))
        wait_until(lambda: client.get(f"/jobs/{one}").json()["state"] == "running")
        client.delete(f"/jobs/{one}")
        assert finished(client, one)["state"] == "cancelled"
        wait_until(lambda: client.get(f"/jobs/{other}").json()["state"] == "running")
        began = time.monotonic()
    assert time.monotonic() - began < 10


def test_a_second_server_of_a_store_is_refused_and_takes_nothing(empty):
    with served(empty) as client:
        _, folder = client.app.state.context.jobs.new_folder()
        with pytest.raises(SettingsError, match="one server for the store"):
            run(ServeSettings.load(store=str(empty), port=0))
        with pytest.raises(SettingsError, match="one server for the store"), served(empty):
            pass
        assert folder.is_dir()
    with served(empty):
        assert not folder.exists()


def test_uploads_of_a_job_stay_where_its_cancelling_fails(empty, photo, held, monkeypatch):
    with served(empty) as client:
        running, waiting = (start(client, ("a.jpg", photo)) for _ in range(2))
        wait_until(lambda: client.get(f"/jobs/{running}").json()["state"] == "running")
        store = client.app.state.context.store
        write = store.write

        @contextmanager
        def fails():
            with write() as conn:
                yield conn
                raise StoreWriteError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "write", fails)
            assert code_of(client.delete(f"/jobs/{waiting}")) == "store-full"
        assert client.get(f"/jobs/{waiting}").json()["state"] == "queued"
        assert (client.app.state.context.folder / waiting / "a.jpg").exists()
        held.set()
        assert finished(client, waiting)["state"] == "done"


def test_a_file_is_checked_once_and_beside_the_event_loop(empty, photo, monkeypatch):
    on_loop, check = [], analyze.check_upload

    def checked(*args, **more):
        try:
            on_loop.append(asyncio.get_running_loop())
        except RuntimeError:
            on_loop.append(None)
        return check(*args, **more)

    monkeypatch.setattr(analyze, "check_upload", checked)
    with served(empty) as client:
        assert client.post("/analyze", files={"file": ("a.jpg", photo)}).status_code == 200
    assert on_loop == [None]


@pytest.mark.parametrize("names", [("a/b.jpg", "a"), ("a", "a/b.jpg")])
def test_files_that_cannot_lie_side_by_side_are_refused(empty, photo, names):
    with served(empty) as client:
        answer = client.post("/analyze", files=[("file", (name, photo)) for name in names])
        assert code_of(answer) == "invalid"


def test_urls_are_counted_before_any_is_fetched(empty, monkeypatch):
    fetched = []
    monkeypatch.setattr("postlens.serve.looking.fetch", lambda url, *_, **__: fetched.append(url))
    with served(empty, allow_urls=True) as client:
        urls = [f"https://example.com/{i}.jpg" for i in range(2)]
        assert code_of(client.post("/predict", data={"url": urls})) == "invalid"
    assert fetched == []
