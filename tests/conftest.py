"""Shared fixtures: the evaluation data where it is at hand, and the bundled sample campaign."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of evaluation data, or a skip that says how to provide it."""
    path = Path(os.environ.get("POSTLENS_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"evaluation data not found at {path}; set POSTLENS_DATA to its folder")
    return path


@pytest.fixture(scope="session")
def sample_campaign() -> Path:
    """The bundled sample campaign's folder."""
    import postlens

    return Path(postlens.__file__).parent / "sample_campaign"
