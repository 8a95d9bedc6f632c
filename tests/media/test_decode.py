from __future__ import annotations

from pathlib import Path

import pytest

from postlens.errors import TooLargeError
from postlens.media.decode import Decoding, decode_file
from postlens.media.hashing import sha256_file

from .samples import encoded, photo, write_video


def test_an_image_file_becomes_a_record_and_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(90, 60), "JPEG", orientation=6))
    media, frames, _ = decode_file(path)
    assert (media.kind, media.width_px, media.height_px, media.duration_s, media.partial) == (
        "image",
        60,
        90,
        None,
        None,
    )
    assert (media.sha256, media.path, media.n_bytes) == (sha256_file(path), str(path), path.stat().st_size)
    assert (len(frames), frames.images[0].shape) == (1, (90, 60, 3))


def test_a_video_file_becomes_a_record_and_its_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.webm", codec="libvpx-vp9")
    media, frames, _ = decode_file(str(path), how=Decoding(rate_hz=2, max_side_px=80))
    assert (media.kind, media.width_px, media.height_px, media.frame_rate_hz) == ("video", 160, 120, 10)
    assert media.duration_s == pytest.approx(5)
    assert media.sha256 == sha256_file(path)
    assert (len(frames), frames.images[0].shape, frames.scale) == (10, (60, 80, 3), 0.5)


def test_a_truncated_video_is_marked_partial(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:-1500])
    assert decode_file(path)[0].partial is not None


def test_videos_over_the_byte_limit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="at most 10 bytes"):
        decode_file(write_video(tmp_path / "clip.mp4"), how=Decoding(max_video_bytes=10))
