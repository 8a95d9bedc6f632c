"""JSON files, plain or packed with xz, to their bytes within a limit of size and memory."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Final

from postlens.errors import SourceError
from postlens.media.probe import display_name

# The metadata of one post is some 10 KiB, with all comments a few MiB; an export's list of posts some 1 KiB a post.
# Higher: a file made to fill the memory is believed longer; lower: a large file is refused.
MAX_POST_BYTES: Final = 32 << 20
MAX_LIST_BYTES: Final = 256 << 20
XZ_MEMORY_BYTES: Final = 96 << 20  # the strongest preset, 9, needs 65 MiB to unpack
_PIECE_BYTES: Final = 1 << 16


def read_json_bytes(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a JSON file; one that ends in .xz is unpacked.

    Raises:
        SourceError: the file cannot be read, is larger than `max_bytes` (unpacked), or is damaged.
    """
    name = display_name(path)
    if not path.is_file():  # opening a pipe would wait for ever
        raise SourceError(f"{name}: expected a file, got none; check the path")
    try:
        with path.open("rb") as file:
            content = (
                _unpacked(file.read(max_bytes + 1), max_bytes) if path.suffix == ".xz" else file.read(max_bytes + 1)
            )
    except OSError as error:
        raise SourceError(f"{name}: cannot be read ({error.strerror or error}); check its permissions") from error
    except lzma.LZMAError as error:
        raise SourceError(
            f"{name}: expected a file packed with xz, got damaged data ({error}); fetch it again"
        ) from error
    if len(content) > max_bytes:
        raise SourceError(f"{name}: expected at most {max_bytes >> 20} MiB of JSON, got more; it is not read")
    return content


def _unpacked(packed: bytes, max_bytes: int) -> bytes:
    """At most `max_bytes` + 1 bytes. Raises `lzma.LZMAError` where the data breaks off or needs too much memory."""
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)
    found = bytearray(unpacker.decompress(packed, max_length=_PIECE_BYTES))
    while not unpacker.eof and len(found) <= max_bytes:
        if unpacker.needs_input:
            raise lzma.LZMAError("it breaks off")
        found += unpacker.decompress(b"", max_length=_PIECE_BYTES)
    return bytes(found[: max_bytes + 1])
