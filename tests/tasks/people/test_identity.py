"""Tracks to persons: what merges, what waits, what stays, in any order and any number of batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import UsageError
from postlens.tasks.people.identity import Founding, assign, similarities
from postlens.tasks.people.links import overlapping
from postlens.tasks.people.near import components
from postlens.types import FaceTracks

THRESHOLD = 0.5


def tracks(*rows: tuple[str, float]) -> FaceTracks:
    """Good one-frame tracks by id, on a line."""
    n = len(rows)
    return FaceTracks(
        track_id=tuple(track for track, _ in rows),
        start_s=np.zeros(n, np.float32),
        end_s=np.zeros(n, np.float32),
        n_frames=np.ones(n, np.int64),
        quality=np.ones(n, np.float32),
        template=np.array([[place, 0.0] for _, place in rows], np.float32).reshape(n, 2),
    )


def groups(people):
    """The partition that an assignment means, without ids."""
    found = {}
    for track, person in people.items():
        found.setdefault(person, set()).add(track)
    return {frozenset(members) for person, members in found.items() if person}


def test_two_near_tracks_are_one_person():
    people = assign(tracks(("a:0", 0), ("b:0", 0.1)), threshold=THRESHOLD)
    assert people["a:0"] == people["b:0"] is not None


def test_a_lone_track_waits():
    assert assign(tracks(("a:0", 0), ("b:0", 9)), threshold=THRESHOLD) == {"a:0": None, "b:0": None}


def test_a_long_track_founds_a_person_alone():
    long = replace(tracks(("a:0", 0)), n_frames=np.array([3]))
    assert assign(long, threshold=THRESHOLD)["a:0"] is not None


def test_no_tracks_give_no_people():
    assert assign(tracks(), threshold=THRESHOLD) == {}


def test_two_faces_of_one_image_are_two_persons():
    people = assign(tracks(("a:0", 0), ("a:1", 0.05), ("b:0", 0), ("c:0", 0.05)), threshold=THRESHOLD)
    assert people["a:0"] != people["a:1"]


def test_tracks_of_one_video_that_do_not_overlap_may_be_one_person():
    apart = replace(tracks(("a:0", 0), ("a:1", 0)), start_s=np.array([0, 5.0]), end_s=np.array([4.0, 9]))
    people = assign(apart, threshold=THRESHOLD)
    assert people["a:0"] == people["a:1"] is not None


def test_overlaps_are_found_within_a_media_file_only():
    given_tracks = replace(
        tracks(("a:0", 0), ("a:1", 0), ("a:2", 0), ("b:0", 0)),
        start_s=np.array([0, 2, 3, 0.0]),
        end_s=np.array([2, 4, 9, 9.0]),
    )
    assert overlapping(given_tracks).tolist() == [[0, 1], [1, 2]]


def test_a_low_quality_track_joins_but_does_not_found():
    poor = replace(tracks(("a:0", 0), ("b:0", 0.1)), quality=np.array([0.01, 0.01], np.float32))
    assert set(assign(poor, threshold=THRESHOLD).values()) == {None}
    mixed = replace(tracks(("a:0", 0), ("b:0", 0.1), ("c:0", 0.2)), quality=np.array([1, 1, 0.01], np.float32))
    assert groups(assign(mixed, threshold=THRESHOLD)) == {frozenset({"a:0", "b:0", "c:0"})}


def test_a_low_quality_track_does_not_pull_two_persons_together():
    line = tracks(("a:0", 0), ("b:0", 0), ("c:0", 0.4), ("d:0", 0.8), ("e:0", 0.8))
    line = replace(line, quality=np.array([1, 1, 0.01, 1, 1], np.float32))
    assert len(groups(assign(line, threshold=THRESHOLD))) == 2


def test_two_low_quality_faces_of_one_image_do_not_join_the_same_person():
    crowd = tracks(("a:0", 0), ("b:0", 0), ("c:0", 0.1), ("c:1", 0.2))
    crowd = replace(crowd, quality=np.array([1, 1, 0.01, 0.01], np.float32))
    people = assign(crowd, threshold=THRESHOLD)
    assert people["c:0"] == people["a:0"] and people["c:1"] is None


def test_a_merge_by_the_user_joins_distant_tracks_and_those_like_them():
    line = tracks(("a:0", 0), ("b:0", 0.1), ("c:0", 5), ("d:0", 5.1))
    people = assign(line, threshold=THRESHOLD, must_link=[("a:0", "c:0")])
    assert groups(people) == {frozenset({"a:0", "b:0", "c:0", "d:0"})}


def test_a_merge_by_the_user_outranks_the_one_face_per_frame_rule():
    people = assign(tracks(("a:0", 0), ("a:1", 3)), threshold=THRESHOLD, must_link=[("a:0", "a:1")])
    assert people["a:0"] == people["a:1"] is not None


def test_a_track_linked_to_itself_is_a_person_alone():
    people = assign(tracks(("a:0", 0), ("b:0", 9)), threshold=THRESHOLD, must_link=[("a:0", "a:0")])
    assert people["a:0"] is not None and people["b:0"] is None


def test_a_split_by_the_user_parts_near_tracks_and_their_followers():
    line = tracks(("a:0", 0), ("b:0", 0.02), ("c:0", 0.2), ("d:0", 0.22))
    people = assign(line, threshold=THRESHOLD, cannot_link=[("a:0", "c:0")])
    assert groups(people) == {frozenset({"a:0", "b:0"}), frozenset({"c:0", "d:0"})}


def test_links_to_unknown_tracks_are_ignored():
    people = assign(tracks(("a:0", 0)), threshold=THRESHOLD, must_link=[("a:0", "x:0")], cannot_link=[("x:0", "y:0")])
    assert people == {"a:0": None}


def test_contradicting_links_are_refused():
    line = tracks(("a:0", 0), ("b:0", 0), ("c:0", 0))
    with pytest.raises(UsageError, match="remove one"):
        assign(line, threshold=1, must_link=[("a:0", "b:0"), ("b:0", "c:0")], cannot_link=[("a:0", "c:0")])


def test_a_person_keeps_the_id_that_most_tracks_had():
    line = tracks(("a:0", 0), ("b:0", 0), ("c:0", 0))
    people = assign(line, threshold=THRESHOLD, previous={"a:0": "zoe", "b:0": "zoe", "c:0": "amy"})
    assert set(people.values()) == {"zoe"}


def test_a_tie_of_ids_goes_to_the_smallest():
    people = assign(tracks(("a:0", 0), ("b:0", 0)), threshold=THRESHOLD, previous={"a:0": "zoe", "b:0": "amy"})
    assert set(people.values()) == {"amy"}


def test_after_a_split_one_part_keeps_the_id_and_the_other_gets_a_new_one():
    line = tracks(("a:0", 0), ("b:0", 0), ("c:0", 0.3), ("d:0", 0.3), ("e:0", 0.3))
    before = assign(line, threshold=THRESHOLD)
    after = assign(line, threshold=THRESHOLD, cannot_link=[("a:0", "c:0"), ("b:0", "c:0")], previous=before)
    assert len(groups(before)) == 1 and len(groups(after)) == 2
    assert after["c:0"] == before["c:0"] and after["a:0"] not in (None, before["a:0"])


def test_no_new_id_begins_with_another():
    """A search for a forgotten id in a database's file must not find the id of somebody else."""
    line = tracks(("a:0", 0), ("c:0", 0.3), ("d:0", 0.3))
    alone: Any = {
        "threshold": THRESHOLD,
        "must_link": [("a:0", "a:0")],
        "cannot_link": [("a:0", "c:0"), ("a:0", "d:0")],
    }
    before = assign(line, **alone)
    later = {"a:0": None} | dict.fromkeys(("c:0", "d:0"), before["a:0"])  # the others got the id that its track gives
    after = assign(line, **alone, previous=later)
    ids = {name for name in after.values() if name}
    assert len(ids) == 2 and before["a:0"] in ids
    assert not any(one != other and one.startswith(other) for one in ids for other in ids)


def test_gallery_tracks_of_one_person_are_joined_however_far_apart():
    line = tracks(("a:0", 0), ("b:0", 9), ("c:0", 9.1))
    people = assign(line, threshold=THRESHOLD, gallery={"a:0": "ann", "b:0": "ann"})
    assert people == {"a:0": "ann", "b:0": "ann", "c:0": "ann"}


def test_gallery_tracks_of_two_persons_are_never_one():
    line = tracks(("a:0", 0), ("b:0", 0.01), ("c:0", 0.02))
    people = assign(line, threshold=THRESHOLD, gallery={"a:0": "ann", "b:0": "bea"})
    assert people == {"a:0": "ann", "b:0": "bea", "c:0": "bea"}


def test_people_near_two_gallery_persons_do_not_join_them():
    line = tracks(("a:0", 0), ("b:0", 0.1), ("c:0", 0.3), ("d:0", 0.4))
    people = assign(line, threshold=THRESHOLD, gallery={"a:0": "ann", "d:0": "dora"})
    assert people == {"a:0": "ann", "b:0": "ann", "c:0": "dora", "d:0": "dora"}


def test_one_gallery_track_founds_its_person_even_of_low_quality():
    poor = replace(tracks(("a:0", 0), ("b:0", 9)), quality=np.array([0.01, 1], np.float32))
    assert assign(poor, threshold=THRESHOLD, gallery={"a:0": "ann"}) == {"a:0": "ann", "b:0": None}


def test_a_gallery_person_keeps_the_id_whatever_the_majority_had():
    line = tracks(("a:0", 0), ("b:0", 0), ("c:0", 0))
    before = dict.fromkeys(["a:0", "b:0", "c:0"], "zoe")
    assert set(assign(line, threshold=THRESHOLD, gallery={"a:0": "ann"}, previous=before).values()) == {"ann"}


def test_the_id_of_a_gallery_person_goes_to_nobody_else():
    line = tracks(("a:0", 0), ("b:0", 9), ("c:0", 9), ("d:0", 9))
    before = dict.fromkeys(line.track_id, "ann")
    people = assign(line, threshold=THRESHOLD, gallery={"a:0": "ann"}, previous=before)
    assert people["a:0"] == "ann" and people["b:0"] == people["d:0"] not in (None, "ann")


def test_a_merge_by_the_user_outranks_two_gallery_persons():
    line = tracks(("a:0", 0), ("b:0", 9), ("c:0", 9.1))
    gallery = {"a:0": "bea", "b:0": "ann", "c:0": "ann"}
    people = assign(line, threshold=THRESHOLD, must_link=[("a:0", "b:0")], gallery=gallery)
    assert set(people.values()) == {"ann"}


def test_a_split_within_a_gallery_person_is_refused():
    line = tracks(("a:0", 0), ("b:0", 0))
    with pytest.raises(UsageError, match="remove one"):
        assign(line, threshold=1, cannot_link=[("a:0", "b:0")], gallery={"a:0": "ann", "b:0": "ann"})


def test_a_gallery_track_that_is_gone_is_ignored():
    assert assign(tracks(("a:0", 0)), threshold=THRESHOLD, gallery={"x:0": "ann"}) == {"a:0": None}


def random_tracks(seed: int) -> FaceTracks:
    """Up to 20 tracks in up to 6 media files, around 4 places close enough to be confused."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 20))
    media = rng.integers(6, size=n)
    start = rng.integers(4, size=n).astype(np.float32)
    return FaceTracks(
        track_id=tuple(f"m{file}:{k}" for k, file in enumerate(media)),
        start_s=start,
        end_s=start + rng.integers(2, size=n),
        n_frames=rng.integers(1, 4, size=n),
        quality=rng.choice([0.1, 0.9], size=n, p=[0.3, 0.7]).astype(np.float32),
        template=(rng.integers(4, size=(n, 1)) * 0.6 + rng.normal(scale=0.2, size=(n, 2))).astype(np.float32),
    )


def random_links(given_tracks: FaceTracks, seed: int) -> dict[str, Any]:
    """A few words that do not contradict each other."""
    rng = np.random.default_rng(seed)
    pairs = [tuple(rng.choice(given_tracks.track_id, 2).tolist()) for _ in range(3)]
    must, apart = pairs[:1], [pair for pair in pairs[1:] if pair[0] != pair[1]]
    known = rng.choice(given_tracks.track_id, min(3, len(given_tracks)), replace=False).tolist()
    gallery = dict(zip(known, ["ann", "ann", "bea"], strict=False)) if rng.random() < 0.5 else {}
    return {"must_link": must, "cannot_link": [] if contradicts(must, apart, gallery) else apart, "gallery": gallery}


def contradicts(must, apart, gallery) -> bool:
    """Whether two tracks kept apart are joined by the other words."""
    groups = [set(pair) for pair in must] + [
        {t for t, who in gallery.items() if who == name} for name in gallery.values()
    ]
    for _ in groups:
        groups = [set().union(*(other for other in groups if other & one)) for one in groups]
    return any({a, b} <= group for a, b in apart for group in groups)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), order=st.randoms(use_true_random=False))
def test_people_do_not_depend_on_the_order_of_tracks(seed, order):
    given_tracks = random_tracks(seed)
    links = random_links(given_tracks, seed)
    rows = list(range(len(given_tracks)))
    order.shuffle(rows)
    assert assign(given_tracks[rows], threshold=THRESHOLD, **links) == assign(
        given_tracks, threshold=THRESHOLD, **links
    )


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 7), order=st.randoms(use_true_random=False))
def test_batches_in_any_order_end_in_the_same_people_as_one_run(seed, batch, order):
    given_tracks = random_tracks(seed)
    links = random_links(given_tracks, seed)
    rows = list(range(len(given_tracks)))
    order.shuffle(rows)
    people: dict[str, str | None] = {}
    for end in range(batch, len(rows) + batch, batch):
        new = given_tracks[rows[end - batch : end]].track_id
        seen = given_tracks[rows[:end]]
        people = assign(seen, threshold=THRESHOLD, previous=people, changed={*new, *ends_of(links)}, **links)
    assert groups(people) == groups(assign(given_tracks, threshold=THRESHOLD, **links))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_incremental_step_keeps_ids_as_a_full_run_does(seed):
    given_tracks = random_tracks(seed)
    half = given_tracks[: len(given_tracks) // 2 + 1]
    before = assign(half, threshold=THRESHOLD)
    new = set(given_tracks.track_id) - set(half.track_id)
    partial = assign(given_tracks, threshold=THRESHOLD, previous=before, changed=new)
    assert partial == assign(given_tracks, threshold=THRESHOLD, previous=before)
    assert assign(given_tracks, threshold=THRESHOLD, previous=partial, changed=()) == partial


def ends_of(links) -> set[str]:
    """All tracks that words are about."""
    return {track for name in ("must_link", "cannot_link") for pair in links[name] for track in pair} | set(
        links["gallery"]
    )


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_links_and_overlaps_are_respected(seed):
    given_tracks = random_tracks(seed)
    links = random_links(given_tracks, seed)
    people = assign(given_tracks, threshold=THRESHOLD, **links)
    ids = given_tracks.track_id
    overlaps = {frozenset((ids[a], ids[b])) for a, b in overlapping(given_tracks)}
    gallery = links["gallery"]
    vouched = links["must_link"] + [(a, b) for a in gallery for b in gallery if gallery[a] == gallery[b]]
    joined = components(len(ids), np.array([(ids.index(a), ids.index(b)) for a, b in vouched]).reshape(-1, 2))
    overlaps = {pair for pair in overlaps if len({joined[ids.index(track)] for track in pair}) == 2}
    for a, b in [tuple(pair) for pair in overlaps] + links["cannot_link"]:
        assert people[a] is None or people[a] != people[b]
    for a, b in links["must_link"]:
        assert people[a] == people[b] is not None


def test_similarity_is_one_for_identical_tracks_and_half_at_the_threshold():
    line = tracks(("a:0", 0), ("b:0", 0.5), ("c:0", 3), ("d:0", 3), ("e:0", 9))
    people = {"a:0": "p", "b:0": "p", "c:0": "q", "d:0": "q", "e:0": None}
    found = similarities(line, people, threshold=0.5)
    assert found == {"a:0": 0.5, "b:0": 0.5, "c:0": 1.0, "d:0": 1.0}


def test_the_default_rule_for_a_person_is_two_tracks_or_three_frames():
    assert (Founding().min_tracks, Founding().min_frames) == (2, 3)
