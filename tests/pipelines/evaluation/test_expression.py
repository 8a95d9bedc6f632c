"""Folders of labelled faces to scores: manifests, sub-folders, failures, and the collection at hand."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from postlens.errors import EmptySourceError, TableError
from postlens.pipelines.evaluation.expression import evaluate, read_photos
from postlens.pipelines.evaluation.layout import MANIFEST
from postlens.tasks.reactions.features import EXPRESSION_HEAD
from postlens.types import EMOTIONS
from postlens.vision.zoo import load_spec


def write_manifest(folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with (folder / MANIFEST).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def blank(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), "grey").save(path)


def test_photos_that_cannot_be_scored_are_counted_by_kind(tmp_path: Path) -> None:
    blank(tmp_path / "a.png")
    (tmp_path / "text.jpg").write_text("no picture")
    rows = [("a.png", "happy"), ("text.jpg", "sad"), ("absent.jpg", "sad"), ("a.png", "glad")]
    write_manifest(tmp_path, [{"file": name, "label": label} for name, label in rows])
    seen: list[tuple[int, int]] = []
    scores = evaluate(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert (scores["n"], scores["failed"], scores["undetected"], scores["in_sample"]) == (1, 3, 1, False)
    assert scores["failures"] == {"UnknownLabel": 1, "UnsupportedMediaError": 1, "MediaNotFoundError": 1}
    assert {"accuracy_ci", "macro_f1_ci", "ece_ci"} <= scores.keys() and set(scores["per_class"]) == set(EMOTIONS)
    assert seen[-1] == (3, 3)


def test_without_a_manifest_folders_name_the_emotion(tmp_path: Path) -> None:
    for name in ("happy/1.png", "fear/2.png", "others/3.png"):
        blank(tmp_path / name)
    photos, _ = read_photos(tmp_path)
    assert sorted((photo.label, photo.path.name) for photo in photos) == [("fear", "2.png"), ("happy", "1.png")]
    assert evaluate(tmp_path)["by_source"] == {}


def test_sources_are_scored_apart_where_they_are_named(tmp_path: Path) -> None:
    blank(tmp_path / "a.png")
    rows = [{"file": "a.png", "label": "neutral", "source_group": source} for source in ("one", "two", "")]
    write_manifest(tmp_path, rows)
    scores = evaluate(tmp_path)
    assert {name: own["n"] for name, own in scores["by_source"].items()} == {"one": 1, "two": 1}


def test_folders_without_photos_or_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError, match="expected manifest"):
        evaluate(tmp_path)
    (tmp_path / MANIFEST).write_text("path,label\na.jpg,happy\n")
    with pytest.raises(TableError, match="columns file and label"):
        evaluate(tmp_path)
    (tmp_path / MANIFEST).write_text("file,label\na.jpg,happy\n")
    with pytest.raises(EmptySourceError, match="could read none"):
        evaluate(tmp_path)


@pytest.mark.data
def test_a_sample_of_the_collection_scores_as_the_card_says(tmp_path: Path, data_root: Path) -> None:
    source = data_root / "expression"
    with (source / MANIFEST).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source_group"] == "mux_lfw"][::4]
    for row in rows:
        (tmp_path / row["file"]).parent.mkdir(exist_ok=True)
        shutil.copy(source / row["file"], tmp_path / row["file"])
    write_manifest(tmp_path, rows)
    scores = evaluate(tmp_path)
    low, high = load_spec(EXPRESSION_HEAD).metrics["mux_lfw"]["accuracy_ci"]
    assert low - 0.1 < scores["accuracy"] < high + 0.1
    assert not scores["in_sample"] and scores["failed"] == 0
