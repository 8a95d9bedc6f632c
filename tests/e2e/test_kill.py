"""Killing a run at any moment loses nothing: the next runs end in the store of an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postlens.store import Store
from postlens.store.dump import dump

N_KILLS = 20
LATEST_KILL_S = 3.0  # a run takes about 2 s to load its models, then looks at a few files a second


@pytest.fixture(scope="module")
def campaign(sample_campaign, tmp_path_factory) -> Path:
    """Half of the sample campaign: enough media that the first kills come before the end."""
    root = tmp_path_factory.mktemp("campaign")
    for creator in ("sample.portraits", "sample.archive", "sample.interior"):
        shutil.copytree(sample_campaign / "media" / creator, root / creator)
    return root


def command(campaign: Path, out: Path) -> list[str]:
    options = ["--set", "workers=1", "--set", "commit_every=1"]
    return [sys.executable, "-m", "postlens", "analyze", str(campaign), "--out", str(out), *options]


def contents(out: Path) -> dict[str, list[object]]:
    with Store.open(out / "postlens.db", read_only=True) as store, store.read() as conn:
        return dump(conn)


def run_and_kill(words: list[str], after_s: float) -> bool:
    """Whether the run was still going on when it was killed."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    going_on = process.poll() is None
    process.kill()
    process.wait()
    return going_on


def test_killed_runs_end_in_the_store_of_an_undisturbed_run(campaign, tmp_path):
    chance = random.Random(7)
    words = command(campaign, tmp_path / "killed")
    in_time = [run_and_kill(words, chance.uniform(0.3, LATEST_KILL_S)) for _ in range(N_KILLS)]
    assert sum(in_time) >= 4  # after the first few there is little left to do, and a run may end before it is killed
    subprocess.run(words, check=True, capture_output=True)
    subprocess.run(command(campaign, tmp_path / "quiet"), check=True, capture_output=True)
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
