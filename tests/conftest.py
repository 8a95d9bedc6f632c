"""Shared fixtures: the evaluation data where it is at hand, and the bundled sample campaign."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from postlens.store import engine, migrate
from postlens.vision import zoo

from .shortcuts import SharedSessions, SharedStatements, replayed

# Files that take long come first, so that the processes of a run end together: `--dist loadfile` takes files in order.
FIRST = ("e2e", "train", "cli", "pipelines", "arch", "docs")
ROOT = Path(__file__).resolve().parents[1]
UPGRADE = migrate.upgrade  # before it is replaced


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the folders of tests by how long their files take; within one, as they were found."""

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=place)


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


@pytest.fixture(scope="session", autouse=True)
def _quick_set_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No migrating of each new store, compiling of SQL for each, nor loading of shipped models for each run."""
    statements = {"compiled_cache": SharedStatements()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "upgrade", replayed(migrate.upgrade, tmp_path_factory.mktemp("migrated")))
        patch.setattr(zoo, "_own", SharedSessions())
        patch.setattr(engine, "create_engine", partial(create_engine, execution_options=statements))
        yield


@pytest.fixture
def real_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores are migrated and each thread loads its own models, as outside the tests."""
    monkeypatch.setattr(migrate, "upgrade", UPGRADE)
    monkeypatch.setattr(zoo, "_own", threading.local())
