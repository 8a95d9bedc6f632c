"""Opening a store, and its transactions."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from postlens.errors import (
    MissingExtraError,
    StoreError,
    StoreLockedError,
    StoreVersionError,
    StoreWriteError,
    UsageError,
)
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.ledger import mark_done, write_failures
from postlens.store.media import FileStat, write_files
from postlens.store.meta import read_folders, read_revision, read_store_id, write_folder
from postlens.store.posts import read_posts, write_posts
from postlens.store.schema import SCHEMA_VERSION, failures
from postlens.types import Failure

from .facts import NOW, located, provenance

FAILURE = Failure("a.jpg", "decode", "DecodeError", "damaged")


def revision(store: Store) -> int:
    with store.read() as conn:
        return read_revision(conn)


def test_what_was_written_is_there_after_reopening(store_url: str) -> None:
    with Store.open(store_url) as store, store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
    with Store.open(store_url) as store, store.read() as conn:
        assert [post.post_id for post in read_posts(conn)] == ["instagram:1"]


def test_folder_of_a_new_store_is_made(tmp_path: Path) -> None:
    path = tmp_path / "out 100%" / "pöst?lens#1.db"
    Store.open(path).close()
    assert path.is_file()


def test_sqlite_url_is_a_path(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path}/x.db").close()
    assert (tmp_path / "x.db").is_file()


def test_store_is_in_wal_mode_with_foreign_keys(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db") as store, store.read() as conn:
        pragmas = ("journal_mode", "foreign_keys", "synchronous", "secure_delete", "busy_timeout")
        values = [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 1, 1, 1, 5000]


def test_exception_midway_leaves_nothing(store: Store) -> None:
    before, at = _dump(store), revision(store)
    with pytest.raises(ZeroDivisionError), store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        raise ZeroDivisionError
    assert (_dump(store), revision(store)) == (before, at)


def _dump(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.read() as conn:
        return dump(conn)


def test_reader_sees_one_state_while_another_writes(store: Store) -> None:
    with store.read() as reader:
        assert read_posts(reader) == []
        with store.write() as conn:
            write_posts(conn, [located(1)], now=NOW)
        assert read_posts(reader) == []


def test_revision_counts_transactions_that_changed_facts(store: Store) -> None:
    for expected in (1, 1):
        with store.write() as conn:
            write_failures(conn, [FAILURE, Failure("b.jpg", "decode", "DecodeError", "damaged")])
        assert revision(store) == expected


def test_first_of_many_rows_changing_counts(store: Store) -> None:
    other = Failure("b.jpg", "decode", "DecodeError", "damaged")
    for batch in ([other], [FAILURE, other]):
        with store.write() as conn:
            assert write_failures(conn, batch) == 1
    assert revision(store) == 2


def test_bookkeeping_makes_no_new_revision(store: Store) -> None:
    with store.write() as conn:
        mark_done(conn, [provenance(1, "encode")])
        write_files(conn, {"a.jpg": FileStat(1, 2, "0" * 64)})
        write_folder(conn, "/out")
    with store.read() as conn:
        assert (read_revision(conn), read_folders(conn)) == (0, ["/out"])


def test_a_store_has_one_id_and_another_store_another(store: Store, tmp_path: Path) -> None:
    ids = []
    with Store.open(tmp_path / "other.db") as other:
        for one, folder in ((store, "/a"), (store, "/b"), (other, "/a")):
            with one.write() as conn:
                write_folder(conn, folder)
                ids.append(read_store_id(conn))
    assert ids[0] == ids[1] != ids[2]


def test_writing_while_reading_is_refused(store: Store) -> None:
    with pytest.raises(StoreWriteError, match="cannot be written to"), store.read() as conn:
        write_failures(conn, [FAILURE])


def test_read_only_store_refuses_writers(store_url: str) -> None:
    Store.open(store_url).close()
    with Store.open(store_url, read_only=True) as store:
        assert _dump(store)["posts"] == []
        with pytest.raises(StoreWriteError, match="opened read-only"), store.write():
            pass


def test_read_only_store_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="postlens analyze"):
        Store.open(tmp_path / "none.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_second_writer_is_told_of_the_first(store_url: str) -> None:
    with (
        Store.open(store_url) as first,
        Store.open(store_url, lock_timeout_s=0.05) as second,
        first.write(),
        pytest.raises(StoreLockedError, match="another process is writing"),
        second.write(),
    ):
        pass
    with Store.open(store_url) as later, later.write() as conn:  # waits for writers of other tests, if need be
        write_failures(conn, [FAILURE])


def test_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db") as store:
        with store.write() as conn:
            write_posts(conn, [located(1)], now=NOW)
        with pytest.raises(StoreWriteError, match="disk is full"), store.write() as conn:
            conn.exec_driver_sql("PRAGMA max_page_count = 1")  # becomes the present size: no page can be added
            write_posts(conn, [located(2, caption="x" * 100_000)], now=NOW)
        assert [row[0] for row in _dump(store)["posts"]] == ["instagram:1"]


def test_damaged_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="damaged, or no postlens store"):
        Store.open(tmp_path / "x.db")


def test_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path)


@pytest.mark.parametrize("below", ["a_file/x.db", "a_file/deeper/x.db"])
def test_store_below_a_file_is_a_store_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "a_file").write_text("no folder")
    with pytest.raises(StoreError, match="expected a folder for the store"):
        Store.open(tmp_path / below)


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "x.db")
    other.execute("CREATE TABLE songs (title)")
    other.close()
    with pytest.raises(StoreError, match="songs"):
        Store.open(tmp_path / "x.db")


@pytest.mark.parametrize(
    ("version", "read_only", "advice"),
    [("9001", False, "upgrade postlens"), ("9001", True, "upgrade postlens"), ("0000", True, "open it once")],
)
def test_store_of_another_version_says_both_versions(
    store_url: str, version: str, read_only: bool, advice: str
) -> None:
    with Store.open(store_url) as store, store.write() as conn:
        conn.execute(text("UPDATE postlens_version SET version_num = :version"), {"version": version})
    with pytest.raises(StoreVersionError, match=f"{version}.*{SCHEMA_VERSION}.*{advice}"):
        Store.open(store_url, read_only=read_only)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "://", "redis://x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="postgresql://"):
        Store.open(url)


def test_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"postlens\[postgres\]"):
        Store.open("postgresql://user:secret@localhost/x")


def test_unreachable_server_is_a_store_error_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        Store.open("postgresql://user:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)


def test_errors_show_no_values(store: Store) -> None:
    with pytest.raises(StoreWriteError) as caught, store.read() as conn:
        conn.execute(insert(failures).values(subject="private", stage="x", error="x", message="x"))
    assert "private" not in str(caught.value) + str(caught.value.__cause__)


def test_mistakes_in_statements_pass_through(store: Store) -> None:
    with pytest.raises(Exception, match="nothing") as caught, store.read() as conn:
        conn.execute(select(text("x")).select_from(text("nothing")))
    assert not isinstance(caught.value, StoreError)
