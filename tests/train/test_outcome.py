"""A finished training's folder: what is in it, and that it says what the predictions were."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.config import Settings
from postlens.errors import ShapeError
from postlens.pipelines.lens import Lens
from postlens.train.calibrate import calibrate
from postlens.train.export import Exported
from postlens.train.labels import LabelledImages
from postlens.train.outcome import Predictions, pick_samples, write_outcome
from postlens.train.report import Scored, about, report_of, score
from postlens.types import NICHES
from postlens.vision.zoo import open_card

from .nets import draw_images, guess, split_evenly, tiny_net, tiny_recipe

HISTORY = [
    {"phase": phase, "epoch": epoch, "train_loss": 2 / epoch, "val_loss": 2.2 / epoch, "val_macro_f1": epoch / 4}
    for phase, epoch in (("head", 1), ("head", 2), ("top50", 3))
]
FILES = {
    "history.csv",
    "training_history.png",
    "classification_report.json",
    "confusion_matrix.png",
    "prediction_samples.png",
    "encoder.onnx",
    "encoder.toml",
    "head.onnx",
    "head.toml",
}


def write(out: Path, images: LabelledImages, *, with_test: bool = True, data: Path | None = None) -> Exported:
    recipe, split = tiny_recipe(), split_evenly(images)
    return write_outcome(
        out,
        net=tiny_net(recipe),
        recipe=recipe,
        history=HISTORY,
        val=guess(images, split.val),
        test=guess(images, split.test if with_test else split.test[:0]),
        images=images,
        split=split,
        data=data,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, Exported]:
    """A run's folder and its cards."""
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    (data / "manifest.csv").write_text("file,label\n")
    return out, write(out, draw_images(data), data=data)


def test_every_file_of_a_run_is_written(run):
    assert {path.name for path in run[0].iterdir()} == FILES
    assert all(path.stat().st_size for path in run[0].iterdir())


def test_the_history_is_told_epoch_by_epoch(run):
    with (run[0] / "history.csv").open(newline="") as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["head", "head", "top50"]


def test_the_report_scores_test_and_validation_with_intervals(run):
    report = json.loads((run[0] / "classification_report.json").read_text())
    for part in ("test", "val"):
        assert {"accuracy", "accuracy_ci", "macro_f1", "macro_f1_ci", "ece", "ece_ci"} <= report[part].keys()
        assert {"precision", "recall", "f1", "n"} <= report[part]["per_class"]["pet"].keys()
    assert report["test"]["n"] == report["parts"]["test"]["n"] == 9
    assert report["calibrated_on"] == 9


def test_the_card_tells_scores_counts_and_the_manifest_but_no_place(run):
    out, found = run
    text = (out / "head.toml").read_text()
    assert str(out.parent) not in text
    assert (found.head.metrics["split"], found.head.metrics["n"]) == ("groups held out of training", 9)
    assert found.head.trained_on[0].startswith("train: 18 images of 9 groups (beauty 2")
    assert len(found.head.train_manifests[0]) == 64
    assert "Weakest recalls" in found.head.limits


def test_the_head_on_the_card_is_calibrated(run):
    out, found = run
    head = open_card(out / "head.toml").run({"features": np.ones((1, 6), np.float32)})
    report = json.loads((out / "classification_report.json").read_text())
    assert head["probs"].sum() == pytest.approx(1, abs=1e-5)
    assert report["temperature"] != 1
    assert dict(found.head.thresholds) == report["thresholds"]


def test_the_run_answers_posts_in_the_product(run, tmp_path):
    Image.new("RGB", (60, 40), (200, 30, 30)).save(tmp_path / "post.png")
    with Lens(Settings(workers=1, niche_model=run[0])) as lens:
        answer = lens.analyze(tmp_path / "post.png")
    assert answer.niche is not None
    assert sum(answer.niche.probs.values()) == pytest.approx(1)
    assert tuple(answer.niche.probs) == NICHES


def test_few_and_easy_validation_images_are_told_on_the_card(tmp_path):
    images = draw_images(tmp_path)
    recipe, split = tiny_recipe(), split_evenly(images)
    val = guess(images, split.val, right=1.0)
    calibration = calibrate(val.logits / 9, val.truth, classes=NICHES)
    scored = [score("val", val, calibration, images=images, rng=np.random.default_rng(0))]
    report = report_of(scored, calibration, images=images, split=split)
    assert "at the end of its range" in about(scored, report, recipe=recipe, data=None).limits


@pytest.fixture(scope="module")
def bare_run(tmp_path_factory) -> tuple[Path, Exported]:
    """A run without test images, whose pictures are gone when it ends."""
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    images = draw_images(data)
    for path in images.paths:
        Path(path).unlink()
    return out, write(out, images, with_test=False)


def test_without_test_images_the_card_says_that_its_scores_are_of_validation(bare_run):
    out, found = bare_run
    assert found.head.metrics["split"].startswith("validation groups, on which")
    assert "test" not in json.loads((out / "classification_report.json").read_text())


def test_pictures_that_are_gone_leave_the_rest(bare_run):
    assert {path.name for path in bare_run[0].iterdir()} == FILES - {"prediction_samples.png"}


def test_samples_are_the_surest_wrong_answers_and_right_ones_of_many_labels():
    truth = np.repeat(np.arange(9), 20)
    answers = truth.copy()
    answers[:15] = 1
    probs = np.full((180, 9), 0.01)
    probs[np.arange(180), answers] = np.linspace(0.5, 0.9, 180)
    one = Scored("test", np.arange(180), truth, probs, answers, {})
    chosen = pick_samples(one, rng=np.random.default_rng(0))
    assert chosen[:12] == list(range(14, 2, -1))
    assert {NICHES[truth[at]] for at in chosen[12:]} == set(NICHES)


def test_predictions_are_columns_of_equal_length():
    rows = np.arange(4)
    found = Predictions(rows, np.zeros((4, 2), np.float32), rows % 2)
    assert len(found[rows > 1]) == 2
    with pytest.raises(ShapeError, match="logits"):
        Predictions(rows, np.zeros((3, 2), np.float32), rows)
