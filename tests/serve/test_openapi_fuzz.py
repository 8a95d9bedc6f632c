"""Whatever the OpenAPI document lets clients send, and what it does not, gets an answer that the document knows."""

from __future__ import annotations

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
