"""Forgetting on the command line: the person or creator is gone from store and outputs, and stays gone."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from postlens.cli.app import run
from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.forget import find_subject
from postlens.store import Store
from postlens.store.people import Person, read_persons, write_persons
from postlens.types import Creator, MediaRef, SourcePost

from .fakes import NOW
from .sample_run import copy_of

CREATOR, HANDLE = "tiktok:sample.portraits", "sample.portraits"


@pytest.fixture
def copied(sample_run, tmp_path) -> Path:
    """The sample run in its own folder, with outputs of that folder."""
    out = copy_of(sample_run, tmp_path)
    assert run(["demo", "--out", str(out)]) == 0
    return out


def forget(out: Path, name: str) -> int:
    return run(["forget", name, "--out", str(out), "--yes"])


def texts(out: Path) -> dict[str, str]:
    """Everything that the outputs and the store say, by file."""
    found = {path.name: text_of(path) for path in out.iterdir() if path.name not in ("run.log", "postlens.db")}
    found["postlens.db"] = (out / "postlens.db").read_bytes().decode("latin-1")
    return found


def text_of(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pl.read_parquet(path).to_dicts())
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as book:
            return "".join(book.read(name).decode("latin-1") for name in book.namelist() if name.endswith(".xml"))
    return path.read_text(encoding="utf-8")


def files_naming(out: Path, word: str) -> list[str]:
    return [name for name, text in texts(out).items() if word in text]


def people(out: Path) -> dict[str, dict[str, object]]:
    return json.loads((out / "predictions.json").read_text())["people"]


def most_seen(out: Path) -> str:
    found = people(out)
    return max(found, key=lambda person_id: found[person_id]["n_posts"])


def test_a_forgotten_person_is_gone_from_store_and_outputs_and_stays_gone(copied):
    person_id = most_seen(copied)
    n_people = len(people(copied))
    assert len(files_naming(copied, person_id)) >= 4
    assert forget(copied, person_id) == 0
    assert files_naming(copied, person_id) == []
    assert len(people(copied)) == n_people - 1
    assert run(["demo", "--out", str(copied)]) == 0
    assert files_naming(copied, person_id) == []
    assert len(people(copied)) == n_people - 1


def test_a_forgotten_creator_is_gone_from_store_and_outputs_and_stays_gone(copied):
    assert len(files_naming(copied, HANDLE)) >= 4
    assert forget(copied, HANDLE) == 0
    assert files_naming(copied, HANDLE) == []
    assert run(["demo", "--out", str(copied)]) == 0
    assert files_naming(copied, HANDLE) == []
    assert "ForgottenError" in (copied / "failures.csv").read_text()


def test_a_person_can_be_forgotten_by_the_users_name(copied):
    with Store.open(copied / "postlens.db") as store:
        person_id = most_seen(copied)
        with store.write() as conn:
            write_persons(conn, [Person(person_id, NOW, name="Ann Bell")])
    assert forget(copied, "Ann Bell") == 0
    assert files_naming(copied, "Ann Bell") == files_naming(copied, person_id) == []


def test_an_unknown_name_changes_nothing(copied, capsys):
    before = texts(copied)
    assert forget(copied, "nobody") == 2
    assert "nobody" in capsys.readouterr().err
    assert texts(copied) == before


def test_no_answer_deletes_nothing(copied, monkeypatch):
    before = texts(copied)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(["forget", HANDLE, "--out", str(copied)]) == 130
    assert texts(copied) == before


def test_settings_that_cannot_be_used_delete_nothing(copied, tmp_path, capsys):
    config = tmp_path / "mine.toml"
    config.write_text('catalog = "absent.csv"\n')
    before = texts(copied)
    assert run(["forget", HANDLE, "--out", str(copied), "--yes", "--config", str(config)]) == 2
    assert "absent.csv" in capsys.readouterr().err
    assert texts(copied) == before


def test_forgetting_without_outputs_writes_none(copied, tmp_path):
    assert run(["forget", HANDLE, "--store", str(copied / "postlens.db"), "--out", str(tmp_path / "no"), "--yes"]) == 0
    assert not (tmp_path / "no").exists()


def fill(store: Store, *creators: Creator) -> None:
    from postlens.store.posts import LocatedPost, write_posts

    posts = [SourcePost(c.handle, (MediaRef(path=f"/{c.creator_id}.jpg"),), platform=c.platform) for c in creators]
    with store.write() as conn:
        write_posts(conn, [LocatedPost(post, (None,)) for post in posts], now=NOW)
        write_persons(conn, [Person("person-1", NOW, name="ann"), Person("person-2", NOW)])


INSTAGRAM, TIKTOK = Creator("instagram:ann", "instagram", "ann"), Creator("tiktok:ann", "tiktok", "ann")
BEN = Creator("tiktok:ben", "tiktok", "ben")


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("person-1", "person", "person-1"),
        ("person-2", "person", "person-2"),
        ("instagram:ann", "creator", "instagram:ann"),
        ("ben", "creator", "tiktok:ben"),
        ("@ben", "creator", "tiktok:ben"),
        ("tiktok:ben", "creator", "tiktok:ben"),
    ],
)
def test_ids_names_and_handles_are_found(store, name, kind, key):
    fill(store, INSTAGRAM, TIKTOK, BEN)
    found = find_subject(name, store=store)
    assert (found.kind, found.key) == (kind, key)


def test_a_name_of_several_is_refused_with_their_ids(store):
    fill(store, INSTAGRAM, TIKTOK, BEN)
    with pytest.raises(UsageError) as caught:
        find_subject("ann", store=store)
    assert all(key in str(caught.value) for key in ("person-1", "instagram:ann", "tiktok:ann"))


@pytest.mark.parametrize("name", ["", "an", "ANN", "person-3", "instagram:ben"])
def test_a_name_of_nobody_is_refused(store, name):
    fill(store, INSTAGRAM, BEN)
    with pytest.raises(UnknownNameError, match="person or creator of this store"):
        find_subject(name, store=store)


def test_a_persons_tombstone_lets_others_stay(copied):
    before = people(copied)
    gone = most_seen(copied)
    assert forget(copied, gone) == 0
    after = people(copied)
    assert after.keys() == before.keys() - {gone}
    with Store.open(copied / "postlens.db", read_only=True) as store, store.read() as conn:
        assert gone not in {person.person_id for person in read_persons(conn)}
