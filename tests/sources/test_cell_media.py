from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postlens.sources.cell_media import parse_media


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a.jpg", ["a.jpg"]),
        ("a.jpg;b.mp4 | c.png", ["a.jpg", "b.mp4", "c.png"]),
        ("a.jpg;", ["a.jpg"]),
        (["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
        ("x;y.jpg", ["x;y.jpg"]),
        ("sub\\z.jpg", ["sub/z.jpg"]),
        ("../up.jpg", ["../up.jpg"]),
        ("", []),
        (None, []),
        ([], []),
    ],
)
def test_media_cells_name_paths_from_the_tables_folder(cell: Any, names: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "table"
    (folder / "sub").mkdir(parents=True)
    for name in ("x;y.jpg", "sub/z.jpg"):
        (folder / name).touch()
    expected = [str((folder / name).resolve()) for name in names]
    assert [ref.path for ref in parse_media(cell, folder=str(folder))] == expected


def test_urls_keep_the_signs_that_separate_paths() -> None:
    cell = "https://h/a.jpg;v=1?x=1|2; https://h/b.jpg|http://h/c"
    assert [ref.url for ref in parse_media(cell, folder="/")] == [
        "https://h/a.jpg;v=1?x=1|2",
        "https://h/b.jpg",
        "http://h/c",
    ]
    assert [ref.url for ref in parse_media("host/a.jpg", folder="/", as_url=True)] == ["host/a.jpg"]


@pytest.mark.parametrize("cell", ["a\0b;c", "x" * 5000 + ";y"])
def test_texts_that_cannot_be_paths_are_found_missing_later(cell: str, tmp_path: Path) -> None:
    assert len(parse_media(cell, folder=str(tmp_path))) == 2
