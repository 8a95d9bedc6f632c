"""The bundled sample campaign analyzed once for all tests that only look at the result."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from postlens.cli.app import run


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of `postlens demo`, shared by the processes of one test run; copy it before changing it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    out = shared / "sample-run"
    with (shared / "sample-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "report.html").is_file():
            assert run(["demo", "--out", str(out)]) == 0
    return out


def copy_of(out: Path, folder: Path) -> Path:
    """The outputs and the store in another folder."""
    return Path(shutil.copytree(out, folder / "copy"))
