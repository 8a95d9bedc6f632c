"""Labelled images and a recipe to a trained niche model in a run folder: `postlens train niche`.

Each phase starts from the best weights so far. The folder then holds recipe.toml, command.txt, splits.csv,
training.log, tensorboard/, the best weights of each phase and of all, last.ckpt to resume from, and what
`train.outcome` writes. Minutes on a GPU for thousands of images, hours on a processor.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from postlens.errors import SplitError
from postlens.train.data import Material
from postlens.train.fit import Machine, choose_workers, precision_of
from postlens.train.history import SCORE, Row, best_at
from postlens.train.labels import read_splits, split_by_group
from postlens.train.learner import PhaseLearner
from postlens.train.module import NicheNet
from postlens.train.outcome import Predictions, write_outcome
from postlens.train.phased import PhasedRun
from postlens.train.pictures import open_pictures, square_of
from postlens.train.predict import predict_rows
from postlens.train.recipe import Recipe
from postlens.train.run_folder import RunFolder, fingerprint_of, write_splits

log = logging.getLogger("postlens.train")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training came to; files in `out` say the rest."""

    out: Path
    history: tuple[Mapping[str, Any], ...]
    val: Predictions | None = None  # None in the further processes of a training on several devices: one predicts
    test: Predictions | None = None
    left_out: tuple[str, ...] = ()  # creators without a label, in a training of creators

    @property
    def best(self) -> Mapping[str, Any]:
        """The row of the best epoch, whose weights are in best.safetensors."""
        return self.history[best_at(self.history) - 1]

    @property
    def is_writer(self) -> bool:
        """Whether this process wrote the folder, and is to tell of it."""
        return self.val is not None


def train_niche(
    data: Path,
    *,
    recipe: Recipe,
    out: Path,
    splits: Path | None = None,
    devices: int | str = 1,
    accelerator: str = "auto",
    resume: bool = False,
    loggers: Sequence[str] = (),
    progress: bool = True,
    workers: int | None = None,
    compiled: bool = False,
    command: str = "",
) -> TrainResult:
    """Train on a cache folder, or on anything that `read_labelled_images` reads, and write the run folder `out`.

    Args:
        splits: CSV with the columns group and split (train, val, test). Default: drawn by group with the recipe's seed.
        devices: how many, or "auto". With several, the script is started once for each (Lightning's DDP), and
            `recipe.batch_size` counts for each.
        resume: go on after the last finished epoch of the run in `out`; with the same recipe and data the history is
            that of an undisturbed run. A run without a finished epoch starts anew.
        loggers: of "wandb" and "mlflow"; TensorBoard always.
        workers: processes that make batches, for each device. Default: a core each, at most 16.
        compiled: run the net through torch.compile; a minute more for each phase.
        command: what command.txt says.

    Raises:
        UsageError: the folder holds another run, or settings do not fit (SettingsError, SplitError, ...).
        SourceError, CacheError, NotEnoughDataError: the images cannot be used.
        ModelError: weights cannot be loaded, or the exported model does not compute what the net does.
        DivergedError: the loss is no number; weights and history of the epochs before are kept.
    """
    machine = Machine(devices, accelerator, choose_workers(workers, devices), progress, compiled)
    precision_of(recipe, machine)
    material = _open(data, splits, recipe=recipe, workers=_cores())
    run = PhasedRun(RunFolder(out), recipe, material, machine, PhaseLearner)
    resumes = resume and run.folder.recipe.exists()
    history = run.resume() if resumes else run.begin(command)
    if run.writes and not resumes:
        write_splits(material.images, material.split, run.folder.splits)
    with run.folder.logging() if run.writes else nullcontext():
        for failure in material.images.failures:
            log.warning("left out: %s: %s: %s", failure.subject, failure.error, failure.message)
        net, history = run.fit(history, loggers=loggers)
        if not run.writes:
            return TrainResult(out, tuple(history))
        return _finish(run, material, net, history, data=data)


def _finish(run: PhasedRun, material: Material, net: NicheNet, history: list[Row], *, data: Path) -> TrainResult:
    """Predict validation and test images with the best weights, and write what came of it."""
    split = material.split
    val, test = (
        predict_rows(net, material, rows, recipe=run.recipe, loading=run.loading, device=run.machine.device)
        for rows in (split.val, split.test)
    )
    out, size_px = run.folder.path, run.recipe.size_px
    write_outcome(
        out, net=net, recipe=run.recipe, history=history, val=val, test=test, images=material.images,
        split=split, data=data, picture=lambda row: square_of(material.pictures, row, size_px=size_px),
    )  # fmt: skip
    log.info("done: best macro-F1 on validation %.4f", history[best_at(history) - 1][SCORE])
    return TrainResult(out, tuple(history), val, test)


def _open(data: Path, splits: Path | None, *, recipe: Recipe, workers: int) -> Material:
    """Pictures with their split. Raises `SplitError` where nothing is left to validate on."""
    pictures = open_pictures(data, size_px=recipe.size_px, workers=workers)
    images = pictures.labelled
    split = (
        split_by_group(images, copies=pictures.hashes, rng=np.random.default_rng(recipe.seed))
        if splits is None
        else read_splits(splits, images)
    )
    if not len(split.val):
        raise SplitError(
            "expected images for validation, which choose the best epoch, got none; give some groups to val"
        )
    return Material(pictures, images, split, fingerprint_of(images, split, pictures=pictures.fingerprint))


def _cores() -> int:
    return len(os.sched_getaffinity(0))
