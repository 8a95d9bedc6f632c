"""Video bytes to time-stamped RGB frames: key frames first, filled up to the asked rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from postlens.errors import DecodeError
from postlens.media.between import MAX_KEPT, Between, Keep, exact_runs, passing_times
from postlens.media.container import VIDEO_LIMITS, VideoLimits, VideoScan, open_video, scan_video
from postlens.media.display import Display, VideoSample, read_display, show
from postlens.media.image import MAX_SIDE_PX
from postlens.media.probe import StrPath, display_name
from postlens.media.runs import Taken, Taker
from postlens.media.sampling import Run, plan_runs, wanted_times
from postlens.types import FrameBatch

__all__ = [
    "MAX_FRAMES",
    "MIN_FRAMES",
    "RATE_HZ",
    "VIDEO_LIMITS",
    "DecodedVideo",
    "VideoLimits",
    "VideoSample",
    "VideoScan",
    "decode_video",
    "frames_at",
    "iter_frames",
    "scan_video",
]

RATE_HZ: Final = 1.0  # PDQ video matching is defined at 1 frame a second; higher sees shorter appearances, decodes more
MAX_FRAMES: Final = 120  # two minutes at 1 Hz; at 640x360 about 83 MB
MIN_FRAMES: Final = 1  # the rate alone decides; more looks closer at short videos


class DecodedVideo(NamedTuple):
    """Sampled frames of a video, and the fields of its `MediaFile`."""

    frames: FrameBatch  # times from 0 s, ascending; scale is the decoded size / the displayed size
    width_px: int  # as displayed: turned and with square pixels
    height_px: int
    duration_s: float
    frame_rate_hz: float | None
    partial: str | None  # why only a part could be decoded
    between: Between  # the way to the frames between the sampled ones


def decode_video(
    path: StrPath,
    *,
    rate_hz: float = RATE_HZ,
    max_frames: int = MAX_FRAMES,
    min_frames: int = MIN_FRAMES,
    max_side_px: int | None = MAX_SIDE_PX,
    limits: VideoLimits = VIDEO_LIMITS,
    keep: Keep | None = None,
) -> DecodedVideo:
    """Sample a video at `rate_hz`, evenly at less (more) where that gives over `max_frames` (under `min_frames`).

    Each wanted time takes the nearest key frame of its period; where there is none, the group of pictures is decoded up
    to it, without the frames that no other frame needs. Frames are scaled down to `max_side_px` as they are decoded, so
    memory is bounded by `max_frames`, not by the length. The display matrix and the pixel aspect ratio are applied.

    Where frames between two sampled ones are decoded on the way, `keep` is asked with the pictures of the two whether
    some of them shall be kept, at most `MAX_KEPT` of a video.

    A video that ends early or is damaged in places gives the frames that can be decoded and says so in `partial`.

    Raises:
        MediaNotFoundError, UnreadableMediaError, EmptyMediaError: as for images.
        UnsupportedMediaError: no video, or a codec that this build cannot decode.
        NoVideoStreamError: only sound.
        TooLargeError: over `limits`.
        DecodeError: not one frame can be decoded.
    """
    scan = scan_video(path, limits=limits)
    damage: list[str] = []
    times_s = wanted_times(scan.start_s, scan.end_s, rate_hz=rate_hz, max_frames=max_frames, min_frames=min_frames)
    runs = plan_runs(scan.keys, times_s)
    decoded = list(_decoded(path, scan, runs, keep=keep, max_side_px=max_side_px, damage=damage))
    samples = [sample for sample, sampled in decoded if sampled]
    if not samples:
        raise DecodeError(
            f"{display_name(path)}: expected a video, but not one frame can be decoded "
            f"({damage[0] if damage else 'no frames'}); copy or download the file again"
        )
    kept = [sample for sample, sampled in decoded if not sampled]
    samples.sort(key=lambda sample: sample.pts_s)
    width_px, height_px = samples[0].size_px
    return DecodedVideo(
        frames=_batch(samples),
        width_px=width_px,
        height_px=height_px,
        duration_s=scan.duration_s,
        frame_rate_hz=scan.frame_rate_hz,
        partial=scan.partial or (f"some frames are damaged ({damage[0]})" if damage else None),
        between=Between(path, scan, max_side_px, tuple(sorted(kept, key=lambda sample: sample.pts_s))),
    )


def _batch(samples: list[VideoSample]) -> FrameBatch:
    first = samples[0]
    return FrameBatch(
        images=tuple(sample.image for sample in samples),
        pts_s=np.array([sample.pts_s for sample in samples], np.float32),
        index=np.arange(len(samples)),
        scale=max(first.image.shape[:2]) / max(first.size_px),
    )


def iter_frames(
    path: StrPath,
    *,
    scan: VideoScan | None = None,
    rate_hz: float = RATE_HZ,
    max_frames: int = MAX_FRAMES,
    min_frames: int = MIN_FRAMES,
    max_side_px: int | None = MAX_SIDE_PX,
    damage: list[str] | None = None,
) -> Iterator[VideoSample]:
    """The frames of `decode_video` one at a time, for videos whose frames should not all be held in memory.

    Args:
        scan: what `scan_video` returned; read again where absent.
        damage: takes a sentence for each packet that could not be decoded.
    """
    scan = scan or scan_video(path)
    times_s = wanted_times(scan.start_s, scan.end_s, rate_hz=rate_hz, max_frames=max_frames, min_frames=min_frames)
    runs = plan_runs(scan.keys, times_s)
    for sample, _ in _decoded(path, scan, runs, keep=None, max_side_px=max_side_px, damage=damage):
        yield sample


def frames_at(between: Between, times_s: Sequence[float]) -> list[VideoSample]:
    """The frames at times in seconds from the start, in order of time: each the first at or after its time.

    A time that cannot be decoded gives none, two times within one frame give it once. Decoding starts at the key frame
    before each time.
    """
    if not times_s:
        return []
    runs = exact_runs(between.scan.keys, [time_s + between.scan.start_s for time_s in times_s])
    found = _decoded(between.path, between.scan, runs, keep=None, max_side_px=between.max_side_px, damage=None)
    return sorted((sample for sample, _ in found), key=lambda sample: sample.pts_s)


def _decoded(
    path: StrPath,
    scan: VideoScan,
    runs: Sequence[Run],
    *,
    keep: Keep | None,
    max_side_px: int | None,
    damage: list[str] | None,
) -> Iterator[tuple[VideoSample, bool]]:
    """The sampled frames (True) of the runs, and with `keep` some of those between them (False)."""
    passing = passing_times(runs) if keep is not None else {}
    with open_video(path) as (container, stream):
        taker = Taker(stream, damage if damage is not None else [], turned_back=scan.turned_back)
        taken = taker.take(container, {run.key.packet: run for run in runs}, passing)
        display: Display | None = None
        last: VideoSample | None = None
        waiting: list[Taken] = []  # between the last sampled frame and the next one
        n_kept = 0
        for one in taken:
            if not one.sampled:
                waiting.append(one)
                continue
            display = display or read_display(one.frame, stream)
            sample = show(one.frame, one.time_s - scan.start_s, display=display, max_side_px=max_side_px)
            if keep and last and waiting and n_kept + len(waiting) <= MAX_KEPT and keep(last.image, sample.image):
                n_kept += len(waiting)
                for each in waiting:
                    pts_s = each.time_s - scan.start_s
                    yield show(each.frame, pts_s, display=display, max_side_px=max_side_px), False
            last, waiting = sample, []
            yield sample, True
