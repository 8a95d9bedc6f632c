"""Known faces and settled tracks."""

from __future__ import annotations

import pytest

from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.gallery import (
    GalleryTrack,
    delete_gallery,
    read_gallery,
    read_settled,
    settle,
    unsettle,
    write_gallery,
)
from postlens.store.media import drop_unused_media, read_media
from postlens.store.meta import read_revision
from postlens.store.people import Person, delete_persons, write_persons

from .facts import LATER, NOW, features, sha

TRACK, OTHER = f"{sha(1)}:0", f"{sha(2)}:0"


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as conn:
        write_features(conn, features(1), features(2))
        write_persons(conn, [Person("ann", NOW), Person("ben", NOW)])
    return store


def word(track_id: str = TRACK, **changes: object) -> GalleryTrack:
    return GalleryTrack(**{"track_id": track_id, "person_id": "ann", "kind": "named", "created_at": NOW, **changes})


def test_a_track_is_of_one_person_and_its_first_time_stays(filled: Store) -> None:
    with filled.write() as conn:
        assert write_gallery(conn, [word(), word(OTHER, kind="enrolled")]) == 2
        assert write_gallery(conn, [word()]) == 0
        assert write_gallery(conn, [word(person_id="ben", created_at=LATER)]) == 1
        assert read_gallery(conn, [TRACK]) == [word(person_id="ben")]
        assert delete_gallery(conn, [TRACK, "absent"]) == 1
        assert read_gallery(conn) == [word(OTHER, kind="enrolled")]


def test_a_word_goes_with_its_person(filled: Store) -> None:
    with filled.write() as conn:
        write_gallery(conn, [word()])
        delete_persons(conn, ["ann"])
        assert read_gallery(conn) == []


def test_given_photos_stay_though_no_post_has_them_and_other_media_goes(filled: Store) -> None:
    with filled.write() as conn:
        write_gallery(conn, [word(kind="enrolled"), word(OTHER, kind="named")])
        assert drop_unused_media(conn) == 1
        assert list(read_media(conn)) == [sha(1)]


def test_settled_tracks_make_no_revision_and_become_new_again(filled: Store) -> None:
    with filled.read() as conn:
        before = read_revision(conn)
    with filled.write() as conn:
        settle(conn, [TRACK, OTHER])
    with filled.write() as conn:
        unsettle(conn, [TRACK])
        assert read_settled(conn) == {OTHER}
        unsettle(conn)
        assert read_settled(conn) == set()
    with filled.read() as conn:
        assert read_revision(conn) == before
