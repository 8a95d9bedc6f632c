"""Migrations: from nothing to the schema that the code describes."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import bindparam, create_engine, make_url, text

from postlens.errors import StoreVersionError
from postlens.store import Store
from postlens.store.columns import UtcTime
from postlens.store.migrate import read_version
from postlens.store.posts import read_posts, write_posts
from postlens.store.schema import SCHEMA_VERSION, VERSION_TABLE, metadata
from postlens.store.snapshots import read_history, read_snapshots
from postlens.types import EngagementSnapshot, Post

from .facts import NOW, located


def test_migrated_database_has_the_described_schema(store: Store) -> None:
    with store.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_described_version_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "postlens.store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_VERSION]


def test_migrations_are_numbered_without_gaps() -> None:
    folder = resources.files("postlens.store").joinpath("migrations", "versions")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".py"))
    assert [name[:4] for name in names] == [f"{i:04d}" for i in range(1, len(names) + 1)]
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.py", name) for name in names)


@pytest.mark.parametrize("version", [f"{number:04d}" for number in range(1, int(SCHEMA_VERSION))])
def test_facts_of_an_older_version_stay(store_url: str, version: str) -> None:
    make_old(store_url, version)
    with Store.open(store_url) as store, store.write() as conn:
        assert read_version(conn) == SCHEMA_VERSION
        assert read_posts(conn) == [Post("1", "instagram:ben", "instagram", ())]
        assert read_history(conn) == [EngagementSnapshot("1", NOW, likes=7)]


def test_a_store_of_an_older_version_takes_what_the_newest_knows(store_url: str) -> None:
    make_old(store_url, "0003")
    with Store.open(store_url) as store, store.write() as conn:
        write_posts(conn, [located(1, alt_text="a dog", n_tagged=2, has_location=True, n_posts=9)], now=NOW)
        assert read_posts(conn, post_ids=["instagram:1"])[0].alt_text == "a dog"
        assert read_snapshots(conn)["instagram:1"].n_posts == 9


def test_a_store_of_an_older_version_is_not_changed_by_reading(store_url: str) -> None:
    make_old(store_url, "0003")
    with pytest.raises(StoreVersionError, match="open it once for writing"):
        Store.open(store_url, read_only=True)


def make_old(url: str, version: str) -> None:
    """A store as postlens of an older schema left it, with one post and its likes."""
    server = make_url(url).set(drivername="postgresql+psycopg") if "://" in url else f"sqlite:///{url}"
    engine = create_engine(server)
    with engine.begin() as conn:
        config = Config(attributes={"connection": conn})
        config.set_main_option("script_location", "postlens.store:migrations")
        command.upgrade(config, version)
        conn.execute(text("INSERT INTO creators VALUES ('instagram:ben', 'instagram', 'ben', NULL)"))
        conn.execute(
            text("INSERT INTO posts (post_id, creator_id, platform) VALUES ('1', 'instagram:ben', 'instagram')")
        )
        when = text("INSERT INTO snapshots (post_id, observed_at, likes) VALUES ('1', :at, 7)")
        conn.execute(when.bindparams(bindparam("at", type_=UtcTime)), {"at": NOW})
    engine.dispose()


@pytest.mark.usefixtures("real_set_up")
def test_stores_opened_at_once_are_made_once(store_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store.open, [store_url] * 4))
    with stores[0].read() as conn:
        assert read_version(conn) == SCHEMA_VERSION
    for store in stores:
        store.close()
