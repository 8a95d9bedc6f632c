from __future__ import annotations

from pathlib import Path

import pytest

from postlens.errors import UnknownNameError
from postlens.sources import SOURCES, open_source
from postlens.types import MediaRef, SourcePost


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "table"),
        ("a.TSV", "table"),
        ("a.xlsx", "table"),
        ("a.parquet", "table"),
        ("a.jsonl", "table"),
        ("a.jpg", "single"),
        ("a.mp4", "single"),
        ("a", "single"),
        ("folder", "folder"),
        ("folder.csv", "folder"),
        ("https://host/a.jpg", "single"),
        ("https://host/a.csv", "single"),
    ],
)
def test_the_path_picks_the_source(name: str, expected: str, tmp_path: Path) -> None:
    path = name if "://" in name else str(tmp_path / name)
    if name.startswith("folder"):
        Path(path).mkdir()
    assert next(source.name for source in SOURCES.values() if source.accepts(path)) == expected


def test_a_url_is_a_post_that_is_downloaded_later() -> None:
    assert list(open_source("https://host/a.jpg", creator="anna")) == [
        SourcePost(handle="anna", media=(MediaRef(url="https://host/a.jpg"),), origin="https://host/a.jpg")
    ]


def test_a_single_file_belongs_to_nobody_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    (post,) = open_source(path)
    assert post == SourcePost(handle="unknown", media=(MediaRef(path=str(path)),), origin=str(path))


def test_an_unknown_source_is_a_usage_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no source 'tiktok'; sources: table, instagram, likes_list"):
        open_source(tmp_path, kind="tiktok")


def test_a_mapping_of_an_unknown_column_is_a_usage_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no column 'hearts'; map one of path, url"):
        open_source(tmp_path, mapping={"hearts": "x"})
