"""The main job with its store in PostgreSQL: the same facts as in SQLite."""

from __future__ import annotations

import os
import shutil

import pytest

from postlens.cli.app import run
from postlens.store import Store
from postlens.store.dump import dump

from ..store.conftest import postgres_schema


@pytest.mark.postgres
def test_a_store_in_postgresql_holds_what_one_in_sqlite_holds(sample_campaign, tmp_path):
    server = os.environ.get("POSTLENS_TEST_POSTGRES_URL")
    if not server:
        pytest.skip("set POSTLENS_TEST_POSTGRES_URL to a database that tests may write to")
    shutil.copytree(sample_campaign / "media" / "sample.archive", tmp_path / "in" / "sample.archive")
    shutil.copytree(sample_campaign / "media" / "sample.newcomer", tmp_path / "in" / "sample.newcomer")
    found = {}
    with postgres_schema(server) as url:
        for name, location in (("postgres", url), ("sqlite", str(tmp_path / "postlens.db"))):
            out = str(tmp_path / name)
            assert run(["analyze", str(tmp_path / "in"), "--out", out, "--store", location]) == 0
            assert run(["analyze", str(tmp_path / "in"), "--out", out, "--store", location]) == 0
            with Store.open(location) as store, store.read() as conn:
                found[name] = dump(conn)
    assert found["postgres"] == found["sqlite"]
    assert len(found["sqlite"]["media"]) == 4
