"""Appearances to seconds and shares on screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.tasks.people.screen import screen_shares, screen_spans, screen_time_s
from postlens.types import Appearance

times = st.floats(0, 100)


def seen(start_s: float, end_s: float, media: str = "a") -> Appearance:
    return Appearance("ann", "post", media, f"{media}:{start_s}", start_s, end_s, 1.0)


def test_overlapping_appearances_count_their_screen_time_once():
    parts = [seen(0, 4), seen(2, 5), seen(1, 2)]
    assert screen_time_s([*parts, seen(1, 2, "other")]) == 6.0


def test_spans_are_apart_and_in_order():
    assert screen_spans([seen(6, 7), seen(0, 2), seen(1, 3)]) == {"a": [(0, 3), (6, 7)]}


def test_a_share_is_of_videos_of_known_length_only():
    parts = [seen(0, 5), seen(0, 1, "photo"), seen(0, 1, "endless")]
    assert screen_shares(parts, {"a": 20.0, "endless": None}) == {"a": 0.25}


def test_a_track_that_ends_after_the_told_length_is_the_whole_video():
    assert screen_shares([seen(0, 10.2)], {"a": 10.0}) == {"a": 1.0}


@given(spans=st.lists(st.tuples(times, times).map(sorted), min_size=1, max_size=12), seed=st.randoms())
def test_the_order_does_not_matter_and_no_second_counts_twice(spans, seed):
    parts = [seen(start, end) for start, end in spans]
    total = screen_time_s(parts)
    assert 0 <= total <= max(end for _, end in spans) - min(start for start, _ in spans) + 1e-9
    seed.shuffle(parts)
    assert screen_time_s(parts) == pytest.approx(total)
