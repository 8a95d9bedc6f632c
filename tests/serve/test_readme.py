"""The lines of curl in the README's section on serving run against a server on the sample campaign."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import running

README = Path(__file__).resolve().parents[2] / "README.md"
SECTION = README.read_text(encoding="utf-8").partition("\n## Serving\n")[2].partition("\n## ")[0]
LINES = [line for block in re.findall(r"```\w*\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
CURL = [line for line in LINES if line.startswith("curl ")]


@pytest.fixture(scope="module")
def url(
    sample_run: Path, sample_campaign: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that curl runs in."""
    folder = tmp_path_factory.mktemp("readme")
    store = Path(shutil.copy(sample_run / "postlens.db", folder / "postlens.db"))
    shutil.copy(sample_campaign / "media" / "sample.portraits" / "smile.jpg", folder / "photo.jpg")
    with running(store) as address:
        yield address, folder


def test_the_readme_shows_how_to_ask_over_http():
    assert len(CURL) >= 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("line", CURL)
def test_a_line_of_curl_in_the_readme_brings_an_answer(line, url):
    address, folder = url
    env = {"URL": address, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", line], env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
