"""Planned runs of a video to decoded frames: feeds the packets to the decoder and picks what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import av.error

from postlens.media.container import Ticks, packets, ticks_of
from postlens.media.sampling import Run

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VIDEO_VERSION: Final = "3"  # raised by hand when the same settings bring out other pictures
SAME_TIME_S: Final = 1e-4
# Frames that are smoothed at the edges of their blocks: key frames alone. Saves a fifth of decoding; frames that are
# reached from them change by about 1 grey level in 255 and 2 bits of PDQ (95th percentile 4 to 12 of 256).
SKIP_LOOP_FILTER: Final = "nokey"
# Frames that are not decoded on the way to a wanted one: those that no other needs and, of H.264 with frames out of
# order, all that are predicted from both sides. Encoders predict others from few of these: saves another fifth of
# decoding with rare key frames, at no measured error, and a fill-in frame comes up to about .15 s late. Other codecs
# may predict every frame from both sides.
SKIP_FRAMES: Final = "NONREF"
SKIP_FRAMES_OUT_OF_ORDER: Final = "BIDIR"


class Taken(NamedTuple):
    """A decoded frame, its time in the stream, and whether it is sampled or comes by on the way to one that is."""

    frame: VideoFrame
    time_s: float
    sampled: bool


class Taker:
    """Feeds the packets of the planned runs to the decoder and picks the wanted frames from what comes out."""

    def __init__(self, stream: VideoStream, damage: list[str], *, turned_back: bool = False) -> None:
        """`turned_back` as in `VideoScan`."""
        self._stream = stream
        self._ticks = Ticks.of(stream)
        self._decoder = stream.codec_context
        self._damage = damage
        self._decoder.options = {"skip_loop_filter": SKIP_LOOP_FILTER}
        both_sides = turned_back and self._decoder.name == "h264"
        self._decoder.skip_frame = SKIP_FRAMES_OUT_OF_ORDER if both_sides else SKIP_FRAMES  # key frames always come

    def take(
        self, container: InputContainer, runs: Mapping[int, Run], passing: Mapping[int, tuple[float, ...]]
    ) -> Iterator[Taken]:
        """The wanted frames and those at the `passing` times, run by run; both by the packet of the key frame."""
        picker: _Picker | None = None
        last_packet = max(runs, default=-1)
        for number, packet in enumerate(packets(container, self._stream, self._damage)):
            if number in runs:
                yield from self._finish(picker)
                picker = _Picker(runs[number], passing.get(number, ()))
            if picker is None:
                if number > last_packet:
                    return
                continue
            yield from picker.offer(self._decode(packet))
            if picker.done or self._time_s(packet) >= picker.last_s - SAME_TIME_S:
                yield from self._finish(picker)
                picker = None
        yield from self._finish(picker)

    def _finish(self, picker: _Picker | None) -> Iterator[Taken]:
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
        return [(frame, self._time_s(frame)) for frame in frames if not frame.is_corrupt]

    def _time_s(self, item: Packet[Any] | VideoFrame) -> float:
        return self._ticks.seconds(ticks_of(item))


class _Picker:
    """Picks the frames of one run: for each wanted time the first frame at or after it, at the end the last one."""

    def __init__(self, run: Run, passing_s: tuple[float, ...]) -> None:
        self._wanted_s = list(run.times_s)
        self._passing_s = list(passing_s)
        self._last: tuple[VideoFrame, float] | None = None
        self.last_s = max(run.times_s[-1], *passing_s, run.times_s[-1])

    @property
    def done(self) -> bool:
        return not self._wanted_s and not self._passing_s

    def offer(self, frames: list[tuple[VideoFrame, float]]) -> Iterator[Taken]:
        for frame, time_s in frames:
            n_wanted = _n_until(self._wanted_s, time_s)
            n_passing = _n_until(self._passing_s, time_s)
            del self._wanted_s[:n_wanted], self._passing_s[:n_passing]
            self._last = None if n_wanted else (frame, time_s)
            if n_wanted or n_passing:
                yield Taken(frame, time_s, n_wanted > 0)

    def rest(self) -> Iterator[Taken]:
        if self._wanted_s and self._last is not None:
            yield Taken(*self._last, True)


def _n_until(times_s: list[float], time_s: float) -> int:
    """How many of the ascending times lie at or before a frame's."""
    return sum(wanted_s <= time_s + SAME_TIME_S for wanted_s in times_s)
