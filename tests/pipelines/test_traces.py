"""Proof of forgetting: what tells of a person is counted before and after, by table and file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from postlens.cli.app import run
from postlens.errors import NotEnoughDataError
from postlens.media.image import encode_jpeg
from postlens.pipelines.conclude import conclude
from postlens.pipelines.enrol import enroll
from postlens.pipelines.forget import find_subject, forget_subject
from postlens.pipelines.people import hide_person, merge_people, name_person, split_person
from postlens.pipelines.stages import all_stages
from postlens.pipelines.traces import find_traces, telling_piece
from postlens.store import Store
from postlens.store.decisions import read_decisions
from postlens.store.dump import dump
from postlens.store.faces import read_faces
from postlens.store.looks import pack_look
from postlens.store.media import read_media
from postlens.store.people import read_persons
from postlens.store.person_traces import read_person_traces
from postlens.store.posts import write_posts
from postlens.store.schema import faces, looks, readings
from postlens.store.statements import upsert

from ..store.facts import NOW, located
from .crowds import ANN, BEN, CAT, DAN, fill, give_photos, who
from .fakes import process, settings
from .sample_run import copy_of
from .test_enrol import paths, portraits

__all__ = ["portraits"]

HOW = {"settings": settings(), "now": NOW}
NAME = "Ann-Kathrin Bell"


@pytest.fixture
def named(sample_run, tmp_path, portraits) -> Path:
    """Output folder of the sample run with an enrolled and named person."""
    out = copy_of(sample_run, tmp_path)
    given = [str(path) for path in paths(portraits, "smile.jpg", "flight-suit.jpg")]
    assert run(["enroll", NAME, *given, "--out", str(out)]) == 0
    return out


def forget(store: Store, out: Path, name: str):
    return forget_subject(find_subject(name, store=store), store=store, out=out, settings=settings(), now=NOW)


def test_an_enrolled_person_is_gone_from_every_table_and_file(named):
    with Store.open(named / "postlens.db") as store:
        done = forget(store, named, NAME)
    told = {Path(name).name if "/" in name else name for name, n in done.before.items() if n}
    files = {"people.xlsx", "people.parquet", "predictions.json", "posts.parquet", "report.html", "postlens.db"}
    tables = {f"table {name}" for name in ("persons", "faces", "tracks", "person_tracks", "gallery", "decisions")}
    assert files | tables | {"table media", "table files", "table ledger"} <= told
    assert set(done.after) >= set(done.before)
    assert set(done.after.values()) == {0}
    assert done.counts["media"] == 2


def test_what_was_left_behind_is_found(named):
    with Store.open(named / "postlens.db") as store:
        person_id = find_subject(NAME, store=store).key
        with store.read() as conn:
            traces = read_person_traces(conn, person_id)
        page = (named / "report.html").read_text(encoding="utf-8")
        forget(store, named, NAME)
        assert not any(find_traces(store, [named], traces).values())
        (named / "report.html").write_text(page, encoding="utf-8")
        assert find_traces(store, [named], traces)[str(named / "report.html")] > 0


@pytest.mark.parametrize("part_bytes", [16, 1000])
def test_a_file_that_is_read_in_parts_shows_the_same(tmp_path, part_bytes, monkeypatch):
    with Store.open(tmp_path / "crowd.db") as store:
        fill(store)
        name_person(store, who(store, 1, ANN), NAME, **HOW)
        with store.read() as conn:
            traces = read_person_traces(conn, who(store, 1, ANN))
        whole = find_traces(store, [], traces)
        monkeypatch.setattr("postlens.pipelines.traces.PART_BYTES", part_bytes)
        assert find_traces(store, [], traces) == whole
        assert sum(n for name, n in whole.items() if "crowd.db" in name) > 0


def test_a_name_that_also_stands_in_a_caption_is_no_trace_there(store, tmp_path):
    fill(store)
    with store.write() as conn:
        write_posts(conn, [located(1, caption="Ann at the sea")], now=NOW)
    name_person(store, who(store, 1, ANN), "Ann", **HOW)
    done = forget(store, tmp_path, "Ann")
    assert done.before["table persons"] == 1
    assert set(done.after.values()) == {0}


def test_a_photo_that_was_given_and_taken_off_goes_too(store, tmp_path):
    fill(store)
    *_, photo = give_photos(store, "Eve", 21, 22)
    split_person(store, "Eve", [photo], **HOW)
    done = forget(store, tmp_path, "Eve")
    assert done.counts["media"] == 2
    with store.read() as conn:
        assert photo not in repr(dump(conn))


def test_looks_and_readings_are_proven_gone(store, tmp_path):
    fill(store)
    ann = who(store, 1, ANN)
    read_all_faces(store)
    done = forget(store, tmp_path, ann)
    n_faces = done.before["table faces"]
    assert (done.before["table looks"], done.before["table readings"]) == (n_faces, n_faces)
    assert set(done.after.values()) == {0}
    with store.read() as conn:
        assert dump(conn)["looks"]
        assert dump(conn)["readings"]


def read_all_faces(store):
    """A look and a reading of every face in the store."""
    with store.write() as conn:
        rows = conn.execute(select(faces.c.face_id, faces.c.sha256, faces.c.number)).all()
        vectors = [pack_look(np.random.default_rng(i).normal(size=64)) for i in range(len(rows))]
        seen = [{"face_id": r.face_id, "fingerprint": "m", "vector": v} for r, v in zip(rows, vectors, strict=True)]
        read = [{"sha256": r.sha256, "number": r.number, "fingerprint": "n", "probs": b"same"} for r in rows]
        upsert(conn, looks, seen)
        upsert(conn, readings, read)


def test_others_keep_their_decisions_and_faces(store, tmp_path):
    fill(store)
    ben = who(store, 1, BEN)
    name_person(store, who(store, 1, ANN), "Ann", **HOW)
    hide_person(store, ben, **HOW)
    merge_people(store, [who(store, 4, CAT), who(store, 6, DAN)], **HOW)
    name_person(store, "Ann", "Anna", **HOW)
    forget(store, tmp_path, "Anna")
    with store.read() as conn:
        assert [one.verb for one in read_decisions(conn)] == ["hide", "merge"]
        assert who(store, 1, BEN) == ben
        assert "Ann" not in repr(dump(conn))


def renamed(store: Store, person_id: str) -> None:
    """Two names in turn, the second of which is said without a track."""
    name_person(store, person_id, "Bobby", **HOW)
    name_person(store, person_id, "Bobster", **HOW)


def test_names_of_persons_who_were_joined_go_too(store, tmp_path):
    fill(store)
    renamed(store, who(store, 6, DAN))
    name_person(store, who(store, 4, CAT), "Cat", **HOW)
    merge_people(store, ["Cat", "Bobster"], name="Cat", **HOW)
    done = forget(store, tmp_path, "Cat")
    assert done.before["table decisions"] == 4
    assert set(done.after.values()) == {0}
    with store.read() as conn:
        assert "Bob" not in repr(dump(conn))


def test_names_of_persons_whom_only_a_forgotten_creator_shows_go_too(store, tmp_path):
    fill(store)
    renamed(store, who(store, 6, DAN))
    forget(store, tmp_path, "instagram:anna")
    with store.read() as conn:
        assert "Bob" not in repr(dump(conn))


def test_a_forgotten_face_is_not_enrolled_again_from_the_same_photo(store, tmp_path, portraits):
    given = paths(portraits, "smile.jpg")
    enroll(store, NAME, given, **HOW)
    forget(store, tmp_path, NAME)
    with pytest.raises(NotEnoughDataError, match="forgotten on request"):
        enroll(store, "Eve", given, **HOW)
    with store.read() as conn:
        assert read_persons(conn) == []


def test_an_enrolled_photo_of_a_forgotten_person_brings_nobody_back_when_it_is_analyzed(store, tmp_path, portraits):
    done = enroll(store, NAME, paths(portraits, "smile.jpg"), **HOW)
    forget(store, tmp_path, NAME)
    sha256 = done.faces[0].photo.media.sha256
    with store.read() as conn:
        assert read_media(conn) == {}
    process(store, all_stages(), {sha256: str(portraits / "smile.jpg")})
    with store.read() as conn:
        assert read_faces(conn) == {}


def test_the_name_of_a_given_photo_goes_though_a_post_has_the_same_photo(sample_run, sample_campaign, tmp_path):
    photo = tmp_path / f"{NAME}.jpg"
    shutil.copy(sample_campaign / "media" / "sample.portraits" / "smile.jpg", photo)
    with Store.open(copy_of(sample_run, tmp_path) / "postlens.db") as store:
        enroll(store, NAME, [photo], **HOW)
        done = forget(store, tmp_path, NAME)
        assert done.before["table persons"] == 1
        with store.read() as conn:
            assert NAME not in repr(dump(conn))


def test_a_photo_that_is_also_a_post_stays_as_the_post_s(sample_run, sample_campaign, tmp_path):
    photo = sample_campaign / "media" / "sample.portraits" / "smile.jpg"
    with Store.open(copy_of(sample_run, tmp_path) / "postlens.db") as store:
        done = enroll(store, NAME, [photo], **HOW)
        forget(store, tmp_path, NAME)
        conclude(store, settings=settings(), now=NOW)
        sha256 = done.faces[0].photo.media.sha256
        with store.read() as conn:
            assert sha256 in read_media(conn)
            assert sha256 not in read_faces(conn)


def test_the_piece_looked_for_is_no_flat_part_of_a_picture():
    flat = bytes([0x28, 0xA2, 0x8A, 0x00]) * 100  # what a JPEG repeats over one colour
    told = bytes(range(200, 240))
    assert set(told[10:30]) <= set(telling_piece(flat + told + flat))
    assert telling_piece(b"short") == b"short"


def test_the_piece_looked_for_is_not_in_every_jpeg():
    rng = np.random.default_rng(0)
    first, other = (encode_jpeg(rng.integers(0, 256, (112, 112, 3), np.uint8)) for _ in range(2))
    assert telling_piece(first) in first
    assert telling_piece(first) not in other
    grey = encode_jpeg(np.full((16, 16, 3), 90, np.uint8))  # hardly more than tables
    assert telling_piece(grey) not in other
