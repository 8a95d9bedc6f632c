"""A video file to its packets: what it declares, what is really there, and where its key frames are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import av
import av.error
import av.stream

from postlens.errors import DecodeError, NoVideoStreamError, TooLargeError, UnsupportedMediaError
from postlens.media.probe import StrPath, display_name, kind_of_format, media_format, open_file, read_head
from postlens.media.sampling import KeyFrame
from postlens.media.stills import check_pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_READ_BYTES: Final = 1 << 18  # one call into Python per 256 KiB
# How much may be missing at the end before a video counts as partial: encoders end streams a little unevenly. By
# convention, not measured. Higher misses more cut-off files; lower calls more whole ones partial.
_MISSING_S: Final = 1.0
_MISSING_SHARE: Final = 0.02
_MISSING_PACKETS: Final = 2


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What is refused before decoding. Higher admits longer or larger videos and takes more time and memory."""

    max_pixels: int = 89_478_485  # of one frame, as for images
    max_duration_s: float = 4 * 3600.0  # longer recordings are no posts; reading them through takes minutes


VIDEO_LIMITS: Final = VideoLimits()


class VideoScan(NamedTuple):
    """What reading a video through without decoding shows."""

    start_s: float
    end_s: float
    frame_rate_hz: float | None
    keys: tuple[KeyFrame, ...]
    partial: str | None  # why only a part can be read
    turned_back: bool = False  # whether some pictures are shown before one that comes earlier in the file

    @property
    def duration_s(self) -> float:
        """Seconds that can be read."""
        return self.end_s - self.start_s


def scan_video(path: StrPath, *, limits: VideoLimits = VIDEO_LIMITS) -> VideoScan:
    """Read a video through without decoding: its key frames, its true length, and whether its end is missing.

    Raises:
        As `decode_video`.
    """
    name = display_name(path)
    with open_video(path) as (container, stream):
        check_pixels(stream.width, stream.height, max_pixels=limits.max_pixels, name=name)
        _check_duration(container, limits=limits, name=name)
        damage: list[str] = []
        times_s, keys, end_s = _read_through(container, stream, damage)
        if not times_s:
            raise DecodeError(f"{name}: expected a video, but its data is missing; copy or download the file again")
        rate_hz = float(stream.average_rate) if stream.average_rate else None
        start_s = min(times_s)
        return VideoScan(
            start_s=start_s,
            end_s=max(times_s) + (1 / rate_hz if rate_hz else 0.0),
            frame_rate_hz=rate_hz,
            keys=tuple(keys) or (KeyFrame(0, start_s),),
            partial=_partial(container, stream, n_packets=len(times_s), end_s=end_s, damage=damage),
            turned_back=any(after < before for before, after in pairwise(times_s)),
        )


def _read_through(
    container: InputContainer, stream: VideoStream, damage: list[str]
) -> tuple[list[float], list[KeyFrame], float]:
    """Times of all video packets, the key frames in order of time, and the end of the longest stream."""
    times_s: list[float] = []
    keys: list[KeyFrame] = []
    ends = dict.fromkeys(range(len(container.streams)), 0)  # in the ticks of each stream
    video, ticks = stream.index, Ticks.of(stream)
    for packet in packets(container, None, damage):
        number, time = packet.stream_index, ticks_of(packet)
        ends[number] = max(ends.get(number, 0), time + (packet.duration or 0))
        if number != video:
            continue
        time_s = ticks.seconds(time)
        if packet.is_keyframe:
            keys.append(KeyFrame(len(times_s), time_s))
        if packet.is_corrupt:
            damage.append("the last packet is cut off")
        times_s.append(time_s)
    end_s = max(Ticks.of(container.streams[number]).seconds(end) for number, end in ends.items())
    return times_s, sorted(keys, key=lambda key: key.time_s), end_s


def _partial(
    container: InputContainer, stream: VideoStream, *, n_packets: int, end_s: float, damage: list[str]
) -> str | None:
    """Why the video is only a part of what its header declares, or None."""
    missing = stream.frames - n_packets
    if missing > max(_MISSING_PACKETS, _MISSING_SHARE * stream.frames):
        return f"the file ends early: {n_packets} of {stream.frames} frames are there"
    declared_s = (container.duration or 0) / av.time_base
    start_s = (container.start_time or 0) / av.time_base
    if not stream.frames and declared_s - (end_s - start_s) > max(_MISSING_S, _MISSING_SHARE * declared_s):
        return f"the file ends early: {end_s - start_s:.1f} of {declared_s:.1f} s are there"
    return f"the file is damaged: {damage[0]}" if damage else None


def _check_duration(container: InputContainer, *, limits: VideoLimits, name: str) -> None:
    duration_s = (container.duration or 0) / av.time_base
    if duration_s > limits.max_duration_s:
        raise TooLargeError(
            f"{name}: expected a video of at most {limits.max_duration_s:,.0f} s, got {duration_s:,.0f} s; cut it first"
        )


@contextmanager
def open_video(path: StrPath) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video stream, set to decode in one thread.

    The demuxer is named, and bytes are read through Python's file: FFmpeg neither guesses formats that open further
    files or addresses (playlists), nor takes a path for a protocol, and names that are no UTF-8 work.
    """
    name = display_name(path)
    form = media_format(read_head(path), name=name)
    if kind_of_format(form) != "video":
        raise UnsupportedMediaError(f"{name}: expected a video, got an image ({form}); decode it as an image")
    with open_file(path) as file, _open_container(file, form, name) as container:
        stream = _video_stream(container, name)
        stream.codec_context.thread_count = 1  # workers run in parallel already
        yield container, stream


def _open_container(file: BinaryIO, form: str, name: str) -> InputContainer:
    try:
        return av.open(file, mode="r", format=form, metadata_errors="replace", buffer_size=_READ_BYTES)
    except av.error.FFmpegError as error:
        raise DecodeError(
            f"{name}: expected a video, got damaged data ({error.strerror or error}); a file whose end is missing "
            "often lacks its index: copy or download it again"
        ) from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    stream: Any = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        kinds = ", ".join(sorted({other.type for other in container.streams})) or "no stream at all"
        raise NoVideoStreamError(f"{name}: expected a video stream, got {kinds}; remove it from the source")
    if stream.codec_context is None:
        raise UnsupportedMediaError(f"{name}: no decoder for this video's codec; convert it to H.264 in MP4")
    return stream  # type: ignore[no-any-return]


def packets(container: InputContainer, stream: VideoStream | None, damage: list[str]) -> Iterator[Packet[Any]]:
    """All packets with data, of one stream or of all; a read error ends them and is noted."""
    try:
        for packet in container.demux(*([stream] if stream is not None else [])):
            if packet.size:
                yield packet
    except av.error.FFmpegError as error:
        damage.append(f"reading stopped: {error.strerror or error}")


class Ticks(NamedTuple):
    """A stream's unit of time as a fraction of a second; whole numbers, since a Fraction takes 15 us a packet."""

    numerator: int
    denominator: int

    @classmethod
    def of(cls, stream: Any) -> Ticks:
        """The unit of a stream; without one, times count as seconds."""
        base = stream.time_base
        return cls(1, 1) if base is None else cls(base.numerator, base.denominator)

    def seconds(self, ticks: int) -> float:
        """A time or duration in seconds."""
        return ticks * self.numerator / self.denominator


def ticks_of(item: Packet[Any] | VideoFrame) -> int:
    """Presentation time in the ticks of its stream; the decoding time where a container (AVI) has no other."""
    pts = item.pts if item.pts is not None else item.dts
    return pts or 0
