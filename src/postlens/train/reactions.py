"""A data set of emotions to a trained net in a run folder: `postlens train reactions DATA --out RUN`.

Six layouts of data sets are read (`emotion_layouts`); the net goes through the phases of every training
(`train.phased`), with one yes or no for each emotion. The folder then holds recipe.toml, command.txt, splits.csv,
training.log, tensorboard/, history.csv and its picture, the weights, last.ckpt to resume from,
classification_report.json, answers.csv, report.html, and the model: reactions.onnx, reactions.pt, reactions.toml, which
the setting reaction_model takes. Minutes on a GPU for thousands of images, hours on a processor.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from postlens.errors import NotEnoughDataError
from postlens.train.emotion_pictures import open_emotion_pictures
from postlens.train.emotion_sets import AUTO, EmotionImages, columns_of, learnable, read_emotion_images
from postlens.train.emotion_split import LeftOut, split_emotions
from postlens.train.fit import Machine, choose_workers, precision_of
from postlens.train.history import SCORE, Row, best_at, write_history
from postlens.train.module import NicheNet
from postlens.train.phased import PhasedRun
from postlens.train.plots import plot_history
from postlens.train.predict import predict_logits
from postlens.train.reactions_calibrate import EmotionCalibration, calibrate_emotions
from postlens.train.reactions_export import export_reactions
from postlens.train.reactions_learner import EmotionMaterial, emotion_learner
from postlens.train.reactions_recipe import check_reaction_recipe
from postlens.train.reactions_report import PartScores, card_words, failure_words, report_of, write_reports
from postlens.train.reactions_scores import score_emotions
from postlens.train.recipe import Recipe
from postlens.train.run_folder import RunFolder
from postlens.train.splits import Split
from postlens.types import ModelSpec

HISTORY_PICTURE = "training_history.png"
log = logging.getLogger("postlens.train")


@dataclass(frozen=True, slots=True)
class ReactionData:
    """The images of a training, the emotions that can be learnt of them, and what is trained on."""

    images: EmotionImages
    labels: tuple[str, ...]  # out of EMOTIONS, the net's outputs
    material: EmotionMaterial
    left_out: LeftOut  # images in no part, since a later part has their file or group


@dataclass(frozen=True, slots=True)
class ReactionResult:
    """What a training came to; files in `out` say the rest."""

    out: Path
    history: tuple[Row, ...]
    data: ReactionData
    scored: tuple[
        PartScores, ...
    ] = ()  # the test first; none in the further processes of a training on several devices
    calibration: EmotionCalibration | None = None
    model: ModelSpec | None = None

    @property
    def best(self) -> Row:
        """The row of the best epoch."""
        return self.history[best_at(self.history) - 1]

    @property
    def is_writer(self) -> bool:
        """Whether this process wrote the folder, and is to tell of it."""
        return self.model is not None


def train_reactions(
    data: Path,
    *,
    recipe: Recipe,
    out: Path,
    layout: str = AUTO,
    labels: Path | None = None,
    devices: int | str = 1,
    accelerator: str = "auto",
    resume: bool = False,
    loggers: Sequence[str] = (),
    progress: bool = True,
    workers: int | None = None,
    compiled: bool = False,
    command: str = "",
) -> ReactionResult:
    """Train on a data set of emotions, and write the run folder `out`.

    Args:
        layout, labels: as `read_emotion_images`.
        recipe: as `load_reaction_recipe` gives; its `loss` is used.
        devices, accelerator, resume, loggers, progress, workers, compiled, command: as `train_niche`.

    Raises:
        UsageError: the folder holds another run, a label is unknown, or settings do not fit (SettingsError, ...).
        SourceError, NotEnoughDataError: the images cannot be used.
        ModelError: weights cannot be loaded, or an exported model does not compute what the net does.
        DivergedError: the loss is no number; weights and history of the epochs before are kept.
    """
    check_reaction_recipe(recipe)
    machine = Machine(devices, accelerator, choose_workers(workers, devices), progress, compiled)
    precision_of(recipe, machine)
    opened = open_data(data, recipe=recipe, layout=layout, labels=labels)
    run = PhasedRun(RunFolder(out), recipe, opened.material, machine, emotion_learner(opened.labels))
    resumes = resume and run.folder.recipe.exists()
    history = run.resume() if resumes else run.begin(command)
    if run.writes and not resumes:
        _write_splits(opened, run.folder.splits)
    with run.folder.logging() if run.writes else nullcontext():
        for line in failure_words(opened.images) if run.writes else ():
            log.warning(line)
        net, history = run.fit(history, loggers=loggers)
        if not run.writes:
            return ReactionResult(out, tuple(history), opened)
        return _finish(run, opened, net, history, data=data)


def open_data(data: Path, *, recipe: Recipe, layout: str = AUTO, labels: Path | None = None) -> ReactionData:
    """The images of a data set, divided, and the emotions that training images have and others have not.

    Raises as `train_reactions`, of which it is the part that reads.
    """
    listed = read_emotion_images(data, layout=layout, labels=labels)
    images, pictures, hashes = open_emotion_pictures(
        listed, size_px=recipe.size_px, workers=len(os.sched_getaffinity(0))
    )
    split, left_out = split_emotions(images, hashes=hashes, rng=np.random.default_rng(recipe.seed))
    names = learnable(images.truth[split.train])
    if not names:
        raise NotEnoughDataError(
            "expected training images with an emotion and others without it, got "
            f"{', '.join(name for name, n in images[split.train].n_positive.items() if n) or 'none'} alone; add images"
        )
    truth = images.truth[:, columns_of(names)]
    return ReactionData(images, names, EmotionMaterial(pictures, truth, split, _key(images, split, hashes)), left_out)


def _key(images: EmotionImages, split: Split, hashes: Sequence[str]) -> str:
    """16 hex digits that change when a picture, what is known of it, or the split does."""
    digest = hashlib.sha256("\n".join(hashes).encode() + images.truth.tobytes())
    for rows in split.parts.values():
        digest.update(rows.tobytes())
    return digest.hexdigest()[:16]


def _finish(run: PhasedRun, opened: ReactionData, net: NicheNet, history: list[Row], *, data: Path) -> ReactionResult:
    """Calibrate on validation images, score what was held out, and write it all."""
    out, recipe, split = run.folder.path, run.recipe, opened.material.split
    logits = {
        name: predict_logits(
            net, opened.material.pictures, rows, recipe=recipe, loading=run.loading, device=run.machine.device
        )
        for name, rows in split.parts.items()
        if name != "train"
    }
    calibration = calibrate_emotions(logits["val"], opened.material.truth[split.val], labels=opened.labels)
    scored = _score(logits, opened, calibration, seed=recipe.seed)
    report = report_of(
        scored, calibration, images=opened.images, split=split, labels=opened.labels, left_out=opened.left_out
    )
    write_history(history, run.folder.history)
    plot_history(history, out / HISTORY_PICTURE)
    write_reports(out, report, scored, images=opened.images, labels=opened.labels, recipe=recipe)
    told = card_words(report, scored, recipe=recipe, data=data)
    model = export_reactions(net, out, recipe=recipe, labels=opened.labels, calibration=calibration, told=told)
    log.info("done: best macro-F1 on validation %.4f", history[best_at(history) - 1][SCORE])
    return ReactionResult(out, tuple(history), opened, scored, calibration, model)


def _score(
    logits: dict[str, np.ndarray], data: ReactionData, calibration: EmotionCalibration, *, seed: int
) -> tuple[PartScores, ...]:
    """Of the test, if there is one, then of the validation images."""
    rng, scored = np.random.default_rng(seed), []
    for name in ("test", "val"):
        rows = data.material.split.parts[name]
        if len(rows):
            probs = calibration.probs(logits[name])
            table = score_emotions(
                probs,
                data.material.truth[rows],
                labels=data.labels,
                thresholds=calibration.thresholds,
                groups=[data.images.groups[row] for row in rows.tolist()],
                rng=rng,
            )
            scored.append(PartScores(name, rows, probs, table))
    return tuple(scored)


def _write_splits(data: ReactionData, path: Path) -> None:
    """The part of every image that is in one, as CSV with the columns file, group and split."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "group", "split"))
        for part, rows in data.material.split.parts.items():
            writer.writerows((data.images.paths[row], data.images.groups[row], part) for row in rows.tolist())
