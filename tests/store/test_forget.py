"""Forgetting leaves no trace but a tombstone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from postlens.errors import StoreLockedError, UnknownNameError
from postlens.store import Store
from postlens.store.columns import pack
from postlens.store.dump import dump
from postlens.store.faces import read_faces, read_tracks
from postlens.store.features import write_features
from postlens.store.forget import forget_creator, forget_person
from postlens.store.ledger import mark_done, read_failures, write_failures
from postlens.store.looks import pack_look, read_looks
from postlens.store.media import FileStat, write_files
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    read_person_tracks,
    read_persons,
    write_constraints,
    write_person_tracks,
    write_persons,
)
from postlens.store.posts import DuplicateLink, read_duplicates, read_posts, write_duplicates, write_posts
from postlens.store.readings import read_readings
from postlens.store.tombstones import forgotten_ids
from postlens.types import WHOLE, Failure, MediaRef, Readings

from .facts import NOW, boxes, features, located, provenance, sha, template

HANDLE = "secret_handle"


def fill(store: Store) -> None:
    """Ben's posts 1 and 2, the forgotten creator's 3 and 4; the photo of post 4 is the one of post 2."""
    theirs = [located(3, **of_creator(3)), replace(located(4, **of_creator(4)), media=(sha(2),))]
    with store.write() as conn:
        write_posts(conn, [located(1, handle="ben"), located(2, handle="ben"), *theirs], now=NOW)
        write_features(conn, *(features(n) for n in (1, 2)), features(3, boxes(300, 400)))
        write_files(conn, {f"/{HANDLE}/3.jpg": FileStat(1, 1, sha(3)), "/ben/2.jpg": FileStat(1, 1, sha(2))})
        mark_done(conn, [provenance(n, "encode") for n in (1, 2, 3)])
        write_failures(
            conn, [Failure(f"/{HANDLE}/5.jpg", "decode", "E", "m"), Failure("/ben/6.jpg", "decode", "E", "m")]
        )
        write_persons(conn, [Person("p1", NOW, "Secret Name"), Person("p2", NOW), Person("p3", NOW)])
        tracks = [f"{sha(1)}:0", f"{sha(2)}:0", f"{sha(1)}:1", f"{sha(3)}:0"]
        people = ["p1", "p1", "p2", "p3"]
        write_person_tracks(conn, [PersonTrack(t, p, 0.5) for t, p in zip(tracks, people, strict=True)])
        write_constraints(conn, [Constraint("cannot_link", tracks[0], tracks[2], NOW)])
        write_duplicates(conn, [DuplicateLink("instagram:2", "instagram:4", "same bytes", 1.0)])


def of_creator(number: int) -> dict[str, Any]:
    said = {"caption": f"by {HANDLE}", "alt_text": f"photo of {HANDLE}"}
    return {"handle": HANDLE, "media": (MediaRef(path=f"/{HANDLE}/{number}.jpg"),), **said}


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store)
    return store


def counts(store: Store) -> dict[str, int]:
    with store.read() as conn:
        return {name: len(rows) for name, rows in dump(conn).items()}


def test_forgotten_person_is_gone_with_faces_and_words(filled: Store) -> None:
    before = counts(filled)
    with filled.write() as conn:
        removed = forget_person(conn, "p1", now=NOW)
    gone = {"faces": 2, "tracks": 2, "person_tracks": 2, "constraints": 1, "persons": 1}
    assert {name: n for name, n in removed.items() if n} == {**gone, "thumbnails": 2}
    left = {"tombstones": 1, "forgotten_faces": 2}
    assert counts(filled) == {name: n - gone.get(name, 0) + left.get(name, 0) for name, n in before.items()}


def read_by_nets(store: Store) -> None:
    """Looks and readings of all faces of photo 1, and a reading of the whole photo."""
    faces = replace(boxes(0, 100), looks=np.array([[7.25], [8.5]], np.float32).repeat(48, axis=1))
    found = Readings("net-1", rows=np.array([WHOLE, 0, 1]), probs=np.array([[0.1], [0.2], [0.3]], np.float32))
    with store.write() as conn:
        write_features(conn, replace(features(1, faces), readings=(found,)), looks_by="maker-1")


def test_looks_and_readings_go_with_their_faces(filled: Store) -> None:
    read_by_nets(filled)
    with filled.write() as conn:
        removed = forget_person(conn, "p1", now=NOW)  # the first face of photo 1
        looks, readings = read_looks(conn, [sha(1)], "maker-1"), read_readings(conn, [sha(1)], "net-1")
    assert (removed["looks"], removed["readings"]) == (1, 1)
    assert looks[sha(1)][1][0, 0] == 8.5
    assert readings[sha(1)].rows.tolist() == [WHOLE, 0]
    assert [round(value, 1) for value in readings[sha(1)].probs[:, 0].tolist()] == [0.1, 0.3]


def test_readings_of_whole_photos_go_with_their_creator(filled: Store) -> None:
    read_by_nets(filled)
    with filled.write() as conn:
        removed = forget_creator(conn, "instagram:ben", now=NOW)
    assert (removed["looks"], removed["readings"]) == (2, 3)


def test_forgotten_faces_do_not_come_back(filled: Store) -> None:
    with filled.write() as conn:
        forget_person(conn, "p1", now=NOW)
    moved = boxes(8, 100)  # another detector: 8 px beside, IoU 0.72
    with filled.write() as conn:
        write_features(conn, features(1, moved), features(2))
        found = read_faces(conn)
    assert found[sha(1)].xyxy_px[:, 0].tolist() == [100]
    assert found[sha(2)].xyxy_px[:, 0].tolist() == [100]


@pytest.mark.parametrize(("left", "pts_s", "kept"), [(0, 0.4, 0), (25, 0.0, 1), (0, 3.0, 1)])
def test_other_places_and_times_are_other_faces(filled: Store, left: float, pts_s: float, kept: int) -> None:
    with filled.write() as conn:
        forget_person(conn, "p1", now=NOW)
        found = replace(boxes(left), pts_s=np.full(1, pts_s, np.float32))
        write_features(conn, features(1, found))
        assert len(read_faces(conn, [sha(1)]).get(sha(1), ())) == kept


def test_whole_track_of_a_forgotten_face_is_dropped(filled: Store) -> None:
    film = replace(boxes(0, 20, 300), track_id=np.array([0, 0, 1]))
    tracks = features(1, boxes(0, 300)).tracks
    with filled.write() as conn:
        forget_person(conn, "p1", now=NOW)
        write_features(conn, features(1, film, tracks=tracks))
        assert read_faces(conn)[sha(1)].xyxy_px[:, 0].tolist() == [300]
        assert read_tracks(conn, [sha(1)]).track_id == (f"{sha(1)}:1",)


def test_forgotten_creator_is_gone_with_media_of_its_own(filled: Store) -> None:
    with filled.write() as conn:
        removed = forget_creator(conn, f"instagram:{HANDLE}", now=NOW)
    expected = {"creators": 1, "posts": 2, "post_media": 2, "media": 1, "files": 2, "embeddings": 1, "failures": 1}
    assert {name: removed[name] for name in expected} == expected
    with filled.read() as conn:
        assert [post.post_id for post in read_posts(conn)] == ["instagram:1", "instagram:2"]
        assert sorted(read_faces(conn)) == sorted([sha(1), sha(2)])
        assert [failure.subject for failure in read_failures(conn)] == ["/ben/6.jpg"]


def test_person_seen_only_with_a_forgotten_creator_goes_too(filled: Store) -> None:
    with filled.write() as conn:
        forget_creator(conn, f"instagram:{HANDLE}", now=NOW)
        assert [person.person_id for person in read_persons(conn)] == ["p1", "p2"]
        assert {one.person_id for one in read_person_tracks(conn)} == {"p1", "p2"}


def test_duplicate_of_a_forgotten_post_becomes_the_first(filled: Store) -> None:
    with filled.write() as conn:
        forget_creator(conn, f"instagram:{HANDLE}", now=NOW)
        assert read_duplicates(conn) == []


def test_earlier_version_of_a_file_goes_with_its_creator(filled: Store) -> None:
    with filled.write() as conn:
        write_posts(conn, [replace(located(3, **of_creator(3)), media=(sha(30),))], now=NOW)
        forget_creator(conn, f"instagram:{HANDLE}", now=NOW)
        assert sha(3) not in read_faces(conn)


def test_tombstones_know_the_forgotten_without_naming_them(filled: Store) -> None:
    with filled.write() as conn:
        forget_creator(conn, f"instagram:{HANDLE}", now=NOW)
        forget_person(conn, "p1", now=NOW)
        assert forgotten_ids(conn, "creator", [f"instagram:{HANDLE}", "instagram:ben"]) == {f"instagram:{HANDLE}"}
        assert forgotten_ids(conn, "person", ["p1", "p2"]) == {"p1"}
        assert HANDLE not in repr(dump(conn))


@pytest.mark.parametrize("forget", [forget_person, forget_creator])
def test_unknown_names_are_refused(filled: Store, forget: Any) -> None:
    with pytest.raises(UnknownNameError, match="nobody"), filled.write() as conn:
        forget(conn, "nobody", now=NOW)


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_bytes_of_the_forgotten_leave_the_files(tmp_path: Path) -> None:
    shared = pack(template(0)), b"Secret Name", HANDLE.encode()  # template of p1's faces at 0
    with Store.open(tmp_path / "x.db") as store:
        fill(store)
        assert all(secret in bytes_on_disk(tmp_path) for secret in (*shared, pack(template(300))))
        with store.write() as conn:
            forget_person(conn, "p1", now=NOW)
            forget_creator(conn, f"instagram:{HANDLE}", now=NOW)
        assert not any(secret in bytes_on_disk(tmp_path) for secret in (*shared, pack(template(300)), b"face at 0"))
        assert pack(template(100)) in bytes_on_disk(tmp_path)


def test_bytes_of_a_forgotten_look_leave_the_files(tmp_path: Path) -> None:
    secret, other = (pack_look(np.full(48, value)) for value in (7.25, 8.5))
    with Store.open(tmp_path / "x.db") as store:
        fill(store)
        read_by_nets(store)
        assert secret in bytes_on_disk(tmp_path)
        with store.write() as conn:
            forget_person(conn, "p1", now=NOW)
        assert secret not in bytes_on_disk(tmp_path)
        assert other in bytes_on_disk(tmp_path)


def test_reader_that_keeps_bytes_is_reported(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db", lock_timeout_s=0.05) as store:
        fill(store)
        with store.read() as reader:
            read_persons(reader)
            with pytest.raises(StoreLockedError, match="close it and run again"), store.write() as conn:
                forget_person(conn, "p1", now=NOW)
        store.scrub()
        assert b"Secret Name" not in bytes_on_disk(tmp_path)


def test_bytes_that_had_to_stay_are_removed_when_the_store_is_opened_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db", lock_timeout_s=0.05) as store:
        fill(store)
        with store.read() as reader:
            read_persons(reader)
            with pytest.raises(StoreLockedError), store.write() as conn:
                forget_person(conn, "p1", now=NOW)
            with pytest.raises(StoreLockedError):
                store.finish_scrub()
    with Store.open(tmp_path / "x.db") as store:
        assert store.scrub_pending()
        assert store.finish_scrub()
        assert b"Secret Name" not in bytes_on_disk(tmp_path)
        assert not store.scrub_pending()
        assert not store.finish_scrub()


def test_a_scrub_that_went_through_leaves_nothing_to_do(filled: Store) -> None:
    with filled.write() as conn:
        forget_person(conn, "p1", now=NOW)
    assert not filled.scrub_pending()
