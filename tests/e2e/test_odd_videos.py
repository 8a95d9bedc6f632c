"""Odd videos in one campaign: each gives its row with what can be seen, or a message; none stops the others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from PIL import Image as PillowImage

from postlens.cli.app import run
from postlens.store import Store
from postlens.store.faces import read_faces, read_tracks
from postlens.store.media import read_media
from postlens.types import Faces, FaceTracks, MediaFile

from ..media.samples import photo, tone, write_sound, write_video

CROWD, COLUMNS = 60, 10


def portrait(campaign: Path, side: int) -> np.ndarray:
    with PillowImage.open(campaign / "media" / "sample.portraits" / "smile.jpg") as image:
        return np.asarray(image.convert("RGB").resize((side, side)))


def crowd(campaign: Path) -> np.ndarray:
    """60 faces in rows of ten, 720p."""
    face, canvas = portrait(campaign, 120), np.zeros((720, 1280, 3), np.uint8)
    for number in range(CROWD):
        top, left = 120 * (number // COLUMNS), 128 * (number % COLUMNS)
        canvas[top : top + 120, left : left + 120] = face
    return canvas


def write_uneven(path: Path) -> Path:
    """Frames at 10 a second, then one every 2 s, of rising grey."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, at_ms in enumerate([*range(0, 2000, 100), *range(2000, 14_000, 2000)]):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), tone(number), np.uint8), format="rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_interlaced(path: Path, image: np.ndarray) -> Path:
    """Two fields a frame and pixels wider than high, as on tapes."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.options = {"x264-params": "interlaced=1:tff=1", "preset": "ultrafast"}
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_without_frames(path: Path) -> Path:
    """A header that promises a video, and nothing after it."""
    data = write_video(path, n_frames=1).read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])
    return path


@pytest.fixture(scope="module")
def out(sample_campaign: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of one run over all of them."""
    videos, target = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("out")
    face, scene = portrait(sample_campaign, 240), photo(320, 240, seed=1)
    write_without_frames(videos / "zero.mp4")
    (videos / "empty.mp4").write_bytes(b"")
    write_sound(videos / "sound.mp4")
    write_video(videos / "one-frame.mp4", n_frames=1, size=(240, 240), image=face)
    write_video(videos / "8k.mp4", n_frames=3, rate_hz=1, size=(7680, 4320), image=photo(7680, 4320))
    write_video(videos / "turned.mp4", n_frames=20, size=(240, 180), image=face[:180], rotation=(90, False, False))
    write_uneven(videos / "uneven.mp4")
    write_video(videos / "one-key.mp4", n_frames=58, rate_hz=2, gop=10_000)
    write_video(videos / "crowd.mp4", n_frames=2, rate_hz=1, size=(1280, 720), image=crowd(sample_campaign))
    write_video(videos / "nobody.mp4", n_frames=20, size=(320, 240), image=scene)
    write_video(videos / "still.mp4", n_frames=600, rate_hz=1, gop=250, size=(240, 240), image=face)
    write_interlaced(videos / "tape.mp4", face)
    whole = write_video(videos / "cut-off.mp4", n_frames=100, size=(320, 240), image=scene).read_bytes()
    (videos / "cut-off.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    assert run(["analyze", str(videos), "--out", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def seen(out: Path) -> dict[str, tuple[MediaFile, Faces, FaceTracks]]:
    """Record, faces and tracks of each video that could be read, by name."""
    with Store.open(out / "postlens.db", read_only=True) as store, store.read() as conn:
        media = read_media(conn)
        faces = read_faces(conn, list(media), templates=True)
        tracks = {sha256: read_tracks(conn, [sha256]) for sha256 in media}
    return {
        Path(one.path).stem: (one, faces.get(sha256, Faces.none()), tracks[sha256]) for sha256, one in media.items()
    }


READABLE = {"one-frame", "8k", "turned", "uneven", "one-key", "crowd", "nobody", "still", "tape", "cut-off"}


def test_what_can_be_read_has_a_row(seen) -> None:
    assert set(seen) == READABLE


def test_what_cannot_be_read_or_is_a_part_has_a_message(out: Path) -> None:
    failures = pl.read_csv(out / "failures.csv")
    said = {Path(row["file"]).stem: row["message"] for row in failures.iter_rows(named=True)}
    assert set(said) == {"zero", "empty", "sound", "cut-off"}
    assert all(name in message for name, message in said.items())


@pytest.mark.parametrize(
    ("name", "width_px", "height_px", "duration_s"),
    [
        ("8k", 7680, 4320, 3.0),
        ("turned", 180, 240, 2.0),
        ("one-key", 160, 120, 29.0),
        ("still", 240, 240, 600.0),
        ("tape", 320, 240, 2.0),
    ],
)
def test_size_and_length_are_those_shown(seen, name: str, width_px: int, height_px: int, duration_s: float) -> None:
    media = seen[name][0]
    assert (media.width_px, media.height_px) == (width_px, height_px)
    assert media.duration_s == pytest.approx(duration_s, abs=0.2)


def test_uneven_frames_keep_their_times(seen) -> None:
    assert 12 <= seen["uneven"][0].duration_s <= 14.1


def test_everybody_in_a_crowd_is_found(seen) -> None:
    _, faces, tracks = seen["crowd"]
    assert (faces.frame == 0).sum() >= CROWD - 2
    assert len(tracks) >= CROWD - 2


@pytest.mark.parametrize("name", ["nobody", "uneven", "8k", "cut-off"])
def test_a_video_without_a_face_has_none(seen, name: str) -> None:
    assert len(seen[name][1]) == 0


@pytest.mark.parametrize("name", ["one-frame", "tape", "still"])
def test_one_face_all_the_time_is_one_track_of_the_whole_length(seen, name: str) -> None:
    media, faces, tracks = seen[name]
    assert len(faces) >= 1
    assert len(tracks) == 1
    assert tracks.start_s[0] == 0
    assert tracks.end_s[0] == pytest.approx(media.duration_s, abs=0.1)


def test_a_long_video_is_looked_at_in_a_bounded_number_of_frames(seen) -> None:
    assert len(seen["still"][1]) <= 120
