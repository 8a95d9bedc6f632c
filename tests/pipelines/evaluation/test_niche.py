"""Labelled photos of any origin to the scores of the shipped niche head."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import EmptySourceError, TableError
from postlens.pipelines.evaluation.niche import FaceReader, evaluate, look_at, read_labelled
from postlens.pipelines.lens import Lens
from postlens.tasks.niche import FACE_MODEL, POST_MODEL, predict_posts
from postlens.types import NICHES, Embeddings
from postlens.vision.encoder import Encoder
from postlens.vision.zoo import open_model

from ..fakes import settings as campaign_settings


def photo(path: Path, *, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, size=(40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_folders_named_by_niche_are_scored(tmp_path):
    for seed, label in enumerate(["pet", "food", "pet"]):
        photo(tmp_path / label / f"{seed}.jpg", seed=seed)
    photo(tmp_path / "cars" / "1.jpg")
    seen: list[tuple[int, int]] = []
    scores = evaluate(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert (scores["n"], scores["failed"], scores["in_sample"]) == (3, 0, False)
    assert scores["interval_by"] == "photo"
    assert seen[-1] == (3, 3)


def test_manifest_gives_scores_with_intervals_by_source(tmp_path):
    rows = [{"file": f"{i}.jpg", "label": NICHES[i % 3], "source_group": f"s{i % 2}"} for i in range(6)]
    for i in range(6):
        photo(tmp_path / f"{i}.jpg", seed=i)
    scores = evaluate(manifest(tmp_path, rows))
    assert scores["interval_by"] == "source_group"
    for name in ("accuracy", "macro_f1", "ece"):
        assert len(scores[f"{name}_ci"]) == 2
    assert set(scores["per_class"]["beauty"]) >= {"n", "precision", "recall", "f1", "recall_ci"}
    json.dumps(scores, allow_nan=False)


def test_damaged_photos_and_unknown_labels_are_counted(tmp_path):
    photo(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("no photo")
    rows = [{"file": name, "label": "pet"} for name in ("good.jpg", "text.jpg", "absent.jpg")]
    scores = evaluate(manifest(tmp_path, [*rows, {"file": "good.jpg", "label": "cars"}]))
    assert (scores["n"], scores["failed"]) == (1, 3)
    assert scores["failures"] == {"UnknownLabel": 1, "UnsupportedMediaError": 1, "MediaNotFoundError": 1}


def test_manifest_without_labels_is_refused(tmp_path):
    with pytest.raises(TableError, match="file and label"):
        evaluate(manifest(tmp_path, [{"file": "a.jpg", "niche": "pet"}]))


@pytest.mark.parametrize("name", ["empty", "cars/1.jpg"])
def test_folder_without_labelled_photos_is_refused(tmp_path, name):
    if name != "empty":
        photo(tmp_path / name)
    with pytest.raises(EmptySourceError, match="named by niche"):
        evaluate(tmp_path)


def test_nothing_readable_is_an_error_that_says_so(tmp_path):
    with pytest.raises(EmptySourceError, match="could read none"):
        evaluate(manifest(tmp_path, [{"file": "absent.jpg", "label": "pet"}]))


def test_a_photo_is_answered_as_analyze_answers_it(tmp_path):
    photo(tmp_path / "pet" / "1.jpg")
    with Lens(campaign_settings()) as lens:
        analyzed = lens.analyze(tmp_path / "pet" / "1.jpg").niche
    encoder, head, face_head = Encoder(), open_model(POST_MODEL), open_model(FACE_MODEL)
    found = look_at(read_labelled(tmp_path), encoder, reader=FaceReader())
    vectors = Embeddings(("p",), found.vectors, encoder.fingerprint)
    (evaluated,) = predict_posts(vectors, head, faces=found.faces, face_model=face_head)
    (bare,) = predict_posts(vectors, head)
    assert analyzed is not None
    assert analyzed.probs == pytest.approx(evaluated.probs, abs=1e-6)
    assert analyzed.probs != pytest.approx(bare.probs, abs=1e-6)


@pytest.mark.data
def test_shipped_head_fits_the_photos_it_learned(data_root, tmp_path):
    photos = read_labelled(data_root / "niche")[::40]
    rows = [{"file": str(p.path), "label": p.label, "source_group": p.source_group} for p in photos]
    scores = evaluate(manifest(tmp_path, rows))
    assert scores["failed"] == 0
    assert scores["accuracy"] > 0.85
