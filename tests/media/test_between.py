"""Frames between the sampled ones: which come by anyway, which are decoded again, and at what cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.media.between import MAX_KEPT, SMALLEST_STEP_S, STEPS, exact_runs, inner_times, passing_times
from postlens.media.sampling import KeyFrame, Run, plan_runs, wanted_times
from postlens.media.video import decode_video, frames_at

from .samples import frame_of, write_video


def keys_at(*times_s: float) -> list[KeyFrame]:
    return [KeyFrame(packet=i * 10, time_s=time_s) for i, time_s in enumerate(times_s)]


def always(*_: object) -> bool:
    return True


@given(start_s=st.floats(0, 9000), length_s=st.floats(0, 200))
def test_inner_times_lie_inside_evenly_and_are_few(start_s: float, length_s: float) -> None:
    times_s = inner_times((start_s, start_s + length_s))
    assert len(times_s) < STEPS
    assert all(start_s < time_s < start_s + length_s for time_s in times_s)
    assert all(b - a >= SMALLEST_STEP_S * 0.6 for a, b in zip([start_s, *times_s], times_s, strict=False))


@given(gaps_s=st.lists(st.floats(0.05, 20), max_size=20), duration_s=st.floats(0.5, 100))
def test_passing_frames_cost_no_further_group_and_are_none_of_the_sampled(
    gaps_s: list[float], duration_s: float
) -> None:
    keys = keys_at(*(sum(gaps_s[:i]) for i in range(len(gaps_s) + 1)))
    runs = plan_runs(keys, wanted_times(0, duration_s, rate_hz=1, max_frames=60))
    found = passing_times(runs)
    ends_s = [run.key.time_s for run in runs[1:]] + [np.inf]
    for run, end_s in zip(runs, ends_s, strict=True):
        times_s = found[run.key.packet]
        assert all(run.key.time_s - 1e-9 <= time_s < end_s for time_s in times_s)
        assert not set(times_s) & set(run.times_s)
        assert len(times_s) <= STEPS * (len(run.times_s) + 2 + run.times_s[-1] - run.key.time_s)


def test_a_time_is_reached_from_the_key_frame_before_it() -> None:
    assert exact_runs(keys_at(0, 4), [5, 1, 2]) == [Run(KeyFrame(0, 0), (1, 2)), Run(KeyFrame(10, 4), (5,))]


@pytest.mark.parametrize("gop", [1, 10, 50])
def test_frames_at_times_are_those_frames(gop: int, tmp_path: Path) -> None:
    between = decode_video(write_video(tmp_path / "clip.mkv", codec="mpeg4", gop=gop)).between
    samples = frames_at(between, [0.3, 2.5, 4.1])
    assert [sample.pts_s for sample in samples] == pytest.approx([0.3, 2.5, 4.1], abs=0.01)
    assert [frame_of(sample.image) for sample in samples] == pytest.approx([3, 25, 41], abs=1)
    assert frames_at(between, []) == []


def test_rare_key_frames_give_the_frames_between_in_passing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", codec="mpeg4", gop=50)
    decoded = decode_video(path, keep=always)
    assert 9 <= len(decoded.between.kept) <= 3 * 5
    assert not set(decoded.frames.pts_s.tolist()) & {np.float32(one.pts_s) for one in decoded.between.kept}
    assert decode_video(path, keep=lambda *_: False).between.kept == ()


def test_keeping_changes_nothing_about_the_sampled_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", gop=25)
    plain, kept = decode_video(path).frames, decode_video(path, keep=always).frames
    assert plain.pts_s.tolist() == kept.pts_s.tolist()
    assert all((a == b).all() for a, b in zip(plain.images, kept.images, strict=True))


def test_kept_frames_are_bounded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", codec="mpeg4", n_frames=58, rate_hz=2, gop=100)
    assert len(decode_video(path, keep=always).between.kept) <= MAX_KEPT


def test_decoding_again_stops_at_its_bound_and_first_spans_come_first(tmp_path: Path) -> None:
    between = decode_video(write_video(tmp_path / "clip.mkv", codec="mpeg4", n_frames=58, rate_hz=2, gop=100)).between
    asked: list[float] = []

    def fetch(times_s):  # type: ignore[no-untyped-def]
        asked.extend(times_s)
        return []

    between.inside([(1, 2), (27, 28)], fetch=fetch)
    assert asked
    assert max(asked) < 2


def test_a_key_frame_before_its_time_is_seen(tmp_path: Path) -> None:
    between = decode_video(write_video(tmp_path / "clip.mp4", gop=10)).between
    assert between.early_keys((0, 5)) == []
