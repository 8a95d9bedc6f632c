"""What a training reads: posts of a collection, and of any source through a store, with their pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import SourceNotFoundError
from postlens.pipelines.training_posts import (
    PICTURE_SIDE_PX,
    TrainingPosts,
    is_collection,
    read_collection_posts,
    read_source_posts,
)

from ..train.drawn_collection import write_collection
from .fakes import NOW, settings


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two accounts of two posts and, first, a line that is none."""
    return write_collection(tmp_path_factory.mktemp("collection"), n_accounts=2, n_posts=2, before="[1, 2\n")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A likes list of two photos and a torn one."""
    root = tmp_path_factory.mktemp("in") / "anna"
    root.mkdir()
    for number, side in ((1, 40), (2, 300)):
        Image.new("RGB", (side, side), (10, 80 * number, 30)).save(root / f"{number}.png")
    (root / "3.jpg").write_bytes(b"\xff\xd8\xff no photo")
    (root / "y_likes_data.txt").write_text("1: 27\n2: 31\n3: 5\n", encoding="utf-8")
    return root


def read(photos: Path, store: Path) -> TrainingPosts:
    return read_source_posts(str(photos), store=str(store), settings=settings(), now=NOW)


@pytest.fixture(scope="module")
def source(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingPosts, Path]:
    store = tmp_path_factory.mktemp("store") / "posts.db"
    return read(photos, store), store


def test_a_folder_of_posts_is_known_as_a_collection(collection: Path, photos: Path) -> None:
    assert is_collection(collection)
    assert not is_collection(photos)


def test_each_post_of_a_collection_has_its_own_picture(collection: Path) -> None:
    found = read_collection_posts(collection)
    assert len(found) == 5
    shown = [(post, found.picture(post)) for name in ("a0", "a1") for post in found.accounts[name]]
    assert [post.counts["likes"] for post, _ in shown] == [1, 2, 11, 12]
    assert [round(float(image.mean())) for _, image in shown if image is not None] == [0, 7, 14, 21]


def test_lines_that_could_not_be_read_are_told(collection: Path) -> None:
    assert read_collection_posts(collection).notes == ("1 lines or pictures could not be read",)


def test_embeddings_are_made_where_they_are_asked_for(collection: Path) -> None:
    found = read_collection_posts(collection, vectors=True)
    vectors = [post.vector for posts in found.accounts.values() for post in posts if post.vector is not None]
    assert len({np.shape(vector) for vector in vectors}) == 1
    assert len(vectors) == 4


def test_absent_collection_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        read_collection_posts(tmp_path)


def test_posts_of_a_source_are_looked_at(source: tuple[TrainingPosts, Path]) -> None:
    posts = [post for posts in source[0].accounts.values() for post in posts]
    assert sorted(post.counts["likes"] for post in posts if post.vector is not None) == [27, 31]
    assert all(post.measures for post in posts if post.vector is not None)


def test_pictures_of_a_source_are_small_or_none(source: tuple[TrainingPosts, Path]) -> None:
    found = source[0]
    shown = {post.counts["likes"]: found.picture(post) for posts in found.accounts.values() for post in posts}
    assert shown[27] is not None and shown[27].shape[0] == 40
    assert shown[31] is not None and PICTURE_SIDE_PX <= shown[31].shape[0] < 2 * PICTURE_SIDE_PX
    assert shown.get(5) is None


def test_files_that_could_not_be_used_are_told(source: tuple[TrainingPosts, Path]) -> None:
    assert len(source[0].failures) == 1
    assert "3.jpg" in source[0].notes[0]


def test_media_in_the_store_are_not_looked_at_again(
    source: tuple[TrainingPosts, Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postlens.vision.encoder.Encoder.embed", None)  # what would look
    again = read(photos, source[1])
    assert {name: len(posts) for name, posts in again.accounts.items()} == {
        name: len(posts) for name, posts in source[0].accounts.items()
    }
