"""Folders of numbered photos with their likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from postlens.sources import SOURCES, open_source
from postlens.types import Failure, SourcePost


def made(folder: Path, likes: str | None, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"not looked into")
    if likes is not None:
        (folder / "y_likes_data.txt").write_text(likes, encoding="utf-8")
    return folder


def read(path: Path, **options: str) -> tuple[list[SourcePost], list[str]]:
    items = list(open_source(path, **options))  # type: ignore[arg-type]
    told = [item.message.replace(f"{path}/", "") for item in items if isinstance(item, Failure)]
    return [item for item in items if isinstance(item, SourcePost)], told


def test_posts_come_by_number_with_their_likes_and_no_date(tmp_path: Path) -> None:
    names = ["10.jpg", "2.png", "1.jpeg", "3.webp", "4.HEIC"]
    posts, told = read(made(tmp_path / "anna", "1: 27\n2: 28\n3: 0\n4: 5\n10: 1,000\n", *names))
    assert [Path(str(post.media[0].path)).name for post in posts] == ["1.jpeg", "2.png", "3.webp", "4.HEIC", "10.jpg"]
    assert [post.metrics for post in posts] == [{"likes": n} for n in (27, 28, 0, 5, 1000)]
    assert {(post.handle, post.published_at, post.observed_at) for post in posts} == {("anna", None, None)}
    assert posts[0].origin.endswith("anna/y_likes_data.txt, line 1")
    assert told == ["y_likes_data.txt: numbers have neither photo nor line: 5-9; the others keep their order"]


def test_ids_are_in_the_order_of_the_numbers_and_differ_between_folders(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in (1, 2, 9, 10, 100)]
    ids = [post.post_id for folder in "ab" for post in read(made(tmp_path / folder, "", *names), creator="anna")[0]]
    assert ids[:5] == sorted(ids[:5])
    assert len(set(ids)) == 10


def test_a_photo_without_a_line_keeps_likes_unknown(tmp_path: Path) -> None:
    posts, told = read(made(tmp_path, "1: 27\n", "1.jpg", "2.jpg"))
    assert [post.metrics for post in posts] == [{"likes": 27}, {}]
    assert told == ["2.jpg: expected a line `2: likes` in y_likes_data.txt, got none; the likes stay unknown"]


def test_a_line_without_a_photo_is_told_with_its_line(tmp_path: Path) -> None:
    posts, told = read(made(tmp_path, "# likes\n1: 27\n2: 28\n", "1.jpg"))
    assert len(posts) == 1
    assert told == ["y_likes_data.txt, line 3: expected a photo 2.jpg, got none; the line is left out"]


def test_hidden_likes_are_told_and_not_zero(tmp_path: Path) -> None:
    posts, told = read(made(tmp_path, "1: 27\n2: -\n3:\n", "1.jpg", "2.jpg", "3.jpg"))
    assert [post.metrics.get("likes") for post in posts] == [27, None, None]
    assert [message.split(": ")[0] for message in told] == ["y_likes_data.txt, line 2", "y_likes_data.txt, line 3"]


def test_two_photos_of_one_number_are_two_posts_and_the_first_has_the_likes(tmp_path: Path) -> None:
    posts, told = read(made(tmp_path, "1: 27\n", "1.jpg", "1.png"))
    assert [post.metrics for post in posts] == [{"likes": 27}, {}]
    assert len({post.post_id for post in posts}) == 2
    assert "photo 1 is there twice (1.jpg, which has the likes)" in told[0]


def test_a_name_that_is_no_number_comes_last_and_is_told(tmp_path: Path) -> None:
    posts, told = read(made(tmp_path, "1: 27\n", "1.jpg", "cover.jpg"))
    assert [Path(str(post.media[0].path)).name for post in posts] == ["1.jpg", "cover.jpg"]
    assert told == ["cover.jpg: expected a number as the name, as in 1.jpg; the post is kept last, without likes"]


def test_a_sub_folder_is_told(tmp_path: Path) -> None:
    made(tmp_path / "more", None, "2.jpg")
    posts, told = read(made(tmp_path, "1: 27\n", "1.jpg"))
    assert len(posts) == 1
    assert told[0].startswith("more: expected photos beside y_likes_data.txt, got a sub-folder")


def test_without_the_list_the_photos_are_kept(tmp_path: Path) -> None:
    posts, told = read(made(tmp_path, None, "1.jpg"), kind="likes_list")
    assert [post.metrics for post in posts] == [{}]
    assert "expected y_likes_data.txt beside the photos" in told[0]


def test_the_creator_can_be_named(tmp_path: Path) -> None:
    posts, _ = read(made(tmp_path, "1: 27\n", "1.jpg"), creator="@dana")
    assert posts[0].creator_id == "unknown:dana"


@pytest.mark.parametrize("name", [".", "y_likes_data.txt"])
def test_the_folder_or_its_list_is_the_source(name: str, tmp_path: Path) -> None:
    path = made(tmp_path, "1: 27\n", "1.jpg") / name
    assert next(source.name for source in SOURCES.values() if source.accepts(str(path))) == "likes_list"
    assert len(read(path)[0]) == 1


def test_a_folder_without_the_list_is_a_folder(tmp_path: Path) -> None:
    made(tmp_path, None, "1.jpg")
    assert next(source.name for source in SOURCES.values() if source.accepts(str(tmp_path))) == "folder"
