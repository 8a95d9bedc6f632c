"""Persons to proposals: what probably is one, what probably is two, and never against a user's word."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from postlens.tasks.people.identity import assign
from postlens.tasks.people.suggest import suggest

from .test_identity import tracks

THRESHOLD, LOOSE = 0.5, 0.8
NEAR = (("a:0", 0.0), ("b:0", 0.1), ("c:0", 0.7), ("d:0", 0.8))


def proposals(line, *, threshold=THRESHOLD, loose=LOOSE, **words):
    people = assign(line, threshold=threshold, **words)
    return people, suggest(line, people, threshold=threshold, loose=loose, **words)


def test_two_near_persons_are_probably_one():
    people, (merge,) = proposals(tracks(*NEAR))
    assert merge.kind == "merge" and set(merge.persons) == set(people.values())
    assert {people[track] for track in merge.tracks} == set(merge.persons)
    assert merge.distance == pytest.approx(0.7, abs=1e-5)
    assert 0 < merge.strength < 1


def test_distant_persons_are_not_proposed():
    assert proposals(tracks(("a:0", 0), ("b:0", 0), ("c:0", 3), ("d:0", 3)))[1] == ()


@pytest.mark.parametrize(
    "words",
    [{"cannot_link": [("a:0", "d:0")]}, {"gallery": {"a:0": "ann", "d:0": "dora"}}],
    ids=["cannot_link", "gallery"],
)
def test_persons_that_a_user_keeps_apart_are_not_proposed(words):
    people, found = proposals(tracks(*NEAR), **words)
    assert len(set(people.values())) == 2 and found == ()


def test_persons_seen_at_once_are_not_proposed():
    assert proposals(tracks(("a:0", 0.0), ("b:0", 0.1), ("a:1", 0.7), ("d:0", 0.8)))[1] == ()


@pytest.mark.parametrize("nearer", ["left", "right"])
def test_the_nearest_persons_come_first(nearer):
    places = {"a:0": 0.0, "b:0": 0.05, "c:0": 0.75, "d:0": 0.8, "e:0": 1.42, "f:0": 1.45}
    at = places.values() if nearer == "right" else [1.45 - place for place in reversed(places.values())]
    _, found = proposals(tracks(*zip(places, at, strict=True)))
    assert [one.distance for one in found] == pytest.approx([0.66, 0.75], abs=1e-5)


def test_a_person_in_two_distant_parts_is_probably_two():
    people, (split,) = proposals(tracks(("a:0", 0), ("b:0", 0), ("c:0", 0), ("d:0", 0.48), ("e:0", 0.48)))
    assert split.kind == "split" and split.persons == (people["a:0"],)
    assert split.tracks == ("d:0", "e:0")


def test_a_stray_track_is_no_split():
    assert proposals(tracks(("a:0", 0), ("b:0", 0), ("c:0", 0), ("d:0", 0.48)))[1] == ()


def test_parts_that_a_user_joined_are_no_split():
    line = tracks(("a:0", 0), ("b:0", 0), ("d:0", 5), ("e:0", 5))
    assert proposals(line, must_link=[("a:0", "d:0")])[1] == ()


def test_tracks_of_low_quality_make_no_split():
    line = tracks(("a:0", 0), ("b:0", 0), ("d:0", 0.48), ("e:0", 0.48))
    line = replace(line, quality=np.array([1, 1, 0.1, 0.1], np.float32))
    assert proposals(line)[1] == ()


def test_nobody_gives_no_proposals():
    assert proposals(tracks())[1] == ()


def test_a_person_of_many_tracks_is_looked_at_in_little_memory():
    near = [(f"a{number}:0", 0.3 * number / 2999) for number in range(3000)]
    line = tracks(*near, ("b:0", 0.9), ("c:0", 0.9))
    people = dict.fromkeys(line.track_id, "ann")
    tracemalloc.start()
    (split,) = suggest(line, people, threshold=THRESHOLD, loose=LOOSE)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert split.tracks == ("b:0", "c:0") and split.distance == pytest.approx(0.6, abs=1e-5)
    assert most_bytes < 50 << 20  # of all pairs, the distances alone take 72 MB, in several copies


def test_thousands_of_known_persons_are_kept_apart_in_little_memory():
    line = tracks(*((f"a{number:04}:0", float(number)) for number in range(3000)))
    people = {track: f"person {track}" for track in line.track_id}
    tracemalloc.start()
    assert suggest(line, people, threshold=THRESHOLD, loose=LOOSE, gallery=people) == ()
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 50 << 20  # all 4.5 million pairs would be 700 MB
