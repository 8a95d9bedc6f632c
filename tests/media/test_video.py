from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from postlens.errors import (
    DecodeError,
    EmptyMediaError,
    MediaNotFoundError,
    NoVideoStreamError,
    TooLargeError,
    UnsupportedMediaError,
)
from postlens.media.video import VideoLimits, decode_video, iter_frames, scan_video

from .samples import (
    BLUE,
    CORNERS,
    GREEN,
    GREY,
    RED,
    corner_colours,
    corners,
    encoded,
    frame_of,
    write_sound,
    write_video,
)

CONTAINERS = [
    (".mp4", "libx264"),
    (".mov", "libx264"),
    (".mkv", "libx264"),
    (".webm", "libvpx-vp9"),
    (".avi", "mpeg4"),
    (".avi", "libx264"),
    (".ts", "libx264"),
]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
@pytest.mark.parametrize("gop", [1, 10, 25, 50])
def test_frames_come_at_the_asked_rate_with_their_own_times(suffix: str, codec: str, gop: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"clip{suffix}", codec=codec, gop=gop)  # 5 s at 10 frames a second
    decoded = decode_video(path)
    assert len(decoded.frames) == 5
    assert np.abs(decoded.frames.pts_s - np.arange(5)).max() <= 0.5
    shown = [frame_of(image) for image in decoded.frames.images]
    assert np.abs(np.array(shown) - decoded.frames.pts_s * 10).max() <= 1.01
    assert decoded[1:6] == (160, 120, pytest.approx(5.0, abs=0.11), 10.0, None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("n_between", [1, 3])
def test_frames_between_two_others_are_not_waited_for(suffix: str, n_between: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"clip{suffix}", gop=50, n_between=n_between)
    assert scan_video(path).turned_back
    decoded = decode_video(path)
    late_s = decoded.frames.pts_s - np.arange(5)
    assert late_s.min() >= -1e-3 and late_s.max() <= (n_between + 1) / 10
    shown = [frame_of(image) for image in decoded.frames.images]
    assert np.abs(np.array(shown) - decoded.frames.pts_s * 10).max() <= 1.01


def test_key_frames_at_the_rate_are_exactly_the_frames_taken(tmp_path: Path) -> None:
    decoded = decode_video(write_video(tmp_path / "clip.mp4", gop=10))
    assert decoded.frames.pts_s.tolist() == [0, 1, 2, 3, 4]
    assert [frame_of(image) for image in decoded.frames.images] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("rate_hz", "max_frames", "expected"), [(2, 99, 10), (10, 99, 50), (0.5, 99, 3), (1, 2, 2), (1, 1, 1)]
)
def test_rate_and_limit_decide_how_many_frames(rate_hz: float, max_frames: int, expected: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", gop=25)
    decoded = decode_video(path, rate_hz=rate_hz, max_frames=max_frames)
    assert len(decoded.frames) == expected
    assert (np.diff(decoded.frames.pts_s) > 0).all()
    assert decoded.frames.index.tolist() == list(range(expected))


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ((0, False, False), CORNERS),
        ((90, False, False), (GREEN, GREY, RED, BLUE)),
        ((180, False, False), (GREY, BLUE, GREEN, RED)),
        ((-90, False, False), (BLUE, RED, GREY, GREEN)),
        ((0, True, False), (GREEN, RED, GREY, BLUE)),
        ((0, False, True), (BLUE, GREY, RED, GREEN)),
    ],
)
def test_the_display_matrix_is_applied(
    rotation: tuple[int, bool, bool], expected: tuple[int, ...], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "clip.mp4", n_frames=3, image=corners(160, 120), rotation=rotation)
    decoded = decode_video(path)
    assert corner_colours(decoded.frames.images[0]) == list(expected)
    size = (120, 160) if abs(rotation[0]) == 90 else (160, 120)
    assert (decoded.width_px, decoded.height_px) == size
    assert decoded.frames.images[0].shape == (size[1], size[0], 3)


def test_frames_are_scaled_down_as_they_are_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", n_frames=3, size=(320, 240))
    decoded = decode_video(path, max_side_px=100)
    assert decoded.frames.images[0].shape == (75, 100, 3)
    assert (decoded.width_px, decoded.height_px, decoded.frames.scale) == (320, 240, 0.3125)
    assert decode_video(path, max_side_px=None).frames.scale == 1


@pytest.mark.parametrize(("suffix", "codec"), [case for case in CONTAINERS if case[0] != ".ts"])
def test_a_truncated_video_gives_what_is_there_and_says_so(suffix: str, codec: str, tmp_path: Path) -> None:
    path = write_video(
        tmp_path / f"clip{suffix}",
        codec=codec,
        image=np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8),
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    decoded = decode_video(path)
    assert 1 <= len(decoded.frames) < 5
    assert decoded.partial is not None
    assert "ends early" in decoded.partial


def test_an_mp4_without_its_index_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", faststart=False)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DecodeError, match=r"clip\.mp4: expected a video.*again"):
        decode_video(path)


def test_a_video_whose_header_alone_is_there_is_an_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(DecodeError, match=r"clip\.mp4: "):
        decode_video(path)


def test_damage_in_the_middle_costs_only_some_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", image=np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = bytes(len(data) // 8)
    path.write_bytes(data)
    decoded = decode_video(path)
    assert 3 <= len(decoded.frames) <= 5


@pytest.mark.parametrize("name", ["sound.m4a", "sound.mkv"])
def test_sound_without_a_picture_has_no_video_stream(name: str, tmp_path: Path) -> None:
    path = write_sound(tmp_path / ("sound.mp4" if name.endswith("m4a") else name)).rename(tmp_path / name)
    with pytest.raises(NoVideoStreamError, match="expected a video stream, got audio"):
        decode_video(path)


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", EmptyMediaError), (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", UnsupportedMediaError), (None, MediaNotFoundError)],
)
def test_what_is_no_video_is_refused(content: bytes | None, error: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=r"clip\.mp4: "):
        decode_video(path)


def test_an_image_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(encoded(corners(), "JPEG"))
    with pytest.raises(UnsupportedMediaError, match="got an image"):
        decode_video(path)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (VideoLimits(max_duration_s=3), "at most 3 s, got 5 s"),
        (VideoLimits(max_pixels=19_199), "got 160 x 120 = 19,200"),
    ],
)
def test_limits_are_checked_before_decoding(limits: VideoLimits, words: str, tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match=words):
        decode_video(write_video(tmp_path / "clip.mp4"), limits=limits)


def test_names_that_are_no_utf8_can_be_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", n_frames=3).rename(tmp_path / "caf\udce9 🐕.mp4")
    assert len(decode_video(path).frames) == 1


def test_the_iterator_gives_the_same_frames_one_by_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", gop=25)
    whole = decode_video(path, rate_hz=2)
    single = list(iter_frames(path, scan=scan_video(path), rate_hz=2))
    assert [sample.pts_s for sample in single] == pytest.approx(whole.frames.pts_s.tolist())
    assert all((a.image == b).all() for a, b in zip(single, whole.frames.images, strict=True))


def test_a_scan_counts_key_frames_without_decoding(tmp_path: Path) -> None:
    scan = scan_video(write_video(tmp_path / "clip.mkv", gop=20))
    assert [key.time_s for key in scan.keys] == pytest.approx([0, 2, 4])
    assert scan.duration_s == pytest.approx(5)


def test_decoding_says_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:-500])
    decode_video(path)
    assert capfd.readouterr() == ("", "")


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners(160, 120), format="rgb24")))
        container.mux(stream.encode())
    decoded = decode_video(path)
    assert (decoded.width_px, decoded.height_px) == (240, 120)
    assert corner_colours(decoded.frames.images[0]) == list(CORNERS)


def test_no_decoded_frame_outlives_the_decoding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", gop=5, rotation=(90, False, False))
    gc.collect()
    gc.disable()
    try:
        decode_video(path)
        # By type(): isinstance() asks every object for its class, and torch's deprecated names warn when asked.
        frames = [thing for thing in gc.get_objects() if issubclass(type(thing), av.VideoFrame)]
        assert [frame.width for frame in frames if frame.width > 16] == []
    finally:
        gc.enable()
