from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.media.sampling import KeyFrame, plan_runs, wanted_times

seconds = st.floats(0, 5000)


def keys_at(*times_s: float) -> list[KeyFrame]:
    return [KeyFrame(packet=i * 10, time_s=time_s) for i, time_s in enumerate(times_s)]


@given(start_s=seconds, duration_s=seconds, rate_hz=st.floats(0.1, 5), max_frames=st.integers(1, 300))
def test_wanted_times_ascend_within_the_video_and_the_limit(
    start_s: float, duration_s: float, rate_hz: float, max_frames: int
) -> None:
    times_s = wanted_times(start_s, start_s + duration_s, rate_hz=rate_hz, max_frames=max_frames)
    assert 1 <= len(times_s) <= max_frames
    assert times_s[0] == start_s
    assert times_s == sorted(times_s)
    assert times_s[-1] <= start_s + duration_s + 1e-6


def test_a_long_video_is_sampled_evenly_to_its_end() -> None:
    assert wanted_times(0, 100, rate_hz=1, max_frames=4) == [0, 25, 50, 75]


@pytest.mark.parametrize(
    ("duration_s", "min_frames", "expected"),
    [(2, 4, [0, 0.5, 1, 1.5]), (5, 4, [0, 1, 2, 3, 4]), (0, 4, [0]), (2, 1, [0, 1])],
)
def test_a_short_video_is_sampled_at_the_fewest_frames(
    duration_s: float, min_frames: int, expected: list[float]
) -> None:
    assert wanted_times(0, duration_s, rate_hz=1, max_frames=9, min_frames=min_frames) == expected


def test_a_key_frame_per_period_needs_nothing_else() -> None:
    runs = plan_runs(keys_at(0, 1.1, 1.9, 3), [0, 1, 2, 3])
    assert [run.times_s for run in runs] == [(0,), (1.1,), (1.9,), (3,)]


def test_of_many_key_frames_the_nearest_to_each_time_is_taken() -> None:
    runs = plan_runs(keys_at(0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.2), [0, 1])
    assert [run.times_s for run in runs] == [(0,), (0.9,)]


def test_rare_key_frames_are_filled_up_by_decoding_on() -> None:
    runs = plan_runs(keys_at(0, 4), [0, 1, 2, 3, 4, 5])
    assert [(run.key.time_s, run.times_s) for run in runs] == [(0, (0, 1, 2, 3)), (4, (4, 5))]


def test_times_before_the_first_key_frame_cannot_be_met() -> None:
    assert [run.times_s for run in plan_runs(keys_at(2.4), [0, 1, 2, 3])] == [(2.4, 3)]


@given(gaps_s=st.lists(st.floats(0.05, 9), max_size=40), duration_s=st.floats(0.5, 100), max_frames=st.integers(1, 60))
def test_each_wanted_time_is_met_once_within_a_period(gaps_s: list[float], duration_s: float, max_frames: int) -> None:
    times_s = wanted_times(0, duration_s, rate_hz=1, max_frames=max_frames)
    keys = keys_at(*(sum(gaps_s[:i]) for i in range(len(gaps_s) + 1)))
    runs = plan_runs(keys, times_s)
    met = sorted(time_s for run in runs for time_s in run.times_s)
    assert len(met) == len(times_s)
    step_s = times_s[1] if len(times_s) > 1 else float("inf")
    assert all(abs(a - b) <= step_s / 2 + 1e-6 for a, b in zip(met, times_s, strict=True))
    assert all(run.key.time_s <= run.times_s[0] for run in runs)
    assert [run.key.packet for run in runs] == sorted({run.key.packet for run in runs})


@pytest.mark.parametrize("times_s", [[0.0], [0.0, 1.0]])
def test_no_key_frames_give_no_runs(times_s: list[float]) -> None:
    assert plan_runs([], times_s) == []
