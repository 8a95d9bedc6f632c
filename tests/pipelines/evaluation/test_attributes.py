"""Folders of labelled faces to scores: manifests, failures, and the collection at hand."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import EmptySourceError, SourceNotFoundError, TableError
from postlens.pipelines.evaluation.attributes import evaluate, read_manifest
from postlens.types import ATTRIBUTES


def write_manifest(folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with (folder / "attributes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_absent_columns_and_blank_cells_are_unknown(tmp_path: Path) -> None:
    write_manifest(tmp_path, [{"file": "a.jpg", "hat": "1", "beard": ""}, {"file": "b.jpg", "hat": "0", "beard": "?"}])
    manifest = read_manifest(tmp_path)
    assert manifest.labels[:, 0].tolist() == [1, 0]
    assert np.isnan(manifest.labels[:, 1:]).all()
    assert manifest.sex.tolist() == ["unknown", "unknown"]
    assert manifest.person.tolist() == ["a.jpg", "b.jpg"]


def test_folders_without_a_usable_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"attributes\.csv"):
        read_manifest(tmp_path)
    (tmp_path / "attributes.csv").write_text("file,hat\n")
    with pytest.raises(EmptySourceError):
        read_manifest(tmp_path)
    (tmp_path / "attributes.csv").write_text("path,hat\na.jpg,1\n")
    with pytest.raises(TableError, match="column file"):
        read_manifest(tmp_path)


def test_photos_that_cannot_be_scored_are_counted_by_kind(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "blank.png")
    (tmp_path / "text.jpg").write_text("no picture")
    write_manifest(tmp_path, [{"file": name, "hat": "1"} for name in ("blank.png", "text.jpg", "absent.jpg")])
    seen: list[tuple[int, int]] = []
    scores = evaluate(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert (scores["n"], scores["failed"], scores["in_sample"]) == (0, 3, False)
    assert scores["failures"] == {"NoFace": 1, "UnsupportedMediaError": 1, "MediaNotFoundError": 1}
    assert scores["hat"]["auc"] is None
    assert seen[-1] == (3, 3)


@pytest.mark.data
def test_clear_cases_are_told_apart(tmp_path: Path, data_root: Path) -> None:
    source = data_root / "attributes"
    rows = list(csv.DictReader((source / "attributes.csv").read_text(encoding="utf-8").splitlines()))
    own = [row for row in rows if row["source_group"] == "lfw_mux" and row["sunglasses"]]
    chosen = [r for r in own if r["sunglasses"] == "1"][:12] + [r for r in own if r["sunglasses"] == "0"][:12]
    for row in chosen:
        shutil.copy(source / row["file"], tmp_path)
    write_manifest(tmp_path, chosen)
    scores = evaluate(tmp_path)
    assert set(ATTRIBUTES) < set(scores)
    assert scores["sunglasses"]["auc"] > 0.95
