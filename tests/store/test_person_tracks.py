"""Tracks with their places, and a user's words for them."""

from __future__ import annotations

from typing import Any

import pytest

from postlens.errors import UnknownNameError, UsageError
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.gallery import GalleryTrack, write_gallery
from postlens.store.media import FileStat, write_files
from postlens.store.people import Person, PersonTrack, write_person_tracks, write_persons
from postlens.store.person_tracks import TrackPlace, find_tracks, read_places
from postlens.store.posts import write_posts
from postlens.types import MediaRef

from .facts import NOW, features, located, sha


def place(sha256: str, number: int = 0, **changes: Any) -> TrackPlace:
    values = {"person_id": "ann", "similarity": 0.9, "start_s": 2.0, "end_s": 5.0, "n_frames": 4, "quality": 0.8}
    places = {"known": None, "post_ids": (f"x:{sha256}",), "files": (f"/in/{sha256}.mp4",)}
    return TrackPlace(track_id=f"{sha256}:{number}", **{**values, **places, **changes})


PLACES = [place("abc"), place("abc", 1, start_s=6.0, end_s=9.0), place("abd"), place("xyz", 12)]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("abc:0", ["abc:0"]),
        ("x:1", []),
        ("xy:12", ["xyz:12"]),
        ("x:abc", ["abc:0", "abc:1"]),
        ("abc.mp4", ["abc:0", "abc:1"]),
        ("/in/abd.mp4", ["abd:0"]),
        ("x:abc@3", ["abc:0"]),
        ("abc.mp4@8.5", ["abc:1"]),
        ("abc.mp4@5.5", ["abc:0", "abc:1"]),  # within the slack of both
        ("x:abc@99", []),
        ("x:abc@soon", []),
        ("", []),
        (":0", []),
    ],
)
def test_a_reference_means_tracks(reference: str, expected: list[str]) -> None:
    if not expected:
        with pytest.raises(UnknownNameError, match="people show"):
            find_tracks(PLACES, [reference])
        return
    assert [one.track_id for one in find_tracks(PLACES, [reference])] == expected


def test_the_start_of_several_ids_is_refused() -> None:
    with pytest.raises(UsageError, match="more digits"):
        find_tracks(PLACES, ["ab:0"])


def test_a_track_that_is_meant_twice_is_one() -> None:
    assert len(find_tracks(PLACES, ["abd:0", "x:abd", "abd.mp4"])) == 1


def test_tracks_come_with_person_post_and_file(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1), located(2, media=(MediaRef(url="https://e.org/2"),))], now=NOW)
        write_features(conn, features(1), features(2), features(3))
        write_files(conn, {"/given/3.jpg": FileStat(1, 1, sha(3)), "/photos/1.jpg": FileStat(1, 1, sha(1))})
        write_persons(conn, [Person("ann", NOW)])
        write_person_tracks(conn, [PersonTrack(f"{sha(1)}:0", "ann", 0.75), PersonTrack(f"{sha(3)}:0", "ann", 0.5)])
        write_gallery(conn, [GalleryTrack(f"{sha(3)}:0", "ann", "enrolled", NOW)])
        found = {one.track_id: one for one in read_places(conn)}
        assert [one.track_id for one in read_places(conn, [f"{sha(2)}:1"])] == [f"{sha(2)}:1"]
    assert len(found) == 6
    assert list(found)[:2] == sorted([f"{sha(1)}:0", f"{sha(3)}:0"])  # those that wait come last
    first, given = found[f"{sha(1)}:0"], found[f"{sha(3)}:0"]
    assert (first.post_ids, first.files, first.known) == (("instagram:1",), ("/photos/1.jpg",), None)
    assert (given.post_ids, given.files, given.known) == ((), ("/given/3.jpg",), "enrolled")
    assert found[f"{sha(2)}:0"].files == ("https://e.org/2",)
    assert found[f"{sha(2)}:0"].person_id is None
    assert first.short_id == f"{sha(1)[:12]}:0"
