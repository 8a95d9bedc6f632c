"""`postlens preprocess`: a cache, a summary of what could not be read, and a second run that has nothing to do."""

from __future__ import annotations

import pytest

from postlens.cli.app import run
from postlens.train.cache import ImageCache

from ..influencers import write_influencers


@pytest.fixture
def dataset(tmp_path):
    """Two creators of two posts each, one image of which is damaged."""
    folder = write_influencers(tmp_path / "in", n_per_category=1, posts=2, categories=("pet", "food"))
    next((folder / "image").glob("pet_0-*")).write_bytes(b"no picture")
    return folder


def test_a_dataset_becomes_a_cache_and_failures_are_told(dataset, tmp_path, capsys):
    words = ["preprocess", str(dataset), "--out", str(tmp_path / "out"), "--size", "64", "--workers", "1"]
    assert run(words) == 0
    out, _ = capsys.readouterr()
    assert "3 images of 64 x 64 px" in out
    assert "1 shards made, 0 kept; 1 failures" in out
    assert "UnsupportedMediaError" in out
    assert ImageCache.open(tmp_path / "out").labelled.n_by_class == {"food": 2, "pet": 1}


def test_a_second_run_keeps_what_is_there(dataset, tmp_path, capsys):
    words = ["preprocess", str(dataset), "--out", str(tmp_path / "out"), "--size", "64", "--margin", "8"]
    assert [run(words), run(words)] == [0, 0]
    assert "0 shards made, 1 kept" in capsys.readouterr().out


def test_another_size_into_the_same_folder_is_an_error(dataset, tmp_path, capsys):
    words = ["preprocess", str(dataset), "--out", str(tmp_path / "out"), "--size"]
    assert [run([*words, "64"]), run([*words, "32"])] == [0, 1]
    assert "expected size_px 32, got size_px 64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"), [(["--classes", "pet,food,cars"], 1), (["--size", "0"], 2), (["--workers", "0"], 2)]
)
def test_words_that_cannot_be_followed_are_errors(dataset, tmp_path, capsys, words, code):
    assert run(["preprocess", str(dataset), "--out", str(tmp_path / "out"), *words]) == code
    assert capsys.readouterr().err


def test_the_order_of_classes_can_be_given(dataset, tmp_path):
    words = ["preprocess", str(dataset), "--out", str(tmp_path / "out"), "--size", "32", "--classes", "pet, food"]
    assert run(words) == 0
    assert ImageCache.open(tmp_path / "out").labelled.classes == ("pet", "food")
