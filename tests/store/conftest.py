"""A fresh store per test: always in SQLite, and in PostgreSQL where POSTLENS_TEST_POSTGRES_URL names a database."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from postlens.store import Store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store can be made: a file, or a schema of its own."""
    if request.param == "sqlite":
        yield str(tmp_path / "postlens.db")
        return
    server = os.environ.get("POSTLENS_TEST_POSTGRES_URL")
    if not server:
        pytest.skip("set POSTLENS_TEST_POSTGRES_URL to a database that tests may write to")
    with postgres_schema(server) as url:
        yield url


@contextmanager
def postgres_schema(server: str) -> Iterator[str]:
    """URL of a new schema in a database; it is dropped afterwards."""
    name = f"postlens_{uuid.uuid4().hex}"
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"))
    with engine.begin() as conn:
        conn.execute(text(f"CREATE SCHEMA {name}"))
    url = make_url(server).update_query_dict({"options": f"-c search_path={name}"})
    yield url.render_as_string(hide_password=False)
    with engine.begin() as conn:
        conn.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store in SQLite, made once: copying it is faster than migrating for each test."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    Store.open(path).close()
    return path


@pytest.fixture
def store(store_url: str, empty_file: Path) -> Iterator[Store]:
    """An empty store."""
    if "://" not in store_url:
        shutil.copy(empty_file, store_url)
    with Store.open(store_url) as opened:
        yield opened


class _UndoneError(Exception):
    pass


@contextmanager
def undone(store: Store) -> Iterator[Connection]:
    """A writing transaction that leaves nothing behind, for properties tried many times on one store."""
    with pytest.raises(_UndoneError), store.write() as conn:
        yield conn
        raise _UndoneError
