"""Multipart bodies to files in a folder, piece by piece; parts, fields, names and the heads of parts are limited.

A file's name is what the client calls it, without anything that leads out of the folder; what a file is, its content
says. See RFC 7578 for the format.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Literal
from urllib.parse import parse_qsl

from anyio.to_thread import run_sync
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from postlens.errors import TooLargeError, UnsupportedMediaError
from postlens.media.container import VideoLimits, scan_video
from postlens.media.probe import kind_of
from postlens.serve.errors import Problem
from postlens.serve.settings import MIB, ServeSettings
from postlens.sources.sheets import SUFFIXES as TABLE_SUFFIXES
from postlens.sources.trial import expect_small

FileKind = Literal["image", "video", "table"]
FILE_FIELDS: Final = ("file", "files")
MOST_HEADERS: Final = 8  # of a part; clients send two or three
MOST_HEADER_BYTES: Final = 4096  # of one line; long names need a few hundred
MOST_NAME: Final = 120  # bytes of a name; file systems take 255
MOST_DEPTH: Final = 6  # folders in a name
_ODD: Final = re.compile(r"[\x00-\x1f\x7f<>:\"|?*\\]")
PIECE_BYTES: Final = 256 << 10  # of a body written at once. More: fewer turns of a thread, more memory for each client
MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
_CALLED: Final = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it was sent."""

    path: Path  # where it lies now
    name: str  # what the client calls it: a file's name, with folders where some were given
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Form:
    """What a body held."""

    files: tuple[Upload, ...] = ()
    fields: dict[str, list[str]] = field(default_factory=dict)

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses that stand in for files."""
        return tuple(self.fields.get("url", ()))

    @property
    def names(self) -> dict[str, str]:
        """Places on the server to what the client calls them."""
        return {str(one.path): one.name for one in self.files}


async def read_form(
    request: Request, folder: Path, settings: ServeSettings, *, max_file_bytes: int | None = None
) -> Form:
    """The fields and files of a body; files are written into the folder as they come.

    Raises `Problem` for a broken body, for too many parts or too large ones, and for a body of another type; `OSError`
    where the disk is full.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == URLENCODED.encode():
        return _fields(await request.body(), settings)
    if kind != MULTIPART.encode():
        got = kind.decode("latin-1") or "none"
        raise Problem("unsupported-media", f"expected a body of type {MULTIPART}, got {got}")
    boundary = options.get(b"boundary")
    if not boundary:
        raise Problem("bad-multipart", "expected a boundary in Content-Type, got none; let the client set the header")
    parts = _Parts(folder, settings, max_file_bytes or settings.max_upload_bytes)
    try:
        parser = MultipartParser(
            boundary, parts.callbacks(), max_header_count=MOST_HEADERS, max_header_size=MOST_HEADER_BYTES
        )
        async for pieces in _pieces(request):
            await run_sync(parser.write, pieces)
        await run_sync(parser.finalize)
    except FormParserError as error:
        raise Problem("bad-multipart", "expected a whole multipart body, got a broken one; send it again") from error
    finally:
        parts.close()
    if not parts.whole:
        raise Problem("bad-multipart", "expected a whole multipart body, it ended too soon; send it again")
    return parts.form()


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces that are worth a turn of a thread: they are parsed, and written, beside the event loop."""
    waiting = bytearray()
    async for piece in request.stream():
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _fields(body: bytes, settings: ServeSettings) -> Form:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=settings.max_fields)
    except ValueError as error:
        raise _too_many("fields", settings.max_fields) from error
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return Form(fields=found)


def _too_many(what: str, limit: int) -> Problem:
    return Problem("too-many-parts", f"expected at most {limit} {what}, got more; send fewer in one request")


class _Parts:
    """What the parser calls as it goes through a body."""

    def __init__(self, folder: Path, settings: ServeSettings, max_file_bytes: int) -> None:
        self._folder, self._settings, self._most = folder, settings, max_file_bytes
        self._files: list[Upload] = []
        self._fields: list[tuple[str, bytes]] = []
        self._names: set[str] = set()
        self._header, self._value = b"", b""
        self._disposition = b""
        self._field, self._name = "", ""
        self._data = bytearray()
        self._out: BinaryIO | None = None
        self._n_bytes = 0
        self.whole = False

    def callbacks(self) -> Any:  # the parser's own type is not there at run time
        """By the names that the parser knows."""
        called = {f"on_{name}": getattr(self, f"_{name}") for name in (*_CALLED, "headers_finished")}
        return called | {"on_end": self._end}

    def form(self) -> Form:
        """What was read."""
        found: dict[str, list[str]] = {}
        for name, data in self._fields:
            found.setdefault(name, []).append(data.decode("utf-8", "replace"))
        return Form(tuple(self._files), found)

    def close(self) -> None:
        """Close a file that was not finished."""
        if self._out is not None:
            self._out.close()

    def _part_begin(self) -> None:
        self._disposition, self._header, self._value = b"", b"", b""
        self._data, self._n_bytes = bytearray(), 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise Problem("bad-multipart", "expected a name in each part's Content-Disposition, got a part without")
        self._field = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            self._begin_file(options[b"filename"].decode("utf-8", "replace"))
        elif len(self._fields) >= self._settings.max_fields:
            raise _too_many("fields", self._settings.max_fields)

    def _begin_file(self, given: str) -> None:
        if self._field not in FILE_FIELDS:
            raise Problem("invalid", f"expected files in the field {FILE_FIELDS[0]}, got one in another field")
        if len(self._files) >= self._settings.max_files:
            raise _too_many("files", self._settings.max_files)
        self._name = self._free(safe_name(given))
        path = self._folder / self._name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._out = path.open("wb")
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise Problem(
                "invalid", "expected names that can lie side by side, got a file named as a folder"
            ) from error

    def _free(self, name: str) -> str:
        """The name, numbered where another file has it."""
        at, number = PurePosixPath(name), 2
        while name.lower() in self._names:
            name, number = str(at.with_name(f"{at.stem}-{number}{at.suffix}")), number + 1
        self._names.add(name.lower())
        return name

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._n_bytes += end - start
        if self._out is not None:
            if self._n_bytes > self._most:
                raise Problem("too-large", f"expected a file of at most {self._most:,} bytes here, got more")
            self._out.write(memoryview(data)[start:end])
        elif self._n_bytes > self._settings.max_field_kib * 1024:
            limit = self._settings.max_field_kib
            raise Problem("too-large", f"expected form fields of at most {limit:g} KiB, got more")
        else:
            self._data += data[start:end]

    def _part_end(self) -> None:
        if self._out is None:
            self._fields.append((self._field, bytes(self._data)))
            return
        self._out.close()
        self._out = None
        self._files.append(Upload(self._folder / self._name, self._name, self._n_bytes))

    def _end(self) -> None:
        self.whole = True


def safe_name(given: str) -> str:
    """A relative path below the folder that it is put in, as near to the client's name as that allows."""
    parts = [_ODD.sub("_", part).strip(". ") for part in given.replace("\\", "/").split("/")]
    kept = [_shortened(part) for part in parts if part][-MOST_DEPTH:]
    return "/".join(kept) or "upload"


def _shortened(part: str) -> str:
    suffix = PurePosixPath(part).suffix[-12:]
    encoded = part.encode("utf-8", "replace")
    if len(encoded) <= MOST_NAME:
        return part
    return encoded[: MOST_NAME - len(suffix.encode())].decode("utf-8", "ignore") + suffix


def is_table(upload: Upload) -> bool:
    """Whether a file is a table, by its name."""
    return upload.path.suffix.lower() in TABLE_SUFFIXES


def check_upload(upload: Upload, settings: ServeSettings, *, tables: bool = False) -> FileKind:
    """What a file is, by its content; a table, by its name, where those are asked for.

    Raises `MediaError`: empty, no media, or over the limits on bytes, rows and duration. Pixels are checked by the
    decoder.
    """
    if tables and is_table(upload):
        expect_small(upload.path, max_bytes=int(settings.max_table_mib * MIB), max_rows=settings.max_table_rows)
        return "table"
    kind = kind_of(upload.path)
    if kind == "image" and upload.n_bytes > settings.max_image_mib * MIB:
        raise TooLargeError(f"{upload.name}: expected an image of at most {settings.max_image_mib:g} MiB, got more")
    if kind == "video":
        scan_video(upload.path, limits=VideoLimits(settings.analysis.max_pixels, settings.max_video_s))
    return kind


def expect_image(upload: Upload, settings: ServeSettings) -> None:
    """Raise `MediaError` unless the file is an image within the limits."""
    if check_upload(upload, settings) != "image":
        raise UnsupportedMediaError(f"{upload.name}: expected an image, got a video; send it to /analyze, as a job")
