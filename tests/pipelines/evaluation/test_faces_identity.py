"""Folders of photo pairs to scores, on the bundled portraits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from postlens.errors import EmptySourceError, SourceNotFoundError, TableError
from postlens.pipelines.evaluation.faces_identity import evaluate

PHOTOS = ("sample.portraits/flight-suit.jpg", "sample.portraits/smile.jpg", "sample.portraits/navy-cap.jpg")


@pytest.fixture
def folder(tmp_path: Path, sample_campaign: Path) -> Path:
    for photo in PHOTOS:
        shutil.copy(sample_campaign / "media" / photo, tmp_path / Path(photo).name)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    return tmp_path


def pairs(folder: Path, *rows: str, header: str = "file_a,file_b,same,source_group") -> None:
    (folder / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")


def test_pairs_of_the_same_and_of_different_people_are_told_apart(folder):
    seen: list[tuple[int, int]] = []
    pairs(folder, "flight-suit.jpg,smile.jpg,1,x", "flight-suit.jpg,navy-cap.jpg,0,y", "smile.jpg,navy-cap.jpg,0,y")
    table = evaluate(folder, progress=lambda done, total: seen.append((done, total)))
    assert (table["n"], table["accuracy"], table["auc"], table["failed"]) == (3, 1.0, 1.0, 0)
    assert set(table["by_source"]) == {"x", "y"} and table["in_sample"] is False
    assert seen[-1] == (3, 3)


def test_unreadable_photos_count_as_failed_and_their_pairs_as_different(folder):
    pairs(folder, "flight-suit.jpg,broken.jpg,1,x", "flight-suit.jpg,gone.jpg,0,x", "flight-suit.jpg,smile.jpg,1,x")
    table = evaluate(folder)
    assert (table["failed"], sum(table["failures"].values()), table["n_compared"]) == (2, 2, 1)
    assert table["accuracy"] == pytest.approx(2 / 3, abs=1e-3)


def test_sources_may_be_missing(folder):
    pairs(folder, "flight-suit.jpg,smile.jpg,1", header="file_a,file_b,same")
    assert list(evaluate(folder)["by_source"]) == ["unknown"]


def test_a_folder_without_usable_pairs_is_refused(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"pairs\.csv"):
        evaluate(tmp_path)
    pairs(tmp_path)
    with pytest.raises(EmptySourceError, match="got none"):
        evaluate(tmp_path)
    pairs(tmp_path, "a,b", header="left,right")
    with pytest.raises(TableError, match="file_a"):
        evaluate(tmp_path)
