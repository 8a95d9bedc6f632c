"""Edited copies of drawn photos and clips are found; other photos and other takes of one scene are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.people.compare import compare, likenesses
from postlens.tasks.people.duplicates import find_duplicates

from .drawn import EDITS, clip, content, corner_crop, crop, frame, grey, mirror, photo, small

named = pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)


@named
@pytest.mark.parametrize("seed", [1, 2])
def test_an_edited_photo_is_a_copy(edit, seed: int):
    others = [photo(f"other{k}", k, frame(10 + k, 0.0)) for k in range(3)]
    items = [*others, photo("first", 5, frame(seed, 0.0)), photo("copy", 6, edit(frame(seed, 0.0)))]
    assert [(one.later_id, one.first_id) for one in find_duplicates(items)] == [("copy", "first")]


@named
def test_an_edited_clip_is_a_copy(edit):
    items = [clip("other", 0, seed=9), clip("first", 1, seed=1), clip("copy", 2, seed=1, edit=edit)]
    assert [(one.later_id, one.first_id) for one in find_duplicates(items)] == [("copy", "first")]


@pytest.mark.parametrize(
    "how", [{"speed": 1.25}, {"speed": 0.8}, {"trim": (1.0, 3.5)}, {"edit": lambda i: mirror(crop(i))}]
)
def test_a_clip_of_another_speed_or_length_is_a_copy(how):
    assert compare(clip("first", 0, seed=1), clip("copy", 1, seed=1, **how)) is not None


@pytest.mark.parametrize("seed", range(4))
def test_another_take_of_a_scene_is_no_copy(seed: int):
    assert compare(clip("a", 0, seed=seed), clip("b", 1, seed=seed, take=1)) is None


@pytest.mark.parametrize("seed", range(4))
def test_another_photo_of_a_scene_is_no_copy(seed: int):
    assert compare(photo("a", 0, frame(seed, 0.0)), photo("b", 1, frame(seed, 0.0, take=1))) is None


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 99), first=st.integers(0, 6), n=st.integers(8, 10))
def test_a_clip_copies_itself_and_a_cut_of_its_frames_in_either_direction(seed: int, first: int, n: int):
    images, times_s = [frame(seed, at_s / 4) for at_s in range(16)], np.arange(16) / 4
    whole = content("a", 0, images, times_s)
    part = content("b", 1, images[first : first + n], times_s[:n])
    for one in (whole, part):
        assert compare(whole, one) is not None
        assert compare(one, whole) is not None


@settings(deadline=None, max_examples=4)
@given(shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(shuffle):
    edits = enumerate((mirror, crop, corner_crop, grey, small))
    items = [photo(f"p{k}", k, edit(frame(k % 2, 0.0))) for k, edit in edits]
    mixed = list(items)
    shuffle.shuffle(mixed)
    assert find_duplicates(mixed) == find_duplicates(items)


@settings(deadline=None, max_examples=10)
@given(seeds=st.tuples(st.integers(0, 3), st.integers(0, 3)), edit=st.sampled_from(EDITS))
def test_of_two_photos_either_may_be_given_first(seeds, edit):
    a, b = photo("a", 0, frame(seeds[0], 0.0)), photo("b", 1, edit(frame(seeds[1], 0.0)))
    assert (compare(a, b) is None) == (compare(b, a) is None)


def test_what_is_found_does_not_depend_on_what_else_is_compared():
    scenes = [photo(f"p{k}", k, frame(k % 3, 0.0)) for k in range(6)]
    edited = [photo(f"e{k}", k, crop(frame(k % 3, 0.0))) for k in range(6)]
    pairs = [(a, b) for a in scenes for b in edited]
    assert likenesses(pairs) == [likenesses([pair])[0] for pair in pairs]
