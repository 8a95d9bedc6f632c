"""An empty store for each test, and the bundled sample campaign analyzed once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postlens.store import Store

from .sample_run import sample_run

__all__ = ["sample_run"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "postlens.db") as opened:
        yield opened
