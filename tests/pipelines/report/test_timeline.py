"""Appearances as bars over the length of a video, with the same in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.pipelines.report import TIMELINES_SHOWN, render
from postlens.pipelines.report.cards import post_cards
from postlens.pipelines.report.timeline import PEOPLE_PER_VIDEO, clock, shown_videos, timelines
from postlens.types import Appearance

from ..campaigns import campaign, person
from ..pages import Page


def videos(n: int, people, *, length_s: float | None = 20.0):
    """A campaign of one creator whose n posts are videos; `people` are (person_id, [(post, start, end), ...])."""
    shown = campaign(1, n)
    posts = [replace(p, media=(replace(p.media[0], kind="video", duration_s=length_s),)) for p in shown.posts]
    answers = [person(name, appearances=tuple(seen(name, *one) for one in spans)) for name, spans in people]
    return replace(shown, posts=tuple(posts), people=tuple(answers))


def seen(name: str, post: int, start_s: float, end_s: float) -> Appearance:
    return Appearance(name, f"post-{post}", f"{post:064x}", f"{post:064x}:{start_s}", start_s, end_s, 0.9)


def drawn(shown):
    return timelines(shown, post_cards(shown, {}, {}), {})


def test_a_person_is_a_row_of_bars_with_the_times_beside():
    (one,) = drawn(videos(1, [("a", [(0, 10, 15), (0, 0, 5)])]))
    (row,) = one.rows
    assert (row.label, row.bars, row.times) == ("Person 1", ((0, 25), (50, 25)), "0.0 s to 5.0 s, 10.0 s to 15.0 s")
    assert (row.screen_time_s, row.share, one.length_s) == (10, 0.5, 20)


def test_those_longest_on_screen_come_first_and_the_rest_is_counted():
    crowd = [(f"p{n}", [(0, 0, 1 + n)]) for n in range(PEOPLE_PER_VIDEO + 3)]
    (one,) = drawn(videos(1, crowd))
    assert one.rows[0].label == f"Person {PEOPLE_PER_VIDEO + 3}"
    assert (len(one.rows), one.n_people, one.n_more) == (PEOPLE_PER_VIDEO, PEOPLE_PER_VIDEO + 3, 3)


def test_videos_with_the_most_people_come_first():
    shown = videos(3, [("a", [(0, 0, 9), (1, 0, 1), (2, 0, 5)]), ("b", [(1, 0, 1)])])
    keys, n = shown_videos(shown)
    assert ([post_id for post_id, _ in keys], n) == (["post-1", "post-0", "post-2"], 3)


def test_of_many_videos_the_first_are_shown_and_all_are_counted():
    n = TIMELINES_SHOWN + 4
    shown = videos(n, [("a", [(post, 0, 1) for post in range(n)])])
    text = Page(render(shown, thumbnails={})).text
    assert f"The {TIMELINES_SHOWN} of {n} videos" in text


def test_photos_have_no_timeline():
    assert drawn(campaign()) == []


@pytest.mark.parametrize("told", [None, 4.0])
def test_a_video_of_unknown_or_too_short_a_length_is_as_long_as_what_is_seen(told):
    (one,) = drawn(videos(1, [("a", [(0, 2, 8)])], length_s=told))
    assert (one.length_s, one.rows[0].bars) == (8, ((25, 75),))


def test_many_appearances_are_named_in_part():
    (one,) = drawn(videos(1, [("a", [(0, 2.0 * n, 2.0 * n + 0.5) for n in range(7)])]))
    assert one.rows[0].times.endswith("and 3 more")


@given(
    spans=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted), min_size=1, max_size=60),
    length_s=st.none() | st.floats(0.1, 200),
)
def test_bars_lie_inside_in_order_and_are_seen(spans, length_s):
    (one,) = drawn(videos(1, [("a", [(0, start, end) for start, end in spans])], length_s=length_s))
    (row,) = one.rows
    ends = [(left, left + width) for left, width in row.bars]
    assert all(-0.01 <= left < right <= 100.7 for left, right in ends)
    assert [left for left, _ in ends] == sorted(left for left, _ in ends)
    assert 0 <= row.share <= 1.000001


@pytest.mark.parametrize(("value", "text"), [(0, "0:00"), (75.2, "1:15"), (3725, "1:02:05"), (59.9, "0:59")])
def test_clocks(value, text):
    assert clock(value) == text
