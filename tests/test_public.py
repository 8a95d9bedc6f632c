"""The public names, and that importing them costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import postlens
from postlens.version import __version__

DOCUMENTED = {"Lens", "PostAnalysis", "PostlensError", "Settings", "__version__"}
HEAVY = (
    "numpy",
    "onnxruntime",
    "torch",
    "sqlalchemy",
    "alembic",
    "polars",
    "PIL",
    "pillow_heif",
    "simplejpeg",
    "av",
    "faiss",
    "sklearn",
    "scipy",
    "jinja2",
    "pydantic",
    "typer",
    "rich",
    "xlsxwriter",
    "pdqhash",
    "urllib3",
)
WITHOUT = ("onnxruntime", "torch", "sqlalchemy", "alembic", "polars", "av", "faiss", "sklearn", "scipy", "jinja2")


def loaded_by(code: str) -> set[str]:
    """Names of the top modules that a fresh process has loaded after the code."""
    ask = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", ask], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_exactly_the_documented_ones():
    assert set(postlens.__all__) == set(dir(postlens)) == DOCUMENTED


@pytest.mark.parametrize("name", sorted(DOCUMENTED - {"__version__"}))
def test_every_public_name_can_be_fetched_and_is_documented(name):
    assert getattr(postlens, name).__name__ == name
    assert getattr(postlens, name).__doc__


def test_the_version_is_a_version():
    assert postlens.__version__ == __version__
    assert all(part.isdigit() for part in __version__.split(".")[:2])


def test_another_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'Lense'; it has .*Lens"):
        _ = postlens.Lense


def test_importing_loads_no_heavy_library():
    assert not loaded_by("import postlens").intersection(HEAVY)


def test_an_unused_public_name_stays_unloaded():
    assert not loaded_by("import postlens\npostlens.PostlensError").intersection(HEAVY)


@pytest.mark.parametrize("words", [["version"], ["--help"], ["analyze", "--help"], ["info", "--settings"]])
def test_the_command_line_starts_without_models_and_store(words):
    code = f"from postlens.cli.app import run\nrun({words})"
    assert not loaded_by(code).intersection(WITHOUT)


def test_importing_does_nothing_but_import(tmp_path):
    """No file, no output, no change of the environment, no thread."""
    code = (
        "import os, threading, logging\n"
        "before = (dict(os.environ), threading.active_count(), list(logging.getLogger().handlers))\n"
        "import postlens, postlens.types, postlens.config, postlens.cli\n"
        "assert before == (dict(os.environ), threading.active_count(), list(logging.getLogger().handlers))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])
