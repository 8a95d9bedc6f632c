"""Migrations: from nothing to the schema that the code describes."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from postlens.store import Store
from postlens.store.migrate import read_version
from postlens.store.posts import read_posts
from postlens.store.schema import SCHEMA_VERSION, VERSION_TABLE, metadata


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


def test_facts_of_the_first_version_stay(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        config = Config(attributes={"connection": conn})
        config.set_main_option("script_location", "postlens.store:migrations")
        command.upgrade(config, "0001")
        conn.execute(text("INSERT INTO creators VALUES ('instagram:ben', 'instagram', 'ben', NULL)"))
        conn.execute(
            text("INSERT INTO posts (post_id, creator_id, platform) VALUES ('1', 'instagram:ben', 'instagram')")
        )
    engine.dispose()
    with Store.open(str(path)) as store, store.read() as conn:
        assert read_version(conn) == SCHEMA_VERSION
        assert [post.post_id for post in read_posts(conn)] == ["1"]


def test_stores_opened_at_once_are_made_once(store_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store.open, [store_url] * 4))
    with stores[0].read() as conn:
        assert read_version(conn) == SCHEMA_VERSION
    for store in stores:
        store.close()
