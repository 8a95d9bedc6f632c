from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageFile

from postlens.errors import (
    DecodeError,
    EmptyMediaError,
    MediaError,
    MediaNotFoundError,
    TooLargeError,
    UnreadableMediaError,
    UnsupportedMediaError,
)
from postlens.media.image import ImageLimits, as_frames, decode_image, encode_jpeg, fit, read_image_bytes, thumbnail

from .samples import BLUE, CORNERS, GREEN, GREY, RED, corner_colours, corners, encoded, photo, png_claiming

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "MPO", "HEIF")
ORIENTED = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")
# What a viewer shows when the stored corners are CORNERS, by EXIF orientation.
UPRIGHT = {
    1: CORNERS,
    2: (GREEN, RED, GREY, BLUE),
    3: (GREY, BLUE, GREEN, RED),
    4: (BLUE, GREY, RED, GREEN),
    5: (RED, BLUE, GREEN, GREY),
    6: (BLUE, RED, GREY, GREEN),
    7: (GREY, GREEN, BLUE, RED),
    8: (GREEN, GREY, RED, BLUE),
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_decoded_whatever_the_file_is_called(form: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(corners(), form))
    decoded = decode_image(path)
    assert corner_colours(decoded.image) == list(CORNERS)
    assert (decoded.image.shape, decoded.image.dtype) == ((80, 120, 3), np.uint8)
    assert (decoded.size_px, decoded.scale) == ((120, 80), 1.0)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ORIENTED)
def test_exif_orientation_is_applied(form: str, orientation: int) -> None:
    decoded = decode_image(encoded(corners(), form, orientation=orientation))
    assert corner_colours(decoded.image) == list(UPRIGHT[orientation])
    assert decoded.size_px == ((80, 120) if orientation >= 5 else (120, 80))
    assert decoded.image.flags.c_contiguous


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "PA", "CMYK", "YCbCr", "I;16", "F"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    white = np.full(
        (20, 30), {"I;16": 65535, "F": 1}.get(mode, 255), {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8)
    )
    picture = PillowImage.fromarray(white)
    picture = picture if mode in ("I;16", "F") else picture.convert("RGB").convert(mode)
    form = {"CMYK": "JPEG", "YCbCr": "JPEG", "F": "TIFF", "PA": "TIFF"}.get(mode, "PNG")
    if mode == "PA":
        picture, form = picture.convert("RGBA"), "TIFF"
    decoded = decode_image(encoded(picture, form))
    assert decoded.image.shape == (20, 30, 3)
    assert decoded.image.min() >= 253


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(form: str) -> None:
    decoded = decode_image(encoded(PillowImage.fromarray(np.full((9, 9), 32896, np.uint16)), form))
    assert (decoded.image == 128).all()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "GIF"])
def test_transparency_is_shown_on_white(form: str) -> None:
    picture = PillowImage.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert decode_image(encoded(picture, form)).image.min() >= 253


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [PillowImage.fromarray(np.full((8, 8, 3), tone, np.uint8)) for tone in (10, 200)]
    decoded = decode_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert decoded.image.max() < 20


def test_cmyk_jpegs_are_reduced_too() -> None:
    picture = PillowImage.fromarray(corners(1600, 1200)).convert("CMYK")
    decoded = decode_image(encoded(picture, "JPEG", quality=95), max_side_px=300)
    assert corner_colours(decoded.image) == list(CORNERS)
    assert 300 <= max(decoded.image.shape) < 600
    assert decoded.size_px == (1600, 1200)


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    max_side_px=st.integers(1, 500),
    form=st.sampled_from(["JPEG", "PNG"]),
)
@settings(max_examples=60, deadline=None)
def test_reduction_keeps_the_long_side_at_or_above_the_wish(
    width: int, height: int, max_side_px: int, form: str
) -> None:
    decoded = decode_image(encoded(photo(width, height), form), max_side_px=max_side_px)
    assert max(decoded.image.shape[:2]) >= min(max_side_px, max(width, height))
    assert decoded.size_px == (width, height)
    assert decoded.scale == pytest.approx(max(decoded.image.shape[:2]) / max(width, height))
    fitted = decode_image(encoded(photo(width, height), form), max_side_px=max_side_px, fit_side=True)
    assert max(fitted.image.shape[:2]) == min(max_side_px, max(width, height))


@pytest.mark.parametrize(
    ("max_side_px", "side"), [(None, 1350), (1350, 1350), (676, 1350), (675, 675), (300, 338), (10, 169)]
)
def test_jpegs_are_halved_as_often_as_the_wish_allows(max_side_px: int | None, side: int) -> None:
    data = encoded(photo(1080, 1350), "JPEG")
    assert max(decode_image(data, max_side_px=max_side_px).image.shape) == side


def test_reduced_and_full_decoding_show_the_same_picture() -> None:
    data = encoded(photo(800, 600), "JPEG", quality=95)
    full = PillowImage.fromarray(decode_image(data, max_side_px=None).image).reduce(2)
    half = decode_image(data, max_side_px=400).image
    assert np.abs(np.asarray(full).astype(int) - half).mean() < 2


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "BMP"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_truncated_image_is_an_error_not_grey(form: str, share: float, tmp_path: Path) -> None:
    data = encoded(photo(400, 300), form)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DecodeError, match=r"cut\.img: expected a whole .* again"):
        decode_image(path)


def test_a_jpeg_without_its_last_two_bytes_is_an_error() -> None:
    with pytest.raises(DecodeError, match="Premature end"):
        decode_image(encoded(photo(64, 64), "JPEG")[:-2])


@pytest.mark.parametrize("extra", [b"\0" * 7, b"trailing words"])
def test_stray_bytes_around_the_end_of_a_jpeg_do_no_harm(extra: bytes) -> None:
    data = encoded(corners(), "JPEG")
    for stray in (data[:-2] + b"\0\0\0" + data[-2:], data + extra):
        assert corner_colours(decode_image(stray).image) == list(CORNERS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"just some text", "text"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"%PDF-1.7", "PDF"),
        (b"\x00\x01\x02\x03" * 9, "unknown data"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "video"),
    ],
)
def test_content_that_is_no_image_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(UnsupportedMediaError, match=words):
        decode_image(path)


def test_zero_bytes_are_an_error_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(EmptyMediaError, match="zero bytes"):
        decode_image(path)


def test_a_pixel_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(TooLargeError, match=r"at most 89,478,485 pixels, got 50000 x 50000 = 2,500,000,000"):
        decode_image(png_claiming(50_000, 50_000), name="bomb.png")


@pytest.mark.parametrize("form", FORMATS)
def test_the_pixel_limit_holds_for_every_format(form: str) -> None:
    limits = ImageLimits(max_pixels=120 * 80 - 1)
    with pytest.raises(TooLargeError, match="9,600"):
        decode_image(encoded(corners(), form), limits=limits)


def test_files_over_the_byte_limit_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 101)
    with pytest.raises(TooLargeError, match="at most 100 bytes"):
        read_image_bytes(path, limits=ImageLimits(max_bytes=100))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match=r"nowhere\.jpg: there is no such file"):
        decode_image(tmp_path / "nowhere.jpg")


def test_a_folder_or_a_pipe_is_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path, tmp_path / "pipe.jpg"):
        with pytest.raises(UnreadableMediaError, match="expected a file, got a"):
            decode_image(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(corners(), "JPEG"))
    path.chmod(0)
    with pytest.raises(UnreadableMediaError, match="permission"):
        decode_image(path)


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", "naïve 🐕 图.jpg".encode(), b"line\nbreak.jpg"])
def test_odd_names_are_read_and_can_be_printed_in_errors(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(encoded(corners(), "JPEG"))
    assert decode_image(path).size_px == (120, 80)
    with pytest.raises(MediaNotFoundError) as caught:
        decode_image(f"{path}x")
    str(caught.value).encode("utf-8")


@given(data=st.data(), form=st.sampled_from(FORMATS))
@settings(max_examples=150, deadline=None)
def test_damage_gives_an_image_or_a_media_error_and_no_warning(data: st.DataObject, form: str) -> None:
    content = bytearray(encoded(corners(40, 30), form))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_image(bytes(content), limits=ImageLimits(max_pixels=1_000_000))
    except MediaError:
        return
    assert decoded.image.dtype == np.uint8


def test_damage_behind_a_harmless_warning_is_a_media_error() -> None:
    content = bytearray(encoded(corners(40, 30), "JPEG"))
    content[210] = 0  # the length of a table: stray bytes, then nothing to decode by
    with pytest.raises(MediaError, match="damaged"):
        decode_image(bytes(content))


def test_pillows_settings_and_the_warning_filters_stay_as_they_were() -> None:
    before = (PillowImage.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    decode_image(encoded(corners(), "PNG"))
    assert (PillowImage.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before, data = list(warnings.filters), encoded(corners(), "PNG")
    threads = [threading.Thread(target=lambda: [decode_image(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_a_thumbnail_is_a_small_jpeg() -> None:
    small = decode_image(thumbnail(photo(1000, 500)))
    assert small.size_px == (320, 160)
    assert decode_image(thumbnail(photo(50, 40))).size_px == (50, 40)


def test_encoding_and_decoding_a_jpeg_keeps_the_picture() -> None:
    image = photo(64, 48)
    assert np.abs(decode_image(encode_jpeg(image, 95)).image.astype(int) - image).mean() < 3
    assert encode_jpeg(image[:, ::-1], 95)[:3] == b"\xff\xd8\xff"


def test_an_image_is_a_batch_of_one_frame() -> None:
    frames = as_frames(fit(decode_image(encoded(photo(200, 100), "PNG")), 50))
    assert (len(frames), frames.pts_s.tolist(), frames.scale) == (1, [0.0], 0.25)
