"""Forgetting on the command line: the person or creator is gone from store and outputs, and stays gone."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest

from postlens.cli.app import run
from postlens.errors import UnknownNameError, UsageError
from postlens.media.fetch import fetch
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.exports import replace_bytes
from postlens.pipelines.folder import DOWNLOADS, remove_log_lines
from postlens.pipelines.forget import Forgotten, find_subject, forget_subject
from postlens.pipelines.outputs import OUTPUTS
from postlens.store import Store
from postlens.store.forget import Traces
from postlens.store.people import Person, read_persons, write_persons
from postlens.store.posts import read_creators
from postlens.types import Creator, MediaRef, SourcePost

from .fakes import NOW, picture, settings
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
    found = {
        path.name: text_of(path)
        for path in out.iterdir()
        if path.is_file() and not path.name.startswith(("run.log", "postlens.db"))
    }
    if (out / "postlens.db").is_file():
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
    assert run(["forget", HANDLE, "--out", str(copied)]) == 1
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


# --- what is outside the store ---------------------------------------------------------------------------------------

URL, SHARED = "https://example.org/p/1.jpg", "https://example.org/p/both.jpg"
STEM = "0" * 32  # of a download that nobody asked for


def campaign(folder: Path) -> Path:
    """Posts of Ann and Ben in a folder, one table, and what was downloaded for it before."""
    for creator in ("ann", "ben"):
        picture(folder / "in" / creator / "a.png", seed=len(creator) + ord(creator[0]))
    (folder / "in" / "ann" / "bad.jpg").write_bytes(b"no picture")
    (folder / "in" / "ben" / "bad.jpg").write_bytes(b"no picture of Ben")
    rows = [f"instagram,ann,{URL},1", f"instagram,ann,{SHARED},2", f"instagram,ben,{SHARED},3"]
    (folder / "posts.csv").write_text("\n".join(["platform,creator,url,likes", *rows]))
    return folder


def download(out: Path, url: str) -> Path:
    """A file where the product looks for, and keeps, what the URL brings."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:32]
    path = picture(out / DOWNLOADS / f"{digest}.jpg", seed=len(url))
    assert fetch(url, out / DOWNLOADS, allow=True) == path
    return path


def analyze_into(out: Path, *sources: Path, store: Path | None = None, **changes: object) -> None:
    request = Request(tuple(map(str, sources)), out=out, store=str(store) if store else None)
    analyze(request, settings=settings(allow_download=True, **changes), now=NOW)


def forgotten(name: str, *, store: Path, out: Path) -> Forgotten:
    with Store.open(store) as opened:
        subject = find_subject(name, store=opened)
        return forget_subject(subject, store=opened, out=out, settings=settings(), now=NOW)


def test_downloads_of_a_forgotten_creator_go_in_every_folder_and_those_of_others_stay(tmp_path):
    folder, store = campaign(tmp_path), tmp_path / "x.db"
    mine = []
    for out in (tmp_path / "one", tmp_path / "two"):
        mine.append(download(out, URL))
        shared, other = download(out, SHARED), picture(out / DOWNLOADS / f"{STEM}.png", seed=9)
        analyze_into(out, folder / "posts.csv", store=store)
    found = forgotten("instagram:ann", store=store, out=tmp_path / "two")
    assert found.counts["downloads"] == 2
    assert not any(path.exists() for path in mine)
    assert shared.exists()
    assert other.exists()


def test_the_log_names_a_forgotten_creator_no_more_and_still_names_others(tmp_path):
    folder, out = campaign(tmp_path), tmp_path / "out"
    bad = download(out, URL)
    bad.write_bytes(b"no picture, and no copy of one")
    download(out, SHARED)
    analyze_into(out, folder / "in", folder / "posts.csv")
    before = (out / "run.log").read_text()
    assert "in/ann/bad.jpg" in before
    assert bad.stem in before or URL in before
    n_lines = forget_all(out, "ann")
    after = (out / "run.log").read_text()
    assert not any(word in after for word in ("/ann/", URL, bad.stem))
    assert "in/ben/bad.jpg" in after
    assert n_lines == len(before.splitlines()) - len(after.splitlines())


def forget_all(out: Path, handle: str) -> int:
    """Forget every creator with this handle; returns how many log lines went."""
    with Store.open(out / "postlens.db") as store, store.read() as conn:
        ids = [creator.creator_id for creator in read_creators(conn) if creator.handle == handle]
    return sum(forgotten(one, store=out / "postlens.db", out=out).counts["log lines"] for one in ids)


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        ('{"at": "ann", "event": "ann"}', False),
        ('{"event": "start", "sources": ["/in/ann"]}', True),
        ('{"event": "start", "sources": ["/in/anna", "/in/hannah/joann.jpg"]}', False),
        ('{"event": "failure", "file": "/odd/a.jpg"}', True),
        ('{"event": "failure", "file": "/odd/a.jpg2"}', False),
        ('{"event": "end", "stage_seconds": {"decode": 1.5}}', False),
        ('{"event": "failure", "file": "/in/ann/cut of', True),
        ("[1, null]", False),
    ],
)
def test_a_log_line_goes_when_it_names_the_creator_or_a_file(tmp_path, line, goes):
    (tmp_path / "run.log").write_text(f"{line}\n{{}}\n")
    traces = Traces(words=frozenset({"ann", "x:ann"}), names=frozenset({"/odd/a.jpg"}))
    assert remove_log_lines(tmp_path, traces) == int(goes)
    assert (tmp_path / "run.log").read_text() == ("" if goes else f"{line}\n") + "{}\n"


def test_outputs_in_every_folder_of_the_store_are_written_anew(tmp_path):
    folder, store = campaign(tmp_path), tmp_path / "x.db"
    for name in ("one", "two"):
        analyze_into(tmp_path / name, folder / "in", store=store)
    (tmp_path / "two").rename(tmp_path / "moved")
    found = forgotten("ann", store=store, out=tmp_path / "none")
    assert files_naming(tmp_path / "one", "ann/") == []
    assert found.notes == (
        f"{tmp_path / 'two'}: outputs were written there, but it is gone; if it was moved, run again with --out there",
    )
    assert found.errors == ()
    assert not (tmp_path / "none").exists()


def test_outputs_of_another_store_in_the_same_folder_stay(tmp_path):
    folder = campaign(tmp_path)
    for name in ("x.db", "y.db"):
        analyze_into(tmp_path / "out", folder / "in", store=tmp_path / name)
    before = (tmp_path / "out" / "posts.parquet").read_bytes()
    found = forgotten("ann", store=tmp_path / "x.db", out=tmp_path / "out")
    assert "another store" in found.notes[0]
    assert (tmp_path / "out" / "posts.parquet").read_bytes() == before


def test_outputs_of_a_copied_store_leave_those_of_the_original(tmp_path):
    folder = campaign(tmp_path)
    analyze_into(tmp_path / "out", folder / "in")
    before = texts(tmp_path / "out")
    copied = Path(shutil.copytree(tmp_path / "out", tmp_path / "copy"))
    found = forgotten("ann", store=copied / "postlens.db", out=copied)
    assert files_naming(copied, "ann/") == []
    assert texts(tmp_path / "out") == before
    assert "copy of this store" in found.notes[0]


def test_a_folder_that_cannot_be_written_is_told_and_the_others_are_written(tmp_path, monkeypatch):
    folder, store = campaign(tmp_path), tmp_path / "x.db"
    for name in ("one", "two"):
        analyze_into(tmp_path / name, folder / "in", store=store)

    def refuse(path: Path, data: bytes) -> None:
        if path.parent.name == "one":
            raise OSError(30, "Read-only file system")
        replace_bytes(path, data)

    monkeypatch.setattr("postlens.pipelines.exports.replace_bytes", refuse)
    assert run(["forget", "ann", "--store", str(store), "--out", str(tmp_path / "two"), "--yes"]) == 1
    assert files_naming(tmp_path / "two", "ann/") == []


def test_a_reader_does_not_keep_a_forgotten_person_in_the_outputs(copied, capsys):
    person_id = most_seen(copied)
    with Store.open(copied / "postlens.db", read_only=True) as reading, reading.read() as conn:
        read_persons(conn)
        assert forget(copied, person_id) == 1
        assert "close it and run again" in capsys.readouterr().err
        assert set(files_naming(copied, person_id)) <= {"postlens.db"}
        assert forget(copied, person_id) == 1
        assert "close it and run again" in capsys.readouterr().err
    assert forget(copied, person_id) == 2
    assert "bytes of what was forgotten before are removed" in capsys.readouterr().out
    assert files_naming(copied, person_id) == []


def test_the_next_run_removes_the_bytes_that_a_reader_held(copied):
    person_id = most_seen(copied)
    with Store.open(copied / "postlens.db", read_only=True) as reading, reading.read() as conn:
        read_persons(conn)
        assert forget(copied, person_id) == 1
        assert run(["demo", "--out", str(copied)]) == 0
        assert scrub_pending(copied)
    assert run(["demo", "--out", str(copied)]) == 0
    assert not scrub_pending(copied)
    assert files_naming(copied, person_id) == []


def scrub_pending(out: Path) -> bool:
    with Store.open(out / "postlens.db", read_only=True) as store:
        return store.scrub_pending()


def test_what_a_killed_process_left_in_the_folder_goes(copied):
    left = copied / ".report.html.4711"
    left.write_text(HANDLE)
    for name in OUTPUTS:
        (copied / name).unlink()
    assert forget(copied, HANDLE) == 0
    assert not left.exists()


def test_settings_of_the_command_line_shape_the_outputs(copied):
    assert run(["forget", HANDLE, "--out", str(copied), "--yes", "--set", "metric=views"]) == 0
    posts = pl.read_parquet(copied / "posts.parquet")
    assert set(posts["forecast_metric"].drop_nulls()) == {"views"}


def test_a_persons_tombstone_lets_others_stay(copied):
    before = people(copied)
    gone = most_seen(copied)
    assert forget(copied, gone) == 0
    after = people(copied)
    assert after.keys() == before.keys() - {gone}
    with Store.open(copied / "postlens.db", read_only=True) as store, store.read() as conn:
        assert gone not in {person.person_id for person in read_persons(conn)}
