"""Photos to pixels as text and posts to a table of what forecasts read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from postlens.cli.app import run
from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.features import FeaturesRequest, FeaturesWritten, pixel_vector, write_features
from postlens.pipelines.folder import remove_features
from postlens.pipelines.forget import find_subject, forget_subject
from postlens.store import Store
from postlens.tasks.engagement.features import FEATURES
from postlens.train.engagement_photos import squeeze

from .fakes import NOW, settings

RNG = np.random.default_rng(3)
EXACT = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos of a likes list, one of 64 x 64 pixels, one torn; likes of the third are hidden."""
    root = tmp_path_factory.mktemp("in") / "anna"
    root.mkdir()
    Image.fromarray(EXACT).save(root / "1.png")
    Image.fromarray(RNG.integers(0, 256, (50, 90, 3), dtype=np.uint8)).save(root / "2.jpg")
    (root / "3.jpg").write_bytes(b"\xff\xd8\xff no photo")
    Image.new("RGB", (42, 30), (10, 200, 30)).save(root / "10.png")
    (root / "y_likes_data.txt").write_text("1: 27\n2: 31\n3: 5\n10: -\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def written(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> FeaturesWritten:
    request = FeaturesRequest((str(photos),), tmp_path_factory.mktemp("out"), vectors=True)
    return write_features(request, settings=settings(), now=NOW)


def test_each_photo_is_a_line_of_its_pixels_in_order(written: FeaturesWritten) -> None:
    pictures = np.loadtxt(written.pixels, dtype=np.int64).reshape(-1, 64, 64, 3)
    assert written.n_lines == len(pictures) == 3
    assert np.array_equal(pictures[0], EXACT)
    assert (pictures[2] == (10, 200, 30)).all()
    assert written.pixels.name == "X_feature_vector_data.txt"


def test_the_table_has_counts_features_and_the_lines_of_the_pixels(written: FeaturesWritten) -> None:
    table = pl.read_parquet(written.table)
    assert [Path(files[0]).name for files in table["files"]] == ["1.png", "2.jpg", "3.jpg", "10.png"]
    assert table["likes"].to_list() == [27.0, 31.0, 5.0, None]
    assert table["first_line"].to_list() == [1, 2, None, 3]
    assert table["n_lines"].to_list() == [1, 1, 0, 1]
    assert [name for name in table.columns if name in FEATURES] == list(FEATURES)
    assert table["published_at"].null_count() == 4


def test_features_are_null_where_nothing_is_known(written: FeaturesWritten) -> None:
    table = pl.read_parquet(written.table)
    assert table["brightness"].is_null().to_list() == [False, False, True, False]
    assert not any(table[name].is_nan().any() for name in FEATURES)


def test_vectors_come_only_when_asked_for(written: FeaturesWritten, tmp_path: Path) -> None:
    vectors = pl.read_parquet(written.table)["vector"]
    assert vectors.is_null().to_list() == [False, False, True, False]
    assert len(set(vectors.drop_nulls().list.len())) == 1
    stored = FeaturesRequest((str(written.table.parent / "postlens.db"),), tmp_path)
    again = write_features(stored, settings=settings(), now=NOW)
    assert "vector" not in pl.read_parquet(again.table).columns
    assert again.pixels.read_bytes() == written.pixels.read_bytes()


def test_what_cannot_be_read_is_a_failure(written: FeaturesWritten) -> None:
    told = {(Path(one.subject.partition(", line")[0]).name, one.stage) for one in written.failures}
    assert ("y_likes_data.txt", "source") in told
    assert any(name == "3.jpg" for name, _ in told)


def test_a_file_that_changed_since_has_no_line(photos: Path, written: FeaturesWritten, tmp_path: Path) -> None:
    before = (photos / "2.jpg").read_bytes()
    (photos / "2.jpg").write_bytes((photos / "10.png").read_bytes())
    try:
        request = FeaturesRequest((str(written.table.parent / "postlens.db"),), tmp_path)
        found = write_features(request, settings=settings(), now=NOW)
    finally:
        (photos / "2.jpg").write_bytes(before)
    assert found.n_lines == 2
    assert [(Path(one.subject).name, one.stage) for one in found.failures] == [("2.jpg", "pixels")]


def test_pixels_are_those_that_the_reference_network_is_trained_on() -> None:
    image = RNG.integers(0, 256, (90, 37, 3), dtype=np.uint8)
    assert np.array_equal(pixel_vector(image), squeeze([image])[0].reshape(-1))


def test_a_store_may_be_asked_for_one_account(written: FeaturesWritten, tmp_path: Path) -> None:
    request = FeaturesRequest((str(written.table.parent / "postlens.db"),), tmp_path, account="anna")
    assert write_features(request, settings=settings(), now=NOW).n_posts == 4
    with pytest.raises(UnknownNameError):
        write_features(replace(request, account="ben"), settings=settings(), now=NOW)


@pytest.mark.parametrize("sources", [(), ("{store}", "a.jpg")])
def test_wrong_sources_are_told_before_anything_is_written(
    sources: tuple[str, ...], written: FeaturesWritten, tmp_path: Path
) -> None:
    named = tuple(source.format(store=written.table.parent / "postlens.db") for source in sources)
    with pytest.raises(UsageError):
        write_features(FeaturesRequest(named, tmp_path / "out"), settings=settings(), now=NOW)
    assert not (tmp_path / "out").exists()


def test_forgetting_takes_the_files_with_it(photos: Path, tmp_path: Path) -> None:
    found = write_features(FeaturesRequest((str(photos / "1.png"),), tmp_path, account="cleo"), settings=settings())
    assert found.table.is_file()
    with Store.open(tmp_path / "postlens.db") as store:
        gone = forget_subject(find_subject("cleo", store=store), store=store, out=tmp_path, settings=settings())
    assert gone.counts["features"] == 2
    assert not found.table.exists()
    assert not found.pixels.exists()
    assert remove_features(tmp_path) == 0


def test_the_verb_says_what_it_wrote(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", str(photos / "1.png"), "--out", str(tmp_path)]) == 0
    assert "1 photos in" in capsys.readouterr().out
