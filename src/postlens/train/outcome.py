"""A finished training to the files that tell what came of it: history, scores, pictures, the exported model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from postlens.errors import MediaError, ShapeError
from postlens.train.calibrate import calibrate
from postlens.train.history import write_history
from postlens.train.pictures import ImageFiles
from postlens.train.plots import Sample, plot_confusion, plot_history, plot_samples
from postlens.train.report import Scored, about, report_of, score
from postlens.types import Columns, FloatArray, Image, IntArray

if TYPE_CHECKING:
    from postlens.train.export import Exported
    from postlens.train.labels import LabelledImages, Split
    from postlens.train.module import NicheNet
    from postlens.train.recipe import Recipe

HISTORY, REPORT = "history.csv", "classification_report.json"
HISTORY_PICTURE, CONFUSION_PICTURE = "training_history.png", "confusion_matrix.png"
SAMPLES_PICTURE = "prediction_samples.png"
N_SAMPLES = 12  # of right and of wrong answers each: two rows of pictures


@dataclass(frozen=True, slots=True)
class Predictions(Columns):
    """What a net says about labelled images: columns of equal length N."""

    rows: IntArray  # (N,) row numbers in the `LabelledImages`
    logits: FloatArray  # (N, K) in the order of the classes, before any temperature
    truth: IntArray  # (N,) positions in the classes

    def __post_init__(self) -> None:
        n = len(self.rows)
        if self.logits.ndim != 2 or len(self.logits) != n or self.truth.shape != (n,):
            raise ShapeError(
                f"predictions must be rows (N,), logits (N, K) and truth (N,), got {self.rows.shape}, "
                f"{self.logits.shape} and {self.truth.shape}"
            )


# More arguments than elsewhere: the call of the training loop, which has all of these and nothing that bundles them.
def write_outcome(
    out: Path,
    *,
    net: NicheNet,
    recipe: Recipe,
    history: Sequence[Mapping[str, Any]],
    val: Predictions,
    test: Predictions,
    images: LabelledImages,
    split: Split,
    data: Path | None = None,
    picture: Callable[[int], Image] | None = None,
) -> Exported:
    """Write history, report, pictures and the exported model into the folder of a run; returns the model's cards.

    The temperature and the threshold are fitted to `val`; the scores on the cards are those of `test`, or of `val`
    where nothing was kept for a test, which the card then says.

    Args:
        history: rows of `train.history`.
        data: the folder trained on, for the sha256 of its manifest.
        picture: row number to the square that the net sees; default: decoded from `images.paths`.

    Raises:
        ModelError: the exported files do not compute what the net does. All else is written by then.
        MissingExtraError: matplotlib is not installed.
    """
    from postlens.train.export import export_net

    calibration, rng = calibrate(val.logits, val.truth, classes=images.classes), np.random.default_rng(recipe.seed)
    parts = [(name, found) for name, found in (("test", test), ("val", val)) if len(found)]
    scored = [score(name, found, calibration, images=images, rng=rng) for name, found in parts]
    if history:
        write_history(history, out / HISTORY)
    plot_history(history, out / HISTORY_PICTURE)
    report = report_of(scored, calibration, images=images, split=split)
    (out / REPORT).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if scored:
        look = picture or ImageFiles(images, size_px=recipe.size_px).image
        _draw(scored[0], out, images=images, picture=look, rng=rng)
    told = about(scored, report, recipe=recipe, data=data)
    return export_net(net, out, recipe=recipe, classes=images.classes, calibration=calibration, about=told)


def _draw(
    one: Scored, out: Path, *, images: LabelledImages, picture: Callable[[int], Image], rng: np.random.Generator
) -> None:
    """Confusion matrix and samples of one part."""
    accuracy, f1 = one.table["accuracy"], one.table["macro_f1"]
    title = f"{one.part}: {one.table['n']} images, accuracy {accuracy:.3f}, macro-F1 {f1:.3f}"
    plot_confusion(one.truth, one.answers, out / CONFUSION_PICTURE, labels=images.classes, title=title)
    n_wrong = int((one.answers != one.truth).sum())
    samples = [found for at in pick_samples(one, rng=rng) if (found := _sample(one, at, images, picture)) is not None]
    if samples:
        words = f"{one.part}: {n_wrong} of {len(one.answers)} wrong; the surest of these, then right ones of all labels"
        plot_samples(samples, out / SAMPLES_PICTURE, title=words)


def pick_samples(one: Scored, *, rng: np.random.Generator, n: int = N_SAMPLES) -> list[int]:
    """Positions of up to n wrong answers, surest first, and of up to n right ones drawn evenly over the labels."""
    sure = one.probs[np.arange(len(one.answers)), one.answers]
    is_wrong = one.answers != one.truth
    wrong = [at for at in np.argsort(-sure, kind="stable").tolist() if is_wrong[at]]
    order = [at for at in rng.permutation(len(sure)).tolist() if not is_wrong[at]]
    seen: Counter[int] = Counter()
    turns = []
    for at in order:
        turns.append((seen[int(one.truth[at])], at))
        seen[int(one.truth[at])] += 1
    return wrong[:n] + [at for _, at in sorted(turns, key=lambda turn: turn[0])[:n]]


def _sample(one: Scored, at: int, images: LabelledImages, picture: Callable[[int], Image]) -> Sample | None:
    """None where the file can no longer be read."""
    answer = int(one.answers[at])
    try:
        image = picture(int(one.rows[at]))
    except MediaError:
        return None
    return Sample(image, images.classes[int(one.truth[at])], images.classes[answer], float(one.probs[at, answer]))
