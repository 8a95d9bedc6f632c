"""A forgotten person goes from copies of the files, whichever came first, and does not come back through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from postlens.pipelines.forgotten_copies import forget_in_copies
from postlens.store import Store
from postlens.store.copies import CopyPair, replace_copy_pairs
from postlens.store.decisions import add_decision, read_decisions
from postlens.store.dump import dump
from postlens.store.faces import read_faces, read_tracks
from postlens.store.features import write_features
from postlens.store.forget import forget_person
from postlens.store.gallery import GalleryTrack, read_gallery, write_gallery
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    read_constraints,
    write_constraints,
    write_person_tracks,
    write_persons,
)
from postlens.store.posts import DuplicateLink, write_duplicates, write_posts
from postlens.types import Faces, FaceTracks, FrameHashes, MediaFeatures, MediaFile

from ..store.facts import NOW, boxes, features, located, sha

PICTURE = np.random.default_rng(0).integers(0, 256, (1, 48, 48)).astype(np.uint8)
BITS = np.random.default_rng(1).integers(0, 256, (1, 32)).astype(np.uint8)
ANN, BEN = "person-ann", "person-ben"


def photo(number: int, *lefts: float, scale: float = 1.0, turned: bool = False) -> MediaFeatures:
    """A picture of 640 x 480 px times `scale` with faces, at these places as the upright picture has them."""
    found = boxes(*lefts)
    left, top, right, bottom = found.xyxy_px.T
    moved = np.stack([640 - right, top, 640 - left, bottom], axis=1) if turned else found.xyxy_px
    media = MediaFile(sha(number), "image", "", round(640 * scale), round(480 * scale), 1000 + number)
    sketch = PICTURE[:, :, ::-1] if turned else PICTURE
    hashes = FrameHashes(BITS, np.array([90]), np.zeros(1, np.float32), sketch)
    return features(number, replace(found, xyxy_px=(moved * scale).astype(np.float32)), media=media, hashes=hashes)


def fill(store: Store, *seen: MediaFeatures, links: Sequence[tuple[int, int]] = ((2, 1),)) -> None:
    """A post for each, by number from 1, and links from later to first ones."""
    with store.write() as conn:
        write_posts(conn, [located(number) for number in range(1, len(seen) + 1)], now=NOW)
        write_features(conn, *seen)
        write_duplicates(conn, [DuplicateLink(f"instagram:{b}", f"instagram:{a}", "frames", 1.0) for b, a in links])


def forget(store: Store, *tracks: str, person_id: str = ANN) -> None:
    """Make the tracks a person and forget it."""
    with store.write() as conn:
        write_persons(conn, [Person(person_id, NOW)])
        write_person_tracks(conn, [PersonTrack(one, person_id, 0.5) for one in tracks])
        forget_person(conn, person_id, now=NOW)


def follow(store: Store) -> dict[str, int]:
    with store.write() as conn:
        return forget_in_copies(conn)


def left(store: Store, number: int) -> list[int]:
    """Left sides of the faces of a file."""
    with store.read() as conn:
        found = read_faces(conn, [sha(number)]).get(sha(number))
        tracks = read_tracks(conn, [sha(number)])
        assert len(tracks) == (0 if found is None else len(set(found.track_id.tolist())))
        return [] if found is None else found.xyxy_px[:, 0].round().astype(int).tolist()


@pytest.mark.parametrize("link", [(2, 1), (1, 2)])
def test_the_same_face_goes_from_a_copy_and_others_stay(store, link):
    fill(store, photo(1, 0, 100), photo(2, 0, 100, scale=0.5), links=[link])
    forget(store, f"{sha(1)}:0")
    assert left(store, 2) == [0, 50]
    assert follow(store)["tracks"] == 1
    assert (left(store, 1), left(store, 2)) == ([100], [50])


def test_a_copy_that_is_looked_at_anew_does_not_bring_the_face_back(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100, scale=0.5))
    forget(store, f"{sha(1)}:0")
    follow(store)
    with store.write() as conn:
        write_features(conn, photo(2, 3, 100, scale=0.5))
    assert left(store, 2) == [50]


def test_all_faces_go_from_a_photo_that_is_mirrored(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100, turned=True))
    forget(store, f"{sha(1)}:0")
    follow(store)
    assert (left(store, 1), left(store, 2)) == ([100], [])


def test_what_is_guessed_of_one_copy_is_not_followed_to_others(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100, turned=True), photo(3, 0, 100), links=[(2, 1), (3, 1)])
    forget(store, f"{sha(1)}:0")
    follow(store)
    assert (left(store, 1), left(store, 2), left(store, 3)) == ([100], [], [100])


def test_others_stay_in_a_mirrored_copy_where_the_person_was_forgotten_too(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100, turned=True))
    forget(store, f"{sha(1)}:0", f"{sha(2)}:0")
    assert follow(store) == {}
    assert left(store, 2) == [490]


def test_copies_of_a_copy_are_reached_through_the_first(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100), photo(3, 0, 100), links=[(2, 1), (3, 1)])
    forget(store, f"{sha(3)}:0")
    follow(store)
    assert [left(store, number) for number in (1, 2, 3)] == [[100]] * 3


@pytest.mark.parametrize("score", [0.9, None])
def test_files_that_were_found_to_be_copies_are_enough(store, score):
    fill(store, photo(1, 0, 100), photo(2, 0, 100), links=[])
    first, second = sorted([sha(1), sha(2)])
    with store.write() as conn:
        replace_copy_pairs(conn, {CopyPair(first, second, score and "frames", score)}, before=set())
    forget(store, f"{sha(1)}:0")
    follow(store)
    assert left(store, 2) == ([100] if score else [0, 100])


def test_files_that_are_no_copies_keep_their_faces(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100), links=[])
    forget(store, f"{sha(1)}:0")
    assert follow(store) == {}
    assert left(store, 2) == [0, 100]


def test_a_second_time_changes_nothing(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100, turned=True), photo(3, 0, 100), links=[(2, 1), (3, 1)])
    forget(store, f"{sha(1)}:0")
    follow(store)
    with store.read() as conn:
        before = dump(conn)
    assert follow(store) == {}
    with store.read() as conn:
        assert dump(conn) == before


def test_words_on_a_face_go_with_it(store):
    fill(store, photo(1, 0, 100), photo(2, 0, 100))
    gone, kept = f"{sha(2)}:0", f"{sha(2)}:1"
    sides = {"persons": {}, "links": {}, "tracks": {}}
    with store.write() as conn:
        write_persons(conn, [Person(BEN, NOW, "Ben")])
        write_person_tracks(conn, [PersonTrack(gone, BEN, 0.5)])
        write_gallery(conn, [GalleryTrack(one, BEN, "named", NOW) for one in (gone, kept)])
        write_constraints(conn, [Constraint("cannot_link", gone, kept, NOW)])
        for track in (gone, kept):
            rows = {side: {**sides, "gallery": {track: [BEN, "named"]}} for side in ("before", "after")}
            add_decision(conn, "name", {"said": {"name": "Ben"}, **rows}, now=NOW)
    forget(store, f"{sha(1)}:0")
    follow(store)
    with store.read() as conn:
        assert [one.track_id for one in read_gallery(conn)] == [kept]
        assert read_constraints(conn) == []
        assert [one.number for one in read_decisions(conn)] == [2]
    assert not any(gone in str(row) for name, rows in told(store).items() for row in rows if name != "ledger")


def told(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.read() as conn:
        return dump(conn)


# --- clips -----------------------------------------------------------------------------------------------------------

N_SECONDS = 12
CLIP_BITS = np.random.default_rng(2).integers(0, 256, (N_SECONDS, 32)).astype(np.uint8)
CLIP_PICTURES = np.random.default_rng(3).integers(0, 256, (N_SECONDS, 48, 48)).astype(np.uint8)


def film(number: int, *spans: tuple[int, int], first: int = 0, last: int = N_SECONDS, turned: bool = False):
    """A part of twelve seconds, with one face for each span of seconds, all at one place of the frame."""
    shown = [(place, at) for place, (start, end) in enumerate(spans) for at in range(max(start, first), min(end, last))]
    places, times = np.array([place for place, _ in shown]), np.array([at - first for _, at in shown], np.float32)
    found = replace(boxes(*([500 if turned else 90] * len(shown))), pts_s=times, track_id=places)
    numbers = sorted(set(places.tolist()))
    tracks = FaceTracks(
        track_id=tuple(f"{sha(number)}:{place}" for place in numbers),
        start_s=np.array([times[places == place].min() for place in numbers], np.float32),
        end_s=np.array([times[places == place].max() for place in numbers], np.float32),
        n_frames=np.array([(places == place).sum() for place in numbers]),
        quality=np.full(len(numbers), 0.9, np.float32),
        template=np.ones((len(numbers), 128), np.float32),
    )
    part = slice(first, last)
    sketch = CLIP_PICTURES[part][:, :, ::-1] if turned else CLIP_PICTURES[part]
    n_frames = last - first
    hashes = FrameHashes(CLIP_BITS[part], np.full(n_frames, 90), np.arange(n_frames, dtype=np.float32), sketch)
    media = MediaFile(sha(number), "video", "", 640, 480, 1000 + number, duration_s=float(n_frames))
    return features(number, found, tracks=tracks, hashes=hashes, media=media)


def spans_left(store: Store, number: int) -> list[int]:
    with store.read() as conn:
        return [int(one.rpartition(":")[2]) for one in read_tracks(conn, [sha(number)]).track_id]


EARLY, LATE = (0, 4), (6, 11)


@pytest.mark.parametrize("turned", [False, True])
def test_only_tracks_at_the_times_go_from_a_clip(store, turned):
    fill(store, film(1, EARLY, LATE), film(2, EARLY, LATE, turned=turned))
    forget(store, f"{sha(1)}:1")
    follow(store)
    assert spans_left(store, 2) == [0]


@pytest.mark.parametrize(("gone", "kept"), [(0, [1]), (1, [])])
def test_times_of_a_cut_are_those_of_its_frames(store, gone, kept):
    fill(store, film(1, EARLY, LATE), film(2, EARLY, LATE, first=5))
    forget(store, f"{sha(1)}:{gone}")
    follow(store)
    assert spans_left(store, 2) == kept


def test_what_is_forgotten_in_a_cut_goes_from_the_whole(store):
    fill(store, film(1, EARLY, LATE), film(2, EARLY, LATE, first=5))
    forget(store, f"{sha(2)}:1")
    follow(store)
    assert spans_left(store, 1) == [0]


def test_a_copy_without_faces_is_left_as_it_is(store):
    fill(store, photo(1, 0), features(2, Faces.none(), media=replace(photo(2).media)))
    forget(store, f"{sha(1)}:0")
    assert follow(store) == {}
