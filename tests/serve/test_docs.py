"""What is written about the API is so."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from postlens.serve.errors import KINDS
from postlens.serve.routes.api import description

from .conftest import wait_until
from .running import running

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "serving.md"
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
LINES = [line for kind, block in BLOCKS for line in block.splitlines() if not kind and line.startswith("curl ")]
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in description()["paths"].items()
    for method, operation in operations.items()
]


@pytest.mark.parametrize("name", ["build_openapi", "build_serving"])
def test_the_generated_documents_are_up_to_date(name, monkeypatch):
    place = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    monkeypatch.setattr(sys, "argv", [name, "--check"])
    assert tool.main() == 0


def test_every_operation_has_a_line_of_curl():
    said = "\n".join(LINES)
    paths = [re.sub(r"\\\{\w+\\\}", r"[$@\\w.:-]+", re.escape(path)) for _, path, _ in OPERATIONS if path != "/search"]
    assert [path for path in paths if not re.search(rf"\$URL{path}(?:[?\s\"]|$)", said)] == []


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda one: one if isinstance(one, str) else ""
)
def test_every_operation_says_what_it_does_and_what_may_go_wrong(method, path, operation):
    assert operation["description"]
    statuses = {str(kind.status) for kind in KINDS.values()}
    problems = {status for status in operation["responses"] if status in statuses}
    assert problems
    for status in problems:
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
    assert ("security" in operation) == (path not in ("/health", "/health/live"))


def test_the_page_of_the_operations_needs_no_script(client):
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert all(f"{method} {path}" in answer.text for method, path, _ in OPERATIONS)


@pytest.fixture
def at_hand(store_file, sample_campaign, tmp_path, monkeypatch):
    """The address of a server, and the files that the lines name."""
    media = sample_campaign / "media"
    shutil.copy(media / "sample.portraits" / "smile.jpg", tmp_path / "photo.jpg")
    shutil.copy(media / "sample.archive" / "commodore.mp4", tmp_path / "clip.mp4")
    (tmp_path / "posts.csv").write_text("path,creator,likes\nphoto.jpg,ada,7\n")
    monkeypatch.chdir(tmp_path)
    with running(store_file) as url:
        yield url


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_of_curl_run(at_hand):
    with httpx.Client(base_url=at_hand) as api:
        names = names_of(api)
        for line in LINES:
            done = subprocess.run(["sh", "-c", line], env=names, capture_output=True, text=True, check=False)
            assert done.returncode == 0 or "-X DELETE" in line, f"{line}\n{done.stderr}"
            if "creator=ada" in line:
                names["JOB"] = api.get("/jobs").json()["items"][0]["job_id"]
                wait_until(lambda: api.get(f"/jobs/{names['JOB']}").json()["state"] == "done")


def names_of(api: httpx.Client) -> dict[str, str]:
    """What stands for the names with a $ in the lines."""
    post = api.get("/posts", params={"kind": "image", "limit": 1}).json()["items"][0]
    first, second, *_ = api.get("/people").json()["items"]
    track = api.get(f"/people/{first['person_id']}").json()["tracks"][0]
    found = {"POST": post["post_id"], "SHA256": post["media"][0]["sha256"], "TRACK": track["track_id"]}
    people = {"PERSON": first["person_id"], "OTHER": second["person_id"]}
    return {
        **found,
        **people,
        "URL": str(api.base_url).rstrip("/"),
        "WAITING": "none",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }


def test_the_lines_of_python_run(at_hand):
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    said = {"url": at_hand, "key": "none needed"}
    exec(compile(code.replace("time.sleep(1)", "time.sleep(0.05)"), str(PAGE), "exec"), said)
    assert said["found"]["posts"][0]["creator_id"] == "upload:ada"
