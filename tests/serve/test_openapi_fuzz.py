"""Whatever the OpenAPI document lets clients send, and what it does not, gets an answer that the document knows."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.python.asgi import HOST
from schemathesis.specs.openapi import checks as described
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from .conftest import served

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
PATHS = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]


def can_be_wrong(operation: dict[str, Any]) -> bool:
    """Whether it takes more than a path: any word fits there."""
    return "requestBody" in operation or any(one["in"] == "query" for one in operation.get("parameters", ()))


OPERATIONS = [
    pytest.param(path, method, mode, id=f"{method} {path} {mode.value}")
    for path, operations in PATHS.items()
    for method, operation in operations.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or can_be_wrong(operation)
]
EXAMPLES = 4  # of each operation and mode
CHECKS = [
    checks.not_a_server_error,
    described.status_code_conformance,
    described.content_type_conformance,
    described.response_schema_conformance,
]
NOT_BUILT = 501  # searching by words, which needs another encoder, as the document says


@pytest.fixture(scope="module")
def schema(sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    """The document of a running server on a store of its own."""
    store = shutil.copy(sample_run / "postlens.db", tmp_path_factory.mktemp("fuzzed") / "postlens.db")
    with served(store, hosts=(HOST,)) as client:

        async def running(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":  # schemathesis would start and stop the server for every test
                raise NotImplementedError
            await client.app(scope, receive, send)

        yield schemathesis.openapi.from_asgi("/openapi.json", running)


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_no_request_makes_the_server_fail(schema, path, method, mode):
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def every_answer_is_described(case: schemathesis.Case) -> None:
        answer = case.call()
        if answer.status_code == NOT_BUILT:
            assert answer.json()["code"] == "no-text-encoder"
        else:
            case.validate_response(answer, checks=CHECKS)

    every_answer_is_described()


# --- extremes, which a few drawn examples seldom are ----------------------------------------------------------------

EXTREMES = [
    "", "%00", "%F0%9F%92%A5", "%ED%A0%80", "%FF", "..%2F..%2Fetc", "a" * 4096, "-1", "0", str(2**31), str(2**63),
    "9" * 400, "1e309", "-1e309", "nan", "inf", "-0.0", "1.0000000000000002", "true", "*", "%25", "null", "[]",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00", "10000-01-01", "253402300800", "-62135596801",
]  # fmt: skip
READING = {path: operations["get"] for path, operations in PATHS.items() if "get" in operations}


@pytest.fixture(scope="module")
def reader(sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server that nothing changes."""
    store = shutil.copy(sample_run / "postlens.db", tmp_path_factory.mktemp("extreme") / "postlens.db")
    with served(store) as client:
        yield client


def filled(path: str, operation: dict[str, Any], name: str, value: str) -> str:
    """The address with one parameter of this value, and harmless ones where others are needed."""
    query = []
    for one in operation.get("parameters", ()):
        word = value if one["name"] == name else "x"
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", word)
        elif one["name"] == name or one.get("required"):
            query.append(f"{one['name']}={word}")
    return path + (f"?{'&'.join(query)}" if query else "")


@pytest.mark.parametrize("path", [path for path, operation in READING.items() if operation.get("parameters")])
def test_extremes_of_every_parameter_are_answered_as_described(reader, path):
    operation = READING[path]
    for parameter in operation["parameters"]:
        for value in EXTREMES:
            answer = reader.get(filled(path, operation, parameter["name"], value))
            assert answer.status_code < 500 or answer.status_code == NOT_BUILT, (parameter["name"], value[:40])
            assert str(answer.status_code) in operation["responses"] or value == "", (parameter["name"], value[:40])


@pytest.mark.parametrize(
    "cursor",
    [
        ["-n_posts", [0, float("inf")], "x"], ["-n_posts", [0, float("nan")], "x"], ["-n_posts", [0, 10**300], "x"],
        ["-n_posts", [0, 10**400], "x"], ["-n_posts", [True, 0], ""], ["-n_posts", [0, [10**30]], "x"],
        ["-n_posts", [0], "x"], [[], [[], []], []], {}, None, 1, "",
    ],
    ids=str,
)  # fmt: skip
def test_cursors_that_nobody_was_given_are_refused_or_lead_to_a_page(reader, cursor):
    text = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
    assert reader.get(f"/people?cursor={text}").status_code in (200, 400)
