"""JSON files within limits."""

from __future__ import annotations

import lzma
import os
import tracemalloc
from pathlib import Path

import pytest

from postlens.errors import SourceError
from postlens.sources import json_files
from postlens.sources.json_files import read_json_bytes

MIB = 1 << 20


def test_plain_and_packed_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "a.json.xz").write_bytes(lzma.compress(b"{}"))
    assert [read_json_bytes(tmp_path / name, max_bytes=MIB) for name in ("a.json", "a.json.xz")] == [b"{}", b"{}"]


@pytest.mark.parametrize(
    "packed", [b"", b"no xz at all", lzma.compress(b"{}" * 999)[:40], lzma.compress(b"{}", format=lzma.FORMAT_ALONE)]
)
def test_damaged_files_are_errors(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json.xz").write_bytes(packed)
    with pytest.raises(SourceError, match="packed with xz"):
        read_json_bytes(tmp_path / "a.json.xz", max_bytes=MIB)


def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    packer = lzma.LZMACompressor(preset=0)
    bomb = b"".join([*(packer.compress(bytes(MIB)) for _ in range(64)), packer.flush()])
    (tmp_path / "a.json.xz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(SourceError, match="at most 1 MiB of JSON"):
        read_json_bytes(tmp_path / "a.json.xz", max_bytes=MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB


def test_a_file_that_needs_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "XZ_MEMORY_BYTES", 1 << 16)
    (tmp_path / "a.json.xz").write_bytes(lzma.compress(b"{}"))
    with pytest.raises(SourceError, match="Memory usage limit"):
        read_json_bytes(tmp_path / "a.json.xz", max_bytes=MIB)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(SourceError, match="expected a file"):
        read_json_bytes(tmp_path / "a.json", max_bytes=MIB)
