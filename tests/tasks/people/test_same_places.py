"""Where and when faces of a file are in a copy of it."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.tasks.people.hashes import mirrored
from postlens.tasks.people.same_places import Clip, keeps_frame, moments_of
from postlens.types import FrameHashes

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (60, 48, 48)).astype(np.uint8)
BITS = RNG.integers(0, 256, (60, 32)).astype(np.uint8)


def clip(seconds: slice, *, length_s: float | None = None, turned: bool = False, noise: int = 0) -> Clip:
    """Some of sixty seconds of unlike frames, one a second."""
    bits, sketch = BITS[seconds], PICTURES[seconds]
    if turned:
        bits = mirrored(bits.copy().view(np.uint64)).view(np.uint8)
        sketch = sketch[:, :, ::-1]
    sketch = np.clip(sketch.astype(int) + np.random.default_rng(1).integers(-noise, noise + 1, sketch.shape), 0, 255)
    n = len(bits)
    length = float(n) if length_s is None else length_s
    times = np.linspace(0, length, n, endpoint=False).astype(np.float32)
    return Clip(length, 1.5, FrameHashes(bits, np.full(n, 90), times, sketch.astype(np.uint8)))


WHOLE = clip(slice(None))


def moments(at_s: float, copy: Clip) -> tuple[bool, ...]:
    """For each second of the copy whether the face may be seen in it."""
    times = np.arange(int(copy.length_s), dtype=np.float32)
    found = moments_of(np.array([at_s], np.float32), WHOLE, copy)
    return tuple(found.near(times, times).any(axis=1).tolist())


def seconds(flags: tuple[bool, ...]) -> list[int]:
    return np.flatnonzero(flags).tolist()


@pytest.mark.parametrize(
    ("copy", "whole"),
    [
        (clip(slice(None), noise=8), True),
        (clip(slice(20, 40), noise=8), True),
        (clip(slice(None), turned=True), False),
        (clip(slice(20, 40), turned=True), False),
        (Clip(60.0, 1.0, WHOLE.hashes), False),  # another shape
        (Clip(60.0, 1.5, None), False),  # nothing known of its frames
    ],
)
def test_copies_that_keep_the_frame_are_told_from_those_that_move_it(copy, whole):
    assert keeps_frame(WHOLE, copy) == keeps_frame(copy, WHOLE) == whole


def test_a_crop_moves_the_frame():
    fine = np.kron(RNG.integers(0, 256, (12, 12)), np.ones((8, 8)))  # 96 x 96
    cut = fine[8:-8, 8:-8]
    pictures = [one[np.ix_(*(np.linspace(0, side - 1, 48).astype(int) for side in one.shape))] for one in (fine, cut)]
    original, crop = (
        Clip(0.0, 1.0, FrameHashes(BITS[:1], np.array([90]), np.zeros(1, np.float32), one[None].astype(np.uint8)))
        for one in pictures
    )
    assert keeps_frame(original, original)
    assert not keeps_frame(original, crop)


def test_copies_of_one_length_have_equal_times():
    assert seconds(moments(30, clip(slice(None), noise=8))) == [30]


@pytest.mark.parametrize("turned", [False, True])
def test_times_of_a_cut_follow_from_its_frames(turned):
    cut = clip(slice(20, 40), turned=turned)
    assert 10 in seconds(moments(30, cut))
    assert len(seconds(moments(30, cut))) <= 3
    assert 5 not in seconds(moments(50, cut))


def test_times_of_a_faster_copy_are_relative():
    assert {19, 20} & set(seconds(moments(30, clip(slice(None), length_s=40.0))))
    assert len(seconds(moments(30, clip(slice(None), length_s=40.0)))) <= 4


def test_every_moment_counts_where_no_frame_is_near():
    other = Clip(10.0, 1.5, FrameHashes(~BITS[:10], np.full(10, 90), np.arange(10, dtype=np.float32)))
    assert seconds(moments(30, other)) == list(range(10))


def test_frames_far_apart_stand_for_more_time():
    sparse = Clip(60.0, 1.5, FrameHashes(BITS[:6], np.full(6, 90), np.arange(0, 60, 10, dtype=np.float32)))
    assert seconds(moments(30, sparse)) == list(range(25, 36))
