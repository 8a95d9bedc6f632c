"""Labelled folders of any origin to rows, or to an error that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from postlens.cli.app import run
from postlens.errors import SourceNotFoundError, TableError
from postlens.pipelines.evaluation import evaluate_task
from postlens.pipelines.evaluation.layout import Photo, list_photos, read_table

TABLES = {
    "niche": ("manifest.csv", "file,label"),
    "expression": ("manifest.csv", "file,label"),
    "scene_emotion": ("manifest.csv", "file,label"),
    "attributes": ("attributes.csv", "person,file"),
    "faces_identity": ("pairs.csv", "file_a,file_b,same"),
    "video": ("people.csv", "file,person"),
}


def test_short_rows_are_filled_and_long_ones_cut(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,label\na.jpg\nb.jpg,pet,more,and more\n")
    assert read_table(tmp_path / "t.csv", "file") == [{"file": "a.jpg", "label": ""}, {"file": "b.jpg", "label": "pet"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"file,label\ncaf\xe9.jpg,pet\n", "CSV file in UTF-8"),
        (b"file,label\na.jpg," + b"x" * 200_000, "CSV file in UTF-8"),
        (b"path,label\na.jpg,pet\n", "expected columns file and label, got path, label; rename"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=said):
        read_table(tmp_path / "t.csv", "file", "label")


def test_a_missing_table_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"expected t\.csv in the folder .* name the folder"):
        read_table(tmp_path / "t.csv")


def test_only_folders_named_by_a_label_hold_photos(tmp_path: Path) -> None:
    for name in ("pet/1.jpg", "pet/0.jpg", "cars/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list_photos(tmp_path, ("pet",)) == [Photo(tmp_path / "pet" / name, "pet") for name in ("0.jpg", "1.jpg")]


def test_a_folder_below_that_of_the_label_is_the_source(tmp_path: Path) -> None:
    (tmp_path / "pet" / "ann").mkdir(parents=True)
    for name in ("pet/0.jpg", "pet/ann/1.jpg"):
        (tmp_path / name).write_bytes(b"")
    photos = {photo.path.name: photo for photo in list_photos(tmp_path, ("pet",))}
    assert [photos[name].label for name in ("0.jpg", "1.jpg")] == ["pet", "pet"]
    assert [photos[name].source_group for name in ("0.jpg", "1.jpg")] == ["", "ann"]


@pytest.mark.parametrize("task", TABLES)
def test_every_task_tells_a_manifest_that_is_no_utf8(task: str, tmp_path: Path, capsys) -> None:
    name, header = TABLES[task]
    (tmp_path / name).write_bytes(f"{header}\n".encode() + b"caf\xe9.jpg,b.jpg,1\n")
    assert run(["evaluate", task, "--data", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"{name}: expected a CSV file in UTF-8" in err


@pytest.mark.parametrize("task", TABLES)
def test_every_task_tells_a_folder_without_its_table(task: str, tmp_path: Path, capsys) -> None:
    assert run(["evaluate", task, "--data", str(tmp_path)]) == 1
    assert TABLES[task][0] in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="check --data"):
        evaluate_task("niche", tmp_path / "absent")
