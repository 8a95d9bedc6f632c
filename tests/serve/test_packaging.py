"""The image, the compose file and the systemd unit: what they say, and the start that they describe."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from .conftest import left_in, wait_until
from .container import USER, Container, expect_allowed, started
from .image import ROOT, is_sent, stages

GRACE_S = 30  # of compose.yaml and the unit
UNIT = ROOT / "deploy" / "postlens.service"
WORST_EXPOSURE = 2.0  # of `systemd-analyze security`, 0 to 10; a web service with nothing set has 9.6

# --- the image --------------------------------------------------------------------------------------------------------


def test_every_base_is_pinned_to_a_version():
    assert all(re.fullmatch(r"python:3\.\d+(\.\d+)?(-slim)?-bookworm", stage.base) for stage in stages())


def test_the_image_that_runs_has_no_compiler_and_the_python_that_it_was_built_with():
    build, run = (stage.base for stage in stages())
    assert run == build.replace("-bookworm", "-slim-bookworm")
    (version,) = re.findall(r":([\d.]+)", run)
    assert f"Python :: {version}" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")  # which it is tested with


def test_every_file_that_the_build_copies_exists_and_is_sent():
    copied = [source for stage in stages() for source in stage.copied]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists() or not is_sent(source)] == []


@pytest.mark.parametrize(
    "path", [".git/config", "tests/conftest.py", "shared/data", ".venv/bin/python", "src/postlens/__pycache__/a.pyc"]
)
def test_nothing_else_is_sent_to_the_build(path):
    assert not is_sent(path)


def test_pip_keeps_no_cache_and_installs_only_what_hashes_name():
    for stage in stages():
        installs = [one for rest in stage.of("RUN") for one in rest.split("&&") if "pip install" in one]
        assert all("--require-hashes" in one or "--no-deps /wheel/" in one for one in installs)
        assert not installs or stage.env["PIP_NO_CACHE_DIR"] == "1"


def test_the_image_runs_as_a_user_that_is_not_root():
    assert stages()[-1].of("USER") == [f"{USER}:{USER}"]


@pytest.mark.parametrize("word", ["ENTRYPOINT", "CMD"])
def test_commands_are_lists_so_that_signals_arrive(word):
    assert isinstance(json.loads(stages()[-1].of(word)[0]), list)


def test_the_image_says_how_it_stops_what_it_keeps_and_where_it_listens():
    last = stages()[-1]
    assert last.of("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(last.of("VOLUME")[0]) == ["/data", "/models"]
    assert last.of("EXPOSE") == [last.env["POSTLENS_SERVE_PORT"]]


def test_hadolint_has_nothing_to_say():
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_all_requirements_of_the_image_have_the_same_pins():
    pins: dict[tuple[str, str], set[str]] = {}
    for name in ("core", "serve", "postgres"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        for package, version, marker in re.findall(r"^([\w.\[\],-]+)==([^\s;]+)( ;[^\\]*)?", text, re.MULTILINE):
            pins.setdefault((package.partition("[")[0], marker.strip()), set()).add(version)
    assert {key: versions for key, versions in pins.items() if len(versions) > 1} == {}


def test_the_image_installs_the_extras_that_the_server_needs():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra in ("serve", "postgres"):
        pinned = (ROOT / "requirements" / f"{extra}.txt").read_text(encoding="utf-8")
        needs = [re.split(r"[>\[]", need)[0] for need in extras[extra]]
        assert [need for need in needs if not re.search(rf"^{need}[=\[]", pinned, re.MULTILINE)] == []


# --- the start that the image describes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The image's own start with its environment, user and read-only root; on a free port."""
    folder, image = tmp_path_factory.mktemp("container"), stages()[-1]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    env = {**image.env, "POSTLENS_SERVE_PORT": port, "POSTLENS_WORKERS": "1", "OMP_NUM_THREADS": "1"}
    expect_allowed(folder, env)
    with started(image.start_command, env=env, folder=folder) as container:

        def is_healthy() -> bool:
            time.sleep(0.3)  # less often than `wait_until` asks: each time a Python starts
            assert container.process.poll() is None, (folder / "stderr").read_text()
            return container.execute(image.health_command).returncode == 0

        wait_until(is_healthy, within_s=60)
        yield container


@pytest.mark.parametrize("path", ["/opt/new", "/usr/new", "/opt/postlens/new", "/models/new"])
def test_the_root_of_the_started_image_is_read_only(running, path):
    done = running.execute(["touch", path])
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_the_started_image_runs_without_any_right(running):
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    assert f"Uid:\t{USER}\t{USER}" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_the_started_image_answers_who_has_a_key_and_stops_when_told(running, photo):
    base = f"http://127.0.0.1:{running.env['POSTLENS_SERVE_PORT']}"
    made = running.execute(["postlens", "serve", "keys", "add", "tests"])
    assert made.returncode == 0, made.stderr
    files = {"file": ("smile.jpg", photo, "image/jpeg")}
    with httpx.Client(base_url=base, timeout=30) as client:
        assert client.post("/predict", files=files).status_code == 401
        answer = client.post("/predict", files=files, headers={"Authorization": f"Bearer {made.stdout.strip()}"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["emotions"]
    assert running.execute(["find", "/tmp", "-xdev", "-type", "f"]).stdout == ""
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=GRACE_S) in {0, -signal.SIGTERM}
    assert {path.name.partition("-")[0] for path in running.data.iterdir()} == {"postlens.db", "jobs"}
    assert left_in(running.data / "jobs") == []


# --- compose ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found["services"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("read_only", True),
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
        ("depends_on", {"database": {"condition": "service_healthy"}}),
        ("init", True),
        ("stop_grace_period", f"{GRACE_S}s"),
    ],
)
def test_the_server_of_the_compose_file_is_shut_in(compose, name, value):
    assert compose["server"][name] == value


def test_only_the_server_is_published_and_to_this_machine_alone(compose):
    assert compose["server"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in compose["database"]


def test_the_database_tells_when_it_is_healthy_and_keeps_its_rows(compose):
    assert compose["database"]["healthcheck"]["test"][0] == "CMD"
    assert compose["database"]["volumes"] == ["database:/var/lib/postgresql/data"]


def test_every_image_of_the_compose_file_is_pinned(compose):
    assert all(re.search(r":[\w.-]+$", one["image"]) and "latest" not in one["image"] for one in compose.values())


def test_the_password_of_the_database_must_be_given(compose):
    secrets = [compose["database"]["environment"]["POSTGRES_PASSWORD"]]
    secrets.append(compose["server"]["environment"]["POSTLENS_SERVE_STORE"])
    assert all("${POSTLENS_DB_PASSWORD:?" in secret for secret in secrets)


# --- systemd ----------------------------------------------------------------------------------------------------------


def unit() -> dict[str, list[str]]:
    """Each name of the unit's lines with all values it is given."""
    lines = [line.partition("=") for line in UNIT.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name: [value for other, _, value in lines if other == name] for name, _, _ in lines}


def test_the_unit_starts_the_verb_on_loopback():
    found = unit()
    assert found["ExecStart"] == ["/opt/postlens/bin/postlens serve"]
    assert "POSTLENS_SERVE_HOST=127.0.0.1" in found["Environment"]
    assert found["TimeoutStopSec"] == [str(GRACE_S)]


def test_the_unit_can_be_verified(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text(encoding="utf-8").replace("/opt/postlens/bin/postlens", "/bin/true")  # must exist
    copied = tmp_path / UNIT.name
    copied.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(copied)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_leaves_the_service_little_to_break():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"exposure level for \S+: ([\d.]+)", told)
    if found is None:
        pytest.skip("this systemd-analyze rates no units offline")
    assert float(found.group(1)) <= WORST_EXPOSURE
