"""Folders of photos labelled with emotions to scores of the scene reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import EmptySourceError
from postlens.media.image import decode_image
from postlens.pipelines.evaluation.layout import MANIFEST, Photo
from postlens.pipelines.evaluation.scene_emotion import SceneReader, evaluate, ratings
from postlens.types import EMOTIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes")
    for name, colour in (("a.png", "navy"), ("b.png", "green"), ("c.png", "white"), ("d.png", "red")):
        Image.new("RGB", (80, 60), colour).save(path / name)
    lines = ["file,label,valence_1_7,arousal_1_7", "a.png,sad,2.5,3", "b.png,happy,5,2.5", "c.png,neutral,4,2"]
    (path / MANIFEST).write_text("\n".join([*lines, "d.png,fear,n/a,", "absent.png,sad,2,2"]))
    return path


def test_scores_have_intervals_and_failures_are_counted(folder: Path) -> None:
    scores = evaluate(folder)
    assert (scores["n"], scores["failed"], scores["n_with_faces"]) == (4, 1, 0)
    assert scores["failures"] == {"MediaNotFoundError": 1}
    for name in ("accuracy", "macro_f1", "ece", "valence_r", "arousal_r"):
        assert {name, f"{name}_ci"} <= scores.keys()
    assert set(scores["per_class"]) == set(EMOTIONS) and scores["in_sample"] is False


def test_without_faces_fusion_keeps_the_order_of_the_scene(folder: Path) -> None:
    row = SceneReader().read(decode_image(folder / "a.png"))
    assert row.shape == (1, 18)
    assert row[0, :8].argmax() == row[0, 8:16].argmax()


def test_ratings_that_are_no_numbers_are_unknown() -> None:
    rows = [{"valence_1_7": "4.5", "arousal_1_7": "2"}, {"valence_1_7": "n/a"}, {}]
    table = ratings([Photo(Path("a"), "sad", row) for row in rows])
    assert table[0].tolist() == [4.5, 2] and np.isnan(table[1:]).all()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError):
        evaluate(tmp_path)
