from __future__ import annotations

import os
from pathlib import Path

import pytest

from postlens.sources import open_source
from postlens.types import Failure, SourcePost


def made(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked into")
    return root


def seen(root: Path, **options: str) -> list[tuple[str, str]]:
    """(creator, file) of the posts."""
    items = [item for item in open_source(root, **options) if isinstance(item, SourcePost)]
    return [(item.handle, Path(str(item.media[0].path)).name) for item in items]


def failures(root: Path, **options: str) -> list[tuple[str, str]]:
    """(error, file) of the failures."""
    items = [item for item in open_source(root, **options) if isinstance(item, Failure)]
    return [(item.error, Path(item.subject).name) for item in items]


def test_each_folder_of_the_root_is_a_creator_however_deep_the_file(tmp_path: Path) -> None:
    root = made(tmp_path / "campaign", "2.jpg", "@anna/1.jpg", "@anna/2024/reels/3.mp4", "bob/4.png")
    assert seen(root) == [("campaign", "2.jpg"), ("anna", "1.jpg"), ("anna", "3.mp4"), ("bob", "4.png")]


def test_hidden_system_and_side_files_are_left_out(tmp_path: Path) -> None:
    root = made(
        tmp_path, "a.jpg", ".b.jpg", ".git/c.jpg", "__MACOSX/d.jpg", "Thumbs.db", "a.json", "a.txt", "posts.csv"
    )
    assert (seen(root), failures(root)) == ([(tmp_path.name, "a.jpg")], [])


def test_a_file_of_unknown_suffix_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"GIF89a" + bytes(20))
    (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(20))
    (tmp_path / "empty.psd").touch()
    assert seen(tmp_path) == [(tmp_path.name, "picture")]
    assert failures(tmp_path) == [("EmptyMediaError", "empty.psd"), ("UnsupportedMediaError", "song.mp3")]


def test_a_link_to_a_folder_that_contains_it_is_a_failure(tmp_path: Path) -> None:
    root = made(tmp_path / "root", "anna/1.jpg")
    (root / "anna" / "up").symlink_to(root)
    (root / "anna" / "self").symlink_to("self")
    (root / "out").symlink_to("/")
    assert seen(root) == [("anna", "1.jpg")]
    assert sorted(failures(root)) == [("SourceError", "out"), ("SourceError", "self"), ("SourceError", "up")]


def test_links_between_folders_end_and_find_each_file_once(tmp_path: Path) -> None:
    root = made(tmp_path / "root", "a/1.jpg", "b/2.jpg")
    elsewhere = made(tmp_path / "elsewhere", "3.jpg")
    (root / "a" / "to_b").symlink_to(root / "b")
    (root / "b" / "to_a").symlink_to(root / "a")
    (root / "c").symlink_to(elsewhere)
    (elsewhere / "to_a").symlink_to(root / "a")
    assert (seen(root), failures(root)) == ([("a", "1.jpg"), ("b", "2.jpg"), ("c", "3.jpg")], [])


def test_a_link_to_nowhere_is_a_post_whose_file_is_missing_later(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    assert seen(tmp_path) == [(tmp_path.name, "gone.jpg")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_a_failure(tmp_path: Path) -> None:
    root = made(tmp_path, "a/1.jpg", "b/2.jpg")
    (root / "a").chmod(0)
    try:
        assert (seen(root), failures(root)) == ([("b", "2.jpg")], [("SourceError", "a")])
    finally:
        (root / "a").chmod(0o700)


def test_names_that_are_no_utf8_are_posts_with_printable_origins(tmp_path: Path) -> None:
    made(tmp_path, os.fsdecode(b"caf\xe9/\xff.jpg"))
    (post,) = open_source(tmp_path)
    assert isinstance(post, SourcePost)
    assert post.handle == "caf\\xe9"
    assert Path(str(post.media[0].path)).exists()
    assert post.post_id.encode("utf-8")
    assert post.origin.encode("utf-8").endswith(b"\\xff.jpg")


def test_labelled_folders_give_labels(tmp_path: Path) -> None:
    root = made(tmp_path / "set", "food/1.jpg", "pet/more/2.jpg", "3.jpg")
    items = [item for item in open_source(root, kind="labelled_folders") if isinstance(item, SourcePost)]
    assert [(item.label, item.handle) for item in items] == [("food", "set"), ("pet", "set")]
    assert failures(root, kind="labelled_folders") == [("SourceError", "3.jpg")]
