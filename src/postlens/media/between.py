"""Frames of a video between the sampled ones: kept in passing, or decoded on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from postlens.media.container import VideoScan
from postlens.media.display import VideoSample
from postlens.media.probe import StrPath
from postlens.media.sampling import KeyFrame, Run
from postlens.types import Image

# Seconds between two frames that faces are searched in where they change. Lower finds the begin and end of tracks more
# exactly and decodes and searches more; benchmarks/results/video_faces.csv.
SMALLEST_STEP_S: Final = 0.25
STEPS: Final = 4  # most parts that the time between two sampled frames is divided into: bounds work in long videos
# Decoding a second time stops here: seconds of video, as a share of its length and at least. Higher finds more exact
# begins and ends in videos with rare key frames and restless faces, at up to that share of the decoding time.
MAX_AGAIN_SHARE: Final = 0.2
MIN_AGAIN_S: Final = 10.0
# A run of pictures is decoded on to the next key frame, to see what lies before it, when that is at most this share
# more than the run needs anyway.
MAX_ONWARD_SHARE: Final = 0.25
EARLY: Final = 0.9  # share of the largest distance of key frames: one that comes sooner was put there for a reason
SAME_TIME_S: Final = 1e-3  # two frames of one video are further apart
MAX_KEPT: Final = 60  # frames kept in passing: 42 MB at 640x360

Span = tuple[float, float]  # two times in seconds from the start
Keep = Callable[[Image, Image], bool]  # whether what lies between two sampled frames is worth keeping
Fetch = Callable[[Sequence[float]], list[VideoSample]]


def inner_times(span: Span, *, step_s: float = SMALLEST_STEP_S) -> list[float]:
    """Evenly spaced times inside a span: as many as leave steps of at least about `step_s`, at most `STEPS` - 1."""
    n_steps = min(STEPS, round((span[1] - span[0]) / step_s))
    return [span[0] + (span[1] - span[0]) * k / n_steps for k in range(1, n_steps)]


def passing_times(runs: Sequence[Run]) -> dict[int, tuple[float, ...]]:
    """Key packet of a run to the times at which frames between its sampled ones come by anyway.

    A run that reaches nearly to the next one's key frame goes on to it. Runs ascend.
    """
    times_s = [time_s for run in runs for time_s in run.times_s]
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else SMALLEST_STEP_S
    apart_s = max(SMALLEST_STEP_S, step_s / STEPS)
    found: dict[int, tuple[float, ...]] = {}
    for run, following in zip(runs, (*runs[1:], None), strict=True):
        start_s, last_s = run.key.time_s, run.times_s[-1]
        onward_s = following.key.time_s - last_s if following else 0.0
        goes_on = 0 < onward_s <= min(step_s, MAX_ONWARD_SHARE * (last_s - start_s))
        end_s = last_s + onward_s if goes_on else last_s
        grid = start_s + apart_s * np.arange(int((end_s - start_s) / apart_s) + 1)  # the key frame itself first
        near = np.abs(grid[:, None] - np.array(run.times_s)).min(axis=1) < apart_s / 2
        near[0] = abs(start_s - run.times_s[0]) < SAME_TIME_S
        found[run.key.packet] = tuple(grid[~near & (grid < end_s)].tolist())
    return found


def exact_runs(keys: Sequence[KeyFrame], times_s: Sequence[float]) -> list[Run]:
    """The runs that reach each time from the key frame before it (for the first, after it)."""
    key_times = np.array([key.time_s for key in keys])
    wants: dict[int, list[float]] = {}
    for time_s in sorted(times_s):
        group = max(int(np.searchsorted(key_times, time_s + SAME_TIME_S, side="right")) - 1, 0)
        wants.setdefault(group, []).append(time_s)
    return [Run(keys[group], tuple(wants[group])) for group in sorted(wants)]


@dataclass(frozen=True, slots=True)
class Between:
    """What is needed to look between the sampled frames of one video; times are seconds from its start."""

    path: StrPath
    scan: VideoScan
    max_side_px: int | None
    kept: tuple[VideoSample, ...]  # in order of time

    def inside(self, spans: Sequence[Span], *, fetch: Fetch) -> list[list[VideoSample]]:
        """Frames inside each span, in order of time: kept ones, else decoded; first spans first when work runs out.

        `fetch` decodes frames at given times.
        """
        inner = [self.kept_inside(span) for span in spans]
        missing = [i for i, own in enumerate(inner) if not own]
        affordable = self._affordable([spans[i] for i in missing])
        wanted = {i: inner_times(spans[i]) for i, fits in zip(missing, affordable, strict=True) if fits}
        samples = fetch([time_s for times_s in wanted.values() for time_s in times_s])
        for i in wanted:
            low, high = spans[i]
            inner[i] = [one for one in samples if low + SAME_TIME_S < one.pts_s < high - SAME_TIME_S]
        return inner

    def early_keys(self, span: Span) -> list[float]:
        """Times of the key frames after a span's start, up to its end, that begin a group of pictures before its time.

        Encoders that see a cut put a key frame there (libx264's scenecut); the others come at an even distance, the
        largest there is.
        """
        begins = np.array([key.time_s for key in self.scan.keys]) - self.scan.start_s
        gaps = np.diff(begins, prepend=begins[0])
        within = (begins > span[0] + SAME_TIME_S) & (begins < span[1] + SAME_TIME_S)
        found: list[float] = begins[within & (gaps < EARLY * gaps.max(initial=0))].tolist()
        return found

    def kept_inside(self, span: Span) -> list[VideoSample]:
        """Frames inside a span that were kept in passing."""
        return [one for one in self.kept if span[0] + SAME_TIME_S < one.pts_s < span[1] - SAME_TIME_S]

    def _affordable(self, spans: Sequence[Span]) -> list[bool]:
        """Which spans can be decoded within the bound, in their order; spans of one group of pictures share."""
        begins = np.array([key.time_s for key in self.scan.keys]) - self.scan.start_s
        ends = np.append(begins[1:], np.inf)
        reached = begins.copy()  # up to where each group will be decoded
        left_s = max(MIN_AGAIN_S, MAX_AGAIN_SHARE * self.scan.duration_s)
        fits: list[bool] = []
        for low_s, high_s in spans:
            touched = (ends > low_s) & (begins < high_s)
            further = np.where(touched, np.maximum(reached, np.minimum(high_s, ends)), reached)
            cost_s = float((further - reached).sum())
            fits.append(cost_s <= left_s)
            if fits[-1]:
                left_s, reached = left_s - cost_s, further
        return fits
