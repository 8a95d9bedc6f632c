"""Problem documents."""

from __future__ import annotations

import errno

import pytest

from postlens import errors
from postlens.errors import PostlensError, StoreError, StoreWriteError
from postlens.serve.errors import KINDS, Problem, problem_of
from postlens.serve.schemas import FailureOut
from postlens.types import Failure

from .conftest import code_of, left_in, served


def every_error() -> list[type[PostlensError]]:
    found, waiting = [], [PostlensError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("kind", every_error())
def test_every_error_is_a_problem(kind):
    error = kind("serve", needed_for="it") if kind is errors.MissingExtraError else kind("what was expected")
    problem = problem_of(error)
    assert KINDS[problem.kind.code] is problem.kind
    assert 400 <= problem.kind.status < 600
    assert problem.document()["detail"]


@pytest.mark.parametrize("kind", [StoreError, *StoreError.__subclasses__()])
def test_what_a_store_says_of_its_place_is_not_told(kind):
    assert "/srv" not in problem_of(kind("the store /srv/secret.db cannot be used")).detail


def test_places_are_told_by_the_names_that_clients_gave():
    error = errors.DecodeError("/srv/jobs/request-1/a.jpg: the content is damaged")
    assert problem_of(error, names={"/srv/jobs/request-1/a.jpg": "a.jpg"}).detail == "a.jpg: the content is damaged"
    failure = FailureOut.of(Failure("/srv/media/a.jpg", "decode", "DecodeError", "/srv/media/a.jpg: damaged"))
    assert (failure.subject, failure.message) == ("a.jpg", "a.jpg: damaged")


def test_half_a_character_is_told_as_a_question_mark():
    failure = FailureOut(subject="caf\udce9.jpg", stage="decode", error="E", message="x")
    assert failure.subject == "caf?.jpg"
    assert failure.model_dump_json()


@pytest.mark.parametrize(
    ("code", "header"), [("busy", "retry-after"), ("rate-limited", "retry-after"), ("key-missing", "www-authenticate")]
)
def test_some_problems_say_what_to_do_in_a_header(code, header):
    assert header in Problem(code, "so").response().headers


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", "not-found"), ("GET", "/people/nobody", "not-found"), ("GET", "/%00", "not-found"),
        ("PUT", "/creators", "method-not-allowed"), ("GET", "/predict", "method-not-allowed"),
        ("GET", "/jobs/none", "not-found"), ("GET", "/jobs/none/result", "not-found"),
        ("POST", "/people/undo", "invalid"), ("GET", "/creators/%F0%28", "not-found"),
    ],
)  # fmt: skip
def test_whatever_is_asked_wrongly_is_a_problem(client, method, path, code):
    assert code_of(client.request(method, path)) == code


def test_a_full_disk_and_a_full_store_are_told(store_file, photo, monkeypatch):
    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    def unwritable(*_args, **_more):
        raise StoreWriteError("the disk is full at /srv")

    with served(store_file) as client:
        context = client.app.state.context
        monkeypatch.setattr("postlens.serve.looking.mkdtemp", full)
        assert code_of(client.post("/predict", files={"file": photo})) == "store-full"
        monkeypatch.setattr(context.store, "write", unwritable)
        answer = client.post("/analyze?keep=true", files={"file": photo})
        assert code_of(answer) == "store-full"
        assert "/srv" not in answer.text
        assert left_in(context.folder) == []
        monkeypatch.undo()
