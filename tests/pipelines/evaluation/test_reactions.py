"""Folders of photos labelled with one or several emotions to scores of reactions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import EmptySourceError, TableError
from postlens.pipelines.evaluation.layout import MANIFEST, Photo
from postlens.pipelines.evaluation.reactions import evaluate, labels_of, read_labelled
from postlens.types import EMOTIONS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in (("a.png", "navy"), ("b.png", "green"), ("c.png", "white")):
        Image.new("RGB", (80, 60), colour).save(tmp_path / name)
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    (folder / MANIFEST).write_text("\n".join(lines))
    return folder


def test_several_emotions_of_a_photo_are_scored_with_intervals(folder: Path) -> None:
    scores = evaluate(write(folder, "file,happy,sad", "a.png,0,1", "b.png,1,1", "c.png,1,0", "absent.png,1,0"))
    assert (scores["n"], scores["failed"], scores["n_with_faces"]) == (3, 1, 0)
    assert scores["failures"] == {"MediaNotFoundError": 1} and scores["in_sample"] is False
    assert {"macro_f1", "micro_f1_ci", "map", "ece", "ece_ci"} <= scores.keys()
    assert {name: row["n"] for name, row in scores["per_emotion"].items() if row["n"]} == {"happy": 2, "sad": 2}
    assert set(scores["thresholds"]) == set(EMOTIONS)


def test_one_label_a_photo_does_too_and_unknown_labels_are_counted(folder: Path) -> None:
    scores = evaluate(write(folder, "file,label", "a.png,sad", "b.png,happy", "c.png,glad"))
    assert scores["n"] == 2 and scores["failures"] == {"UnknownLabel": 1}


def test_folders_named_by_emotion_need_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "sad").mkdir()
    Image.new("RGB", (40, 40), "navy").save(tmp_path / "sad" / "a.png")
    assert [photo.label for photo in read_labelled(tmp_path)] == ["sad"]


def test_an_emotion_of_which_nothing_is_said_is_not_known() -> None:
    truth = labels_of(Photo(Path("a"), "", {"file": "a", "happy": "", "sad": "0", "fear": "1"}))
    np.testing.assert_array_equal(truth[[0, 1, 2, 3]], [np.nan, 0, np.nan, 1])


def test_photos_of_which_an_emotion_is_not_known_do_not_count_for_it(folder: Path) -> None:
    given = write(folder, "file,happy,sad,other", "a.png,1,", "b.png,1,0,", "c.png,1,1,")
    known = evaluate(given)["per_emotion"]
    assert known["sad"]["n"] == 1 and known["angry"]["ece"] is None and known["other"]["ece"] is None
    rest = evaluate(write(folder, "file,happy,sad", "b.png,1,0", "c.png,1,1"))["per_emotion"]
    assert known["sad"] == rest["sad"]


@pytest.mark.parametrize(
    ("lines", "error", "words"),
    [
        (["file,mood", "a.png,sad"], TableError, "expected a column label"),
        (["file,happy", "a.png,yes"], TableError, "happy=yes"),
        (["file,happy", "absent.png,1"], EmptySourceError, "could read none"),
        (["file,happy", "a.png,0"], EmptySourceError, "could read none"),
    ],
)
def test_manifests_that_say_no_emotion_are_refused(folder: Path, lines: list[str], error, words: str) -> None:
    with pytest.raises(error, match=words):
        evaluate(write(folder, *lines))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError):
        evaluate(tmp_path)
