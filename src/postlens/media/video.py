"""Video bytes to time-stamped RGB frames: key frames first, filled up to the asked rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import av.error
import numpy as np

from postlens.errors import DecodeError
from postlens.media.container import VIDEO_LIMITS, VideoLimits, VideoScan, open_video, packets, presented_s, scan_video
from postlens.media.display import Display, VideoSample, read_display, show
from postlens.media.image import MAX_SIDE_PX
from postlens.media.probe import StrPath, display_name
from postlens.media.sampling import Run, plan_runs, wanted_times
from postlens.types import FrameBatch

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

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
    "iter_frames",
    "scan_video",
]

RATE_HZ: Final = 1.0  # PDQ video matching is defined at 1 frame a second; higher sees shorter appearances, decodes more
MAX_FRAMES: Final = 120  # two minutes at 1 Hz; at 640x360 about 83 MB
MIN_FRAMES: Final = 1  # the rate alone decides; more looks closer at short videos
_SAME_TIME_S: Final = 1e-4


class DecodedVideo(NamedTuple):
    """Sampled frames of a video, and the fields of its `MediaFile`."""

    frames: FrameBatch  # times from 0 s, ascending; scale is the decoded size / the displayed size
    width_px: int  # as displayed: turned and with square pixels
    height_px: int
    duration_s: float
    frame_rate_hz: float | None
    partial: str | None  # why only a part could be decoded


def decode_video(
    path: StrPath,
    *,
    rate_hz: float = RATE_HZ,
    max_frames: int = MAX_FRAMES,
    min_frames: int = MIN_FRAMES,
    max_side_px: int | None = MAX_SIDE_PX,
    limits: VideoLimits = VIDEO_LIMITS,
) -> DecodedVideo:
    """Sample a video at `rate_hz`, evenly at less (more) where that gives over `max_frames` (under `min_frames`).

    Each wanted time takes the nearest key frame of its period; where there is none, the group of pictures is decoded up
    to it, without the frames that no other frame needs. Frames are scaled down to `max_side_px` as they are decoded, so
    memory is bounded by `max_frames`, not by the length. The display matrix and the pixel aspect ratio are applied.

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
    samples = list(
        iter_frames(
            path,
            scan=scan,
            rate_hz=rate_hz,
            max_frames=max_frames,
            min_frames=min_frames,
            max_side_px=max_side_px,
            damage=damage,
        )
    )
    if not samples:
        raise DecodeError(
            f"{display_name(path)}: expected a video, but not one frame can be decoded "
            f"({damage[0] if damage else 'no frames'}); copy or download the file again"
        )
    samples.sort(key=lambda sample: sample.pts_s)
    width_px, height_px = samples[0].size_px
    return DecodedVideo(
        frames=_batch(samples),
        width_px=width_px,
        height_px=height_px,
        duration_s=scan.duration_s,
        frame_rate_hz=scan.frame_rate_hz,
        partial=scan.partial or (f"some frames are damaged ({damage[0]})" if damage else None),
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
    runs = {run.key.packet: run for run in plan_runs(scan.keys, times_s)}
    with open_video(path) as (container, stream):
        taker = _Taker(stream, damage if damage is not None else [])
        display: Display | None = None
        for frame, time_s in taker.take(container, runs):
            display = display or read_display(frame, stream)
            yield show(frame, time_s - scan.start_s, display=display, max_side_px=max_side_px)


class _Taker:
    """Feeds the packets of the planned runs to the decoder and picks the wanted frames from what comes out."""

    def __init__(self, stream: VideoStream, damage: list[str]) -> None:
        self._stream = stream
        self._decoder = stream.codec_context
        self._damage = damage
        self._decoder.skip_frame = "NONREF"  # a fill-in frame may be a few frames off; key frames always come

    def take(self, container: InputContainer, runs: dict[int, Run]) -> Iterator[tuple[VideoFrame, float]]:
        """The wanted frames and their times, run by run."""
        picker: _Picker | None = None
        last_packet = max(runs, default=-1)
        for number, packet in enumerate(packets(container, self._stream, self._damage)):
            if number in runs:
                yield from self._finish(picker)
                picker = _Picker(runs[number])
            if picker is None:
                if number > last_packet:
                    return
                continue
            yield from picker.offer(self._decode(packet))
            if picker.done or presented_s(packet, self._stream) >= picker.last_s - _SAME_TIME_S:
                yield from self._finish(picker)
                picker = None
        yield from self._finish(picker)

    def _finish(self, picker: _Picker | None) -> Iterator[tuple[VideoFrame, float]]:
        """Take what the decoder still holds back, and make it ready for another group of pictures."""
        if picker is None:
            return
        yield from picker.offer(self._decode(None))
        yield from picker.rest()
        self._decoder.flush_buffers()

    def _decode(self, packet: Packet[Any] | None) -> list[tuple[VideoFrame, float]]:
        if packet is not None and packet.is_corrupt:
            return []
        try:
            frames: list[VideoFrame] = self._decoder.decode(packet)
        except av.error.EOFError:  # drained before
            return []
        except av.error.FFmpegError as error:
            self._damage.append(str(error.strerror or error))
            return []
        return [(frame, presented_s(frame, self._stream)) for frame in frames if not frame.is_corrupt]


class _Picker:
    """Picks the frames of one run: for each wanted time the first frame at or after it, at the end the last one."""

    def __init__(self, run: Run) -> None:
        self._times_s = list(run.times_s)
        self._last: tuple[VideoFrame, float] | None = None
        self.last_s = run.times_s[-1]

    @property
    def done(self) -> bool:
        return not self._times_s

    def offer(self, frames: list[tuple[VideoFrame, float]]) -> Iterator[tuple[VideoFrame, float]]:
        for frame, time_s in frames:
            wanted = [wanted_s for wanted_s in self._times_s if wanted_s <= time_s + _SAME_TIME_S]
            self._times_s = self._times_s[len(wanted) :]
            self._last = None if wanted else (frame, time_s)
            if wanted:
                yield frame, time_s

    def rest(self) -> Iterator[tuple[VideoFrame, float]]:
        if self._times_s and self._last is not None:
            yield self._last
