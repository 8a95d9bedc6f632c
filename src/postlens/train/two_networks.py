"""Labelled images to a run folder of nets over pixels: `postlens train products --recipe two_networks`.

Table, folds, scores and report are those of the heads (`train.products`); the nets go through the phases of every
training (`train.phased`). The folder also holds squares.npy (0.15 MB for each image) and nets/, the trainings. With
five folds a net is trained six times: on a GPU hours for thousands of images, on a processor days.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.errors import PostlensError
from postlens.tasks.products.evaluate import pick_threshold
from postlens.train.fit import Machine
from postlens.train.products import (
    ProductData,
    ProductRecipe,
    ProductResult,
    begin,
    check_names,
    facts,
    limits,
    meaning,
    prepare,
    score,
    trained_on,
)
from postlens.train.products_report import metrics_of, write_answers, write_report
from postlens.train.products_table import read_product_images
from postlens.train.products_vectors import Progress
from postlens.train.run_folder import RunFolder
from postlens.train.two_networks_export import export_nets
from postlens.train.two_networks_fit import FittedNets, check_folds, check_machine, fit_nets
from postlens.train.two_networks_recipe import TWO_NETWORKS, Nets, load_nets
from postlens.train.two_networks_squares import SquareFile, new_squares

SQUARES, TRAININGS = "squares.npy", "nets"  # in the run folder
ALL_LAYERS = 1000  # more than a net has
log = logging.getLogger("postlens.train")


@dataclass(frozen=True, slots=True)
class Answers:
    """Probabilities for images that the nets had not seen, and what each is compared with: (N, K) both."""

    probs: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def train_two_networks(
    data: Path,
    *,
    out: Path,
    recipe: ProductRecipe | None = None,
    nets: Nets | None = None,
    machine: Machine | None = None,
    settings: Settings | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> ProductResult:
    """Train nets over pixels on labelled images, and write the run folder `out` for the setting product_models.

    A training that was stopped goes on where it was when it is begun again with the same data and recipe.

    Args:
        data: as `read_product_images` takes it.
        nets: default: VGG16 and ResNet50 from pretrained weights (`two_networks`).
        machine: default: the first accelerator, or the processor.

    Raises:
        UsageError: the folder holds a finished run, a label is not there, groups cannot be divided (SplitError), or a
            setting cannot be used (SettingsError).
        SourceError: the data cannot be read.
        NotEnoughDataError: a label with too few images.
        ModelError: weights cannot be loaded, or the exported nets do not compute what they do.
        DivergedError: the loss is no number.
    """
    recipe, nets, machine = recipe or ProductRecipe(), nets or load_nets(), machine or Machine()
    check_folds(recipe.n_folds)
    check_machine(nets, machine)
    images = read_product_images(data, labels=recipe.labels)
    check_names(recipe, images.labels)
    begin(out, command=command)
    with RunFolder(out).logging():
        _warn(nets)
        squares = new_squares(out / SQUARES, len(images))
        try:
            prepared = prepare(
                images, recipe, out=out, root=data, squares=squares, settings=settings, progress=progress
            )
        except PostlensError:
            (out / SQUARES).unlink()
            raise
        squares.flush()
        truth, folds = prepared.images.truth, prepared.folds
        fitted = fit_nets(
            SquareFile(out / SQUARES, prepared.found.row), truth, folds, nets, out=out / TRAININGS, machine=machine
        )
        return _finish(fitted, prepared, recipe, nets=nets, out=out, root=data)


def _warn(nets: Nets) -> None:
    """Log what a recipe asks for that cannot give a good model."""
    for net in nets:
        if net.weights == "none" and all(phase.unfrozen_layers < ALL_LAYERS for phase in net.phases):
            log.warning(
                "%s: its frozen layers are random and stay so; recipe two_networks_scratch trains all", net.name
            )


def _finish(
    fitted: FittedNets, data: ProductData, recipe: ProductRecipe, *, nets: Nets, out: Path, root: Path
) -> ProductResult:
    images, base = data.images, root if root.is_dir() else root.parent
    answered, thresholds = answers_of(fitted.probs, data, recipe)
    scores, test = score(answered, data, seed=recipe.seed)
    labels = tuple(
        meaning(name, data.reads, recipe, threshold=threshold)
        for name, threshold in zip(images.labels, thresholds, strict=True)
    )
    metrics = metrics_of(scores, test, images, facts(data, recipe=TWO_NETWORKS))
    write_report(out, metrics, scores, test, images=images, pictures=data.found.tiles, labels=labels)
    write_answers(out / "answers.csv", scores, images, data.folds, root=base)
    export_nets(
        fitted.nets, out, nets=nets, reads=data.reads, labels=labels, metrics=metrics["labels"],
        trained_on=trained_on(images), limits=limits(scores, data.reads),
    )  # fmt: skip
    (out / SQUARES).unlink()
    return ProductResult(out, data.reads, scores, test, labels, images)


def answers_of(
    probs: NDArray[np.float64], data: ProductData, recipe: ProductRecipe
) -> tuple[Answers, tuple[float, ...]]:
    """Probabilities with the threshold that each is compared with, and the thresholds of the finished nets.

    A fold is compared with the threshold that the other folds ask for; the finished nets', and that of images held
    out, rests on all folds.
    """
    truth, folds = data.images.truth, data.folds
    thresholds = np.full(truth.shape, np.nan)
    for fold in range(data.n_folds):
        thresholds[folds == fold] = _thresholds(probs, truth, (folds >= 0) & (folds != fold), data, recipe)
    final = _thresholds(probs, truth, folds >= 0, data, recipe)
    thresholds[folds < 0] = final
    return Answers(probs, thresholds), final


def _thresholds(
    probs: NDArray[np.float64],
    truth: NDArray[np.float32],
    rows: NDArray[np.bool_],
    data: ProductData,
    recipe: ProductRecipe,
) -> tuple[float, ...]:
    """With the best F1 on these rows, at the share of images with the label in the wild."""
    found = []
    for k, label in enumerate(data.images.labels):
        own = rows & ~np.isnan(truth[:, k])
        positive = truth[own, k] > 0
        share = float(np.nanmean(truth[data.folds >= 0, k]))
        found.append(pick_threshold(probs[own, k], positive, prior=recipe.priors.get(label, share)))
    return tuple(found)
