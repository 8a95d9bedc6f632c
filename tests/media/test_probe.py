from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import EmptyMediaError, MediaNotFoundError, UnsupportedMediaError
from postlens.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, display_name, kind_of, sniff

from .samples import corners, encoded, write_video

VIDEOS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
    ".avi": "mpeg4",
    ".ts": "libx264",
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "MPO"])
def test_images_are_told_by_their_content(form: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(encoded(corners(), form))
    assert kind_of(path) == "image"


@pytest.mark.parametrize("suffix", VIDEOS)
def test_videos_are_told_by_their_content(suffix: str, tmp_path: Path) -> None:
    made = write_video(tmp_path / f"made{suffix}", codec=VIDEOS[suffix], n_frames=5)
    assert kind_of(made.rename(tmp_path / "photo.jpg")) == "video"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "heif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "avif"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "mov"),
        (b"BMW makes cars, and this is a text", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"G" + bytes(187) + b"G" + bytes(187) + b"G", "mpegts"),
        (bytes(4) + b"G" + bytes(191) + b"G" + bytes(191) + b"G", "mpegts"),
        (b"", None),
    ],
)
def test_signatures(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


@given(st.binary(max_size=1024))
def test_any_bytes_can_be_sniffed(head: bytes) -> None:
    assert sniff(head) is None or isinstance(sniff(head), str)


@pytest.mark.parametrize(
    ("content", "error"), [(b"", EmptyMediaError), (b"a,b\n1,2\n", UnsupportedMediaError), (None, MediaNotFoundError)]
)
def test_what_is_no_media_has_no_kind(content: bytes | None, error: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=r"x\.jpg: "):
        kind_of(path)


def test_no_suffix_is_both_image_and_video() -> None:
    assert not IMAGE_SUFFIXES & VIDEO_SUFFIXES


def test_names_that_are_no_utf8_are_shown_with_their_bytes() -> None:
    assert display_name("caf\udce9.jpg") == "caf\\xe9.jpg"
    assert display_name("naïve.jpg") == "naïve.jpg"
    assert display_name("half\ud83d.jpg") == "half\\xed\\xa0\\xbd.jpg"
