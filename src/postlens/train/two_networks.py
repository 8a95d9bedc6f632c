"""Labelled images to a run folder of nets over pixels: `postlens train products --recipe two_networks`.

Table, folds, scores and report are those of the heads (`train.products`); the nets go through the phases of every
training (`train.phased`). The folder also holds squares.npy (0.15 MB for each image) and nets/, the trainings. With
five folds a net is trained six times: on a GPU hours for thousands of images, on a processor days.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.errors import PostlensError
from postlens.tasks.products.evaluate import log_odds, pick_calibrated_threshold, shift_log_odds
from postlens.train.fit import Machine
from postlens.train.products import ProductData, ProductRecipe, ProductResult, begun, finish, prepare
from postlens.train.products_vectors import Progress
from postlens.train.two_networks_export import export_nets
from postlens.train.two_networks_fit import check_folds, check_machine, fit_nets
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
    name: str = "",
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
        name: of the recipe that the nets are of, told in metrics and report; default: the names of the nets.
        machine: default: the first accelerator, or the processor.

    Raises:
        UsageError: the folder holds a finished run, a label is not there, groups cannot be divided (SplitError), or a
            setting cannot be used (SettingsError).
        SourceError: the data cannot be read.
        NotEnoughDataError: a label with too few images.
        ModelError: weights cannot be loaded, or the exported nets do not compute what they do.
        DivergedError: the loss is no number.
    """
    if nets is None:
        nets, name = load_nets(), name or TWO_NETWORKS
    recipe, machine, name = recipe or ProductRecipe(), machine or Machine(), name or " and ".join(n.name for n in nets)
    check_folds(recipe.n_folds)
    check_machine(nets, machine)
    with begun(data, recipe, out=out, command=command) as images:
        _warn(nets)
        squares = new_squares(out / SQUARES, len(images))
        try:
            prepared = prepare(
                images, recipe, out=out, root=data, squares=squares, settings=settings, progress=progress
            )
            check_folds(prepared.n_folds)
        except PostlensError:
            (out / SQUARES).unlink()
            raise
        squares.flush()
        truth, folds = prepared.images.truth, prepared.folds
        fitted = fit_nets(
            SquareFile(out / SQUARES, prepared.found.row), truth, folds, nets, out=out / TRAININGS, machine=machine
        )
        answered, thresholds = answers_of(fitted.probs, prepared)
        export = partial(export_nets, fitted.nets, out, nets=nets)
        result = finish(answered, prepared, thresholds=thresholds, name=name, kind="nets", out=out, export=export)
        (out / SQUARES).unlink()
        return result


def _warn(nets: Nets) -> None:
    """Log what a recipe asks for that cannot give a good model."""
    for net in nets:
        if net.weights == "none" and all(phase.unfrozen_layers < ALL_LAYERS for phase in net.phases):
            log.warning(
                "%s: its frozen layers are random and stay so; recipe two_networks_scratch trains all", net.name
            )


def answers_of(probs: NDArray[np.float64], data: ProductData) -> tuple[Answers, tuple[float, ...]]:
    """Probabilities with the threshold that each is compared with, and the thresholds of the finished nets.

    A fold is compared with the threshold that the other folds ask for; the finished nets', and that of images held
    out, rests on all folds.
    """
    truth, folds = data.images.truth, data.folds
    thresholds = np.full(truth.shape, np.nan)
    for fold in range(data.n_folds):
        thresholds[folds == fold] = _thresholds(probs, truth, (folds >= 0) & (folds != fold), data)
    final = _thresholds(probs, truth, folds >= 0, data)
    thresholds[folds < 0] = final
    return Answers(probs, thresholds), final


def _thresholds(
    probs: NDArray[np.float64],
    truth: NDArray[np.float32],
    rows: NDArray[np.bool_],
    data: ProductData,
) -> tuple[float, ...]:
    """With the best F1 on these rows, at the share of images with the label in the wild.

    The nets' probabilities are made for the share here: the threshold is picked as if they were made for the other one,
    and moved back.
    """
    found = []
    for k, label in enumerate(data.images.labels):
        own = rows & ~np.isnan(truth[:, k])
        positive = truth[own, k] > 0
        share = float(np.nanmean(truth[data.folds >= 0, k]))
        prior = data.recipe.priors.get(label, share)
        shift = log_odds(prior) - log_odds(share)
        threshold = pick_calibrated_threshold(shift_log_odds(probs[own, k], shift), positive, prior=prior)
        found.append(float(shift_log_odds(threshold, -shift)))
    return tuple(found)
