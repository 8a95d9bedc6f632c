"""Pictures of a training: drawn for any history, any labels and any number of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.errors import ShapeError
from postlens.train.plots import (
    SAMPLE_COLUMNS,
    CreatorSample,
    Sample,
    plot_confusion,
    plot_creators,
    plot_history,
    plot_samples,
)


def epoch(phase: object, loss: float, f1: float | None) -> dict[str, object]:
    return {"phase": phase, "train_loss": loss, "val_loss": loss + 0.1, "val_macro_f1": f1}


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def sample(*, right: bool) -> Sample:
    return Sample(np.full((32, 32, 3), 99, np.uint8), "pet", "pet" if right else "$food$", 0.7)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [epoch("head", 2.0, None)],
        [epoch(1, 2.0, 0.3), epoch(1, 1.0, 0.5), epoch(2, 0.9, 0.4)],
        [{"phase": "head", "train_loss": float("nan")}],
    ],
    ids=["empty", "one epoch", "two phases", "lost"],
)
def test_every_history_can_be_drawn(history, tmp_path):
    plot_history(history, tmp_path / "history.png")
    assert min(size_of(tmp_path / "history.png")) > 500


@pytest.mark.parametrize(
    "labels", [("a",), ("$a_b$", "a label of more than eighteen characters"), ("食べ物", "여행"), tuple("abcdefghi")]
)
def test_confusion_is_drawn_for_any_labels(labels, tmp_path):
    truth = np.zeros(3, np.int64)
    plot_confusion(truth, truth + len(labels) - 1, tmp_path / "confusion.png", labels=labels, title="3 images")
    assert min(size_of(tmp_path / "confusion.png")) > 250


def test_right_and_wrong_samples_start_rows_of_their_own(tmp_path):
    few = [sample(right=True), sample(right=False)]
    many = [*few, *[sample(right=True)] * (SAMPLE_COLUMNS - 1)]
    for name, samples in (("few", few), ("many", many)):
        plot_samples(samples, tmp_path / f"{name}.png", title="test")
    assert size_of(tmp_path / "few.png") == size_of(tmp_path / "many.png")


def test_no_sample_is_no_picture(tmp_path):
    with pytest.raises(ShapeError, match="at least one sample"):
        plot_samples([], tmp_path / "samples.png")


@pytest.mark.parametrize("n_posts", [1, 4])
def test_creators_are_drawn_with_few_posts_and_without_pictures(n_posts, tmp_path):
    picture = np.full((32, 32, 3), 99, np.uint8)
    images = (None, picture, picture, None)[-n_posts:]
    wrong = CreatorSample(images, (0.4, 0.3, 0.2, 0.1)[:n_posts], "食べ物 هرم", "животные", 0.7)
    plot_creators([wrong, replace(wrong, truth=wrong.answer)], tmp_path / "creators.png", title="旅行")
    assert min(size_of(tmp_path / "creators.png")) > 400


def test_no_creator_is_no_picture(tmp_path):
    with pytest.raises(ShapeError, match="at least one creator"):
        plot_creators([], tmp_path / "creators.png")
