"""The wheel: small enough, complete, and working away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from postlens.train.emotion_map import SHIPPED_MAPS
from postlens.train.reactions_recipe import list_reaction_recipes
from postlens.train.recipe import list_recipes
from postlens.train.two_networks_recipe import list_net_recipes

from ..conftest import ROOT

MAX_MIB = 60


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(words, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_is_under_its_size(wheel):
    assert wheel.stat().st_size < MAX_MIB * 2**20


def test_the_wheel_holds_the_recipes(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"postlens/train/recipes/{name}.toml" for name in list_recipes()} <= names
    assert {f"postlens/train/product_recipes/{name}.toml" for name in list_net_recipes()} <= names
    assert {f"postlens/train/reaction_recipes/{name}.toml" for name in list_reaction_recipes()} <= names
    assert {f"postlens/train/emotion_maps/{path.name}" for path in SHIPPED_MAPS.glob("*.toml")} <= names


def test_the_wheel_answers_away_from_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    photo = tmp_path / "site" / "postlens" / "sample_campaign" / "media" / "sample.travel" / "pagoda-lake.jpg"
    code = (
        "import json, sys, postlens\n"
        "with postlens.Lens() as lens:\n"
        "    print(json.dumps([postlens.__file__, lens.analyze(sys.argv[1]).niche.label]))\n"
    )
    words = [sys.executable, "-c", code, str(photo)]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert str(tmp_path / "site") in done.stdout
    assert "travel" in done.stdout
