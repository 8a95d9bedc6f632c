"""Persons and the user's words stay with the faces when tracks are numbered anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from postlens.store import Store
from postlens.store.anchors import match_tracks
from postlens.store.decisions import add_decision, read_decisions
from postlens.store.faces import read_faces
from postlens.store.features import write_features
from postlens.store.gallery import GalleryTrack, read_gallery, read_settled, settle, write_gallery
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    read_constraints,
    read_person_tracks,
    write_constraints,
    write_person_tracks,
    write_persons,
)
from postlens.types import Faces

from .facts import NOW, boxes, features, sha


@pytest.fixture
def said(store: Store) -> Store:
    """Image 1 with Anna at 0 px and Ben at 100 px; the user said that Anna is the one at 0 px in image 2."""
    with store.write() as conn:
        write_features(conn, features(1), features(2))
        write_persons(conn, [Person("anna", NOW), Person("ben", NOW)])
        people = [PersonTrack(f"{sha(1)}:0", "anna", None, "user"), PersonTrack(f"{sha(1)}:1", "ben", 0.5)]
        write_person_tracks(conn, people)
        write_constraints(conn, [Constraint("must_link", f"{sha(1)}:0", f"{sha(2)}:0", NOW)])
    return store


def people(store: Store) -> dict[str, str]:
    with store.read() as conn:
        return {one.track_id[-1]: one.person_id for one in read_person_tracks(conn)}


@pytest.mark.parametrize(
    ("lefts", "expected"),
    [
        ((0, 100), {"0": "anna", "1": "ben"}),
        ((100, 0), {"0": "ben", "1": "anna"}),  # swapped
        ((50, 5, 104), {"1": "anna", "2": "ben"}),  # one face more, boxes drawn otherwise
        ((100,), {"0": "ben"}),  # Anna is found no more
    ],
)
def test_persons_follow_their_faces(said: Store, lefts: tuple[float, ...], expected: dict[str, str]) -> None:
    with said.write() as conn:
        write_features(conn, features(1, boxes(*lefts)))
    assert people(said) == expected


def test_words_follow_their_faces(said: Store) -> None:
    with said.write() as conn:
        write_features(conn, features(1, boxes(200, 100, 0)))
        assert [{one.track_a, one.track_b} for one in read_constraints(conn)] == [{f"{sha(1)}:2", f"{sha(2)}:0"}]
        assert read_person_tracks(conn, [f"{sha(1)}:2"]) == [PersonTrack(f"{sha(1)}:2", "anna", None, "user")]


def test_word_about_a_face_found_no_more_is_dropped(said: Store) -> None:
    with said.write() as conn:
        write_features(conn, features(1, boxes(100)))
        assert read_constraints(conn) == []


def vouch(store: Store, kind: str) -> None:
    with store.write() as conn:
        write_gallery(conn, [GalleryTrack(f"{sha(1)}:0", "anna", kind, NOW)])


@pytest.mark.parametrize("kind", ["named", "enrolled"])
def test_known_faces_follow_their_faces(said: Store, kind: str) -> None:
    vouch(said, kind)
    with said.write() as conn:
        write_features(conn, features(1, boxes(200, 100, 0)))
        assert read_gallery(conn) == [GalleryTrack(f"{sha(1)}:2", "anna", kind, NOW)]


@pytest.mark.parametrize(
    ("kind", "lefts", "kept"), [("enrolled", (100,), 1), ("enrolled", (), 1), ("named", (100,), 0)]
)
def test_a_given_face_stays_though_it_is_found_no_more(said: Store, kind: str, lefts: Any, kept: int) -> None:
    vouch(said, kind)
    for _ in range(2):  # and once more, from what is kept
        with said.write() as conn:
            write_features(conn, features(1, boxes(*lefts)))
            known = read_gallery(conn)
            found = read_faces(conn, [sha(1)], templates=True, thumbnails=True).get(sha(1), Faces.none())
        assert len(known) == kept
        assert len(found) == len(lefts) + kept
        if kept:
            assert known[0].track_id == f"{sha(1)}:{len(lefts)}"
            assert found.xyxy_px[-1, 0] == 0
            assert found.thumbnails[-1] == b"face at 0"


def test_decisions_follow_their_faces(said: Store) -> None:
    rows = {"persons": {}, "gallery": {}, "links": {}, "tracks": {f"{sha(1)}:0": "anna"}}
    with said.write() as conn:
        add_decision(conn, "merge", {"said": {}, "before": rows, "after": rows}, now=NOW)
        write_features(conn, features(1, boxes(200, 100, 0)))
        assert list(read_decisions(conn)[0].payload["before"]["tracks"]) == [f"{sha(1)}:2"]
        write_features(conn, features(1, boxes(200, 100)))
        assert read_decisions(conn)[0].payload["before"]["tracks"] == {}


def test_tracks_of_media_looked_at_anew_are_settled_no_more(said: Store) -> None:
    with said.write() as conn:
        settle(conn, [f"{sha(1)}:0", f"{sha(2)}:0"])
        write_features(conn, features(3))
        assert len(read_settled(conn)) == 2
        write_features(conn, features(1))
        assert read_settled(conn) == set()


def test_tracks_are_matched_by_most_of_their_faces() -> None:
    times = np.array([0, 1, 2], np.float32)
    old = replace(boxes(0, 0, 0), pts_s=times, track_id=np.array([7, 7, 7]))
    new = replace(boxes(0, 2, 4), pts_s=times + 0.25, track_id=np.array([1, 2, 2]))
    assert match_tracks(old, new) == {7: 2}


def test_faces_at_other_times_are_other_faces() -> None:
    later = replace(boxes(0), pts_s=np.array([9], np.float32))
    assert match_tracks(boxes(0), later) == {}
