"""First bytes of a file to what it is: an image, a video, or something else said in words."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from postlens.errors import EmptyMediaError, MediaNotFoundError, UnreadableMediaError, UnsupportedMediaError
from postlens.types import MediaKind

StrPath = str | os.PathLike[str]

IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"}
)
VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".3gp", ".3g2", ".flv", ".ts", ".mts", ".m2ts"}
    | {".mpg", ".mpeg", ".wmv", ".asf", ".ogv"}
)

HEAD_BYTES: Final = 1024  # enough for every signature below; MPEG-TS needs 188 * 2 + 1
IMAGE_FORMATS: Final = frozenset({"jpeg", "png", "gif", "webp", "bmp", "tiff", "heif", "avif"})

# Signatures at offset 0, from the formats' own specifications.
_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x1aE\xdf\xa3", "matroska"),  # EBML: mkv and webm
    (b"FLV\x01", "flv"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\0\0\x01\xb3", "mpegvideo"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (b"OggS", "ogg"),
)
_RIFF: Final = {b"WEBP": "webp", b"AVI ": "avi"}
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_QUICKTIME_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})  # mov without ftyp
_BMP_HEADER_SIZES: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_TS_PACKET_BYTES: Final = 188

# What else people put into media folders, for the sentence that explains the refusal.
_OTHER: Final = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"ID3", "an audio file"),
    (b"fLaC", "an audio file"),
    (b"8BPS", "a Photoshop document"),
    (b"\x1f\x8b", "a gzip archive"),
)


def display_name(path: StrPath) -> str:
    """The path, or a text around one, as text that can be printed and stored.

    Bytes that are no UTF-8 appear as `\\xNN`; so do halves of characters, which no file name has but a table may.
    """
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raw = os.fspath(path).encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "backslashreplace")


def sniff(head: bytes) -> str | None:
    """Name of the media format whose signature opens `head` (its first 1,024 bytes), or None.

    Images: one of `IMAGE_FORMATS`. Anything else that is returned is a video container, by FFmpeg's demuxer name.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    return _sniff_boxes(head) or _sniff_bmp(head) or _sniff_transport_stream(head)


def _sniff_boxes(head: bytes) -> str | None:
    """ISO base media files (ISO/IEC 14496-12): brands tell HEIF and AVIF from mp4 and mov."""
    if head[4:8] in _QUICKTIME_BOXES:
        return "mov"
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heif" if brands & _HEIF_BRANDS else "mov"


def _sniff_bmp(head: bytes) -> str | None:
    """`BM` alone also opens English words, so the header's size must be one of the known ones."""
    known = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
    return "bmp" if known else None


def _sniff_transport_stream(head: bytes) -> str | None:
    """MPEG-TS: sync bytes 188 apart; with 4-byte time codes before each packet (m2ts) they start at 4, 192 apart."""
    for first, step in ((0, _TS_PACKET_BYTES), (4, _TS_PACKET_BYTES + 4)):
        if len(head) > first + 2 * step and all(head[first + i * step] == 0x47 for i in range(3)):
            return "mpegts"
    return None


def describe(head: bytes) -> str:
    """What the content looks like, in words, for messages about content that is no media."""
    for signature, words in _OTHER:
        if head.startswith(signature):
            return words
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "an audio file"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith((b"<?xml", b"<svg")):
        return "an XML or SVG document"
    return "text" if _is_text(head) else "unknown data"


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head[: HEAD_BYTES - 4].decode("utf-8")  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return True


def open_file(path: StrPath) -> BinaryIO:
    """The regular file, open for reading bytes.

    Raises:
        MediaNotFoundError: there is no such file.
        UnreadableMediaError: it is a folder, pipe or device, or may not be read.
    """
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait forever
            raise UnreadableMediaError(f"{display_name(path)}: expected a file, got {_mode_name(mode)}; name a file")
        return Path(path).open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaNotFoundError(
            f"{display_name(path)}: there is no such file; check the name and, for a table, the folder it lies in"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableMediaError(
            f"{display_name(path)}: the file cannot be opened ({reason}); check its permissions"
        ) from error


def _mode_name(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"


def read_head(path: StrPath) -> bytes:
    """The first 1,024 bytes.

    Raises:
        EmptyMediaError: the file has zero bytes.
        MediaNotFoundError, UnreadableMediaError: as `open_file`; also when reading fails.
    """
    with open_file(path) as file:
        head = read_from(file, HEAD_BYTES, path=path)
    if not head:
        raise EmptyMediaError(f"{display_name(path)}: the file has zero bytes; copy or download it again")
    return head


def read_from(file: BinaryIO, n_bytes: int, *, path: StrPath) -> bytes:
    """`file.read(n_bytes)` with a failing disk told as `UnreadableMediaError`."""
    try:
        return file.read(n_bytes)
    except OSError as error:
        raise UnreadableMediaError(
            f"{display_name(path)}: reading failed ({error.strerror}); check the disk or the network drive"
        ) from error


def media_format(head: bytes, *, name: str) -> str:
    """`sniff`, or an error that says what the content looks like.

    Raises:
        UnsupportedMediaError: the content is no known image or video.
    """
    found = sniff(head)
    if found is None:
        raise UnsupportedMediaError(
            f"{name}: expected an image or a video, got {describe(head)}; "
            "convert it to JPEG, PNG or MP4, or remove it from the source"
        )
    return found


def kind_of(path: StrPath) -> MediaKind:
    """`image` or `video`, by content; the file's name plays no part.

    Raises:
        MediaNotFoundError, UnreadableMediaError, EmptyMediaError, UnsupportedMediaError
    """
    return kind_of_format(media_format(read_head(path), name=display_name(path)))


def kind_of_format(name: str) -> MediaKind:
    """Kind of media of a format that `sniff` named."""
    return "image" if name in IMAGE_FORMATS else "video"
