"""Killing a run at any moment loses nothing: the next runs end in the store of an undisturbed one."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from postlens.cli.app import run
from postlens.store import Store
from postlens.store.dump import dump

N_KILLS = 20
LATEST_KILL_S = 1.0  # a run takes some 0.2 s to load its models, then looks at a few files a second
# What a run imports, which takes longer than all else it does here: imported once, in the process that starts the runs.
IMPORTS = ["postlens.cli.app", "postlens.pipelines.analyze", "onnxruntime", "alembic.command", "xlsxwriter", "jinja2"]


@pytest.fixture(scope="module")
def campaign(sample_campaign, tmp_path_factory) -> Path:
    """Half of the sample campaign: enough media that the first kills come before the end."""
    root = tmp_path_factory.mktemp("campaign")
    for creator in ("sample.portraits", "sample.archive", "sample.interior"):
        shutil.copytree(sample_campaign / "media" / creator, root / creator)
    return root


@pytest.fixture(scope="module")
def runs() -> ForkServerContext:
    """Starts processes that have all imports behind them, so that a kill is more often one of the work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    return context


def analyze(campaign: Path, out: Path) -> list[str]:
    return ["analyze", str(campaign), "--out", str(out), "--set", "workers=1", "--set", "commit_every=1"]


def command(campaign: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "postlens", *analyze(campaign, out)]


def contents(out: Path) -> dict[str, list[object]]:
    with Store.open(out / "postlens.db", read_only=True) as store, store.read() as conn:
        return dump(conn)


def run_and_kill(runs: ForkServerContext, words: list[str], after_s: float) -> bool:
    """Whether the run was still going on when it was killed."""
    process = runs.Process(target=run, args=(words,))
    process.start()
    time.sleep(after_s)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_killed_runs_end_in_the_store_of_an_undisturbed_run(campaign, runs, tmp_path):
    chance = random.Random(7)
    words = analyze(campaign, tmp_path / "killed")
    in_time = [run_and_kill(runs, words, chance.uniform(0.05, LATEST_KILL_S)) for _ in range(N_KILLS)]
    assert sum(in_time) >= 4  # after the first few there is little left to do, and a run may end before it is killed
    subprocess.run(command(campaign, tmp_path / "killed"), check=True, capture_output=True)
    assert run(analyze(campaign, tmp_path / "quiet")) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "quiet")


def test_ctrl_c_exits_with_130_says_how_to_go_on_and_keeps_what_was_done(campaign, tmp_path):
    for path in [*campaign.rglob("*.jpg")]:  # enough media that it goes on for seconds after the first commit
        for number in range(4):
            path.with_name(f"{path.stem}-{number}.jpg").write_bytes(path.read_bytes() + bytes([number]))
    process = subprocess.Popen(command(campaign, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run.log"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (log.exists() and '"commit"' in log.read_text()):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert contents(tmp_path)["media"]
