"""Squares, labels and folds to nets that are trained apart, and what they answer together for images not seen."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import SettingsError, SplitError
from postlens.train.data import Loading
from postlens.train.fit import Machine, precision_of
from postlens.train.history import SCORE, Row, best_at, write_history
from postlens.train.label_learner import LabelLearner, LabelMaterial
from postlens.train.module import NicheNet
from postlens.train.phased import PhasedRun
from postlens.train.pictures import Squares
from postlens.train.predict import predict_logits
from postlens.train.recipe import Recipe
from postlens.train.run_folder import RunFolder
from postlens.train.splits import Split
from postlens.train.two_networks_recipe import Nets
from postlens.types import FloatArray, IntArray

MIN_FOLDS = 3  # one to answer, one to choose the best weights by, the rest to train on
FINAL = "final"  # folder of the nets that are exported
log = logging.getLogger("postlens.train")


@dataclass(frozen=True, slots=True)
class FittedNets:
    """The finished nets in the order of the recipe, and the probabilities for images that none of them saw."""

    nets: tuple[NicheNet, ...]
    histories: tuple[tuple[Row, ...], ...]  # of the finished nets
    probs: NDArray[np.float64]  # (N, K) mean over the nets; of rows in no fold by the finished nets


def fit_nets(
    pictures: Squares, truth: FloatArray, folds: IntArray, nets: Nets, *, out: Path, machine: Machine
) -> FittedNets:
    """Train each net once for each fold and once more to be kept.

    Args:
        truth: (N, K) 1, 0, or NaN where not known.
        folds: (N,) 0..n-1; -1 for rows that are only scored.
        out: folder of the trainings.

    The images of a fold are answered by nets that did not see it, whose best weights were chosen by the next fold. The
    nets that are kept have their weights chosen by the first fold and see all others. A training that was stopped goes
    on where it was, in the folders below `out`; of a fold that is done only history and answers are left.

    Raises:
        SettingsError: several devices, or a precision that the machine has not.
        SplitError: fewer than three folds.
        DivergedError, ModelError: as `train_niche`.
    """
    n_folds = int(folds.max()) + 1
    check_folds(n_folds)
    runs = NetRuns.of(pictures, truth, nets, out=out, machine=machine)
    probs = np.full(truth.shape, np.nan)
    for fold in range(n_folds):
        test, val = np.flatnonzero(folds == fold), np.flatnonzero(folds == (fold + 1) % n_folds)
        train = np.flatnonzero((folds >= 0) & (folds != fold) & (folds != (fold + 1) % n_folds))
        probs[test] = runs.answers(f"fold{fold + 1}", Split(train, val, test), test)
    last = Split(np.flatnonzero(folds > 0), np.flatnonzero(folds == 0), np.flatnonzero(folds < 0))
    kept = [runs.train(FINAL, last, number) for number in range(len(nets))]
    probs[last.test] = np.mean([runs.probs(net, last.test, number) for number, (net, _) in enumerate(kept)], axis=0)
    return FittedNets(tuple(net for net, _ in kept), tuple(tuple(history) for _, history in kept), probs)


def check_folds(n_folds: int) -> None:
    """Raise `SplitError` for too few: as asked for before anything is read, and as the groups allow after it."""
    if n_folds < MIN_FOLDS:
        raise SplitError(
            f"expected {MIN_FOLDS} folds or more, one of which chooses the best weights, got {n_folds}; add groups "
            "(persons, sub-folders or shoots) or ask for more, or train recipe heads"
        )


def check_machine(nets: Nets, machine: Machine) -> None:
    """Raise `SettingsError` for several devices, or a precision that the machine has not."""
    if machine.devices != 1:
        raise SettingsError(f"expected 1 device for images of several labels, got {machine.devices}")
    for net in nets:
        precision_of(net, machine)


@dataclass(frozen=True, slots=True)
class NetRuns:
    """The trainings of all nets on one set of images, each in a folder of its own below `out`."""

    pictures: Squares
    truth: FloatArray
    fingerprint: str
    nets: Nets
    out: Path
    machine: Machine

    @classmethod
    def of(cls, pictures: Squares, truth: FloatArray, nets: Nets, *, out: Path, machine: Machine) -> NetRuns:
        """Raises `SettingsError` as `check_machine`."""
        check_machine(nets, machine)
        return cls(pictures, truth, _fingerprint(pictures, truth), nets, out, machine)

    def answers(self, name: str, split: Split, rows: IntArray) -> NDArray[np.float64]:
        """Mean probabilities (M, K) of the rows, by nets that learned from a split; kept, so that none learns twice."""
        parts = []
        for number, recipe in enumerate(self.nets):
            kept, key = self.out / name / f"{recipe.name}.npz", self._key(recipe, split, rows)
            if not _is_done(kept, key):
                net, history = self.train(name, split, number)
                _keep(kept, key, self.probs(net, rows, number), history)
            with np.load(kept, allow_pickle=False) as file:
                parts.append(file["probs"])
        return np.asarray(np.mean(parts, axis=0))

    def _key(self, recipe: Recipe, split: Split, rows: IntArray) -> str:
        """16 hex digits over all that decides the answers but the machine."""
        digest = hashlib.sha256(self.fingerprint.encode() + recipe.model_dump_json().encode())
        for part in (*split.parts.values(), rows):
            digest.update(part.tobytes())
        return digest.hexdigest()[:16]

    def train(self, name: str, split: Split, number: int) -> tuple[NicheNet, list[Row]]:
        """One net with its best weights, and its history."""
        recipe = self.nets[number]
        material = LabelMaterial(self.pictures, self.truth, split, self._key(recipe, split, split.test))
        run = PhasedRun(RunFolder(self.out / name / recipe.name), recipe, material, self.machine, LabelLearner)
        resumes = run.folder.last.exists()
        log.info(
            "%s, %s: %d images to learn from, %d to choose by", name, recipe.name, len(split.train), len(split.val)
        )
        net, history = run.fit(run.resume() if resumes else run.begin(""), loggers=())
        log.info("%s, %s: best macro-F1 %.4f", name, recipe.name, history[best_at(history) - 1][SCORE])
        return net, history

    def probs(self, net: NicheNet, rows: IntArray, number: int) -> NDArray[np.float64]:
        """(M, K) of one net."""
        recipe = self.nets[number]
        loading = Loading(recipe.batch_size, self.machine.workers, pinned=self.machine.on_cuda)
        logits = predict_logits(net, self.pictures, rows, recipe=recipe, loading=loading, device=self.machine.device)
        return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def _is_done(path: Path, key: str) -> bool:
    if not path.exists():
        return False
    with np.load(path, allow_pickle=False) as file:
        return str(file["key"]) == key


def _keep(path: Path, key: str, probs: NDArray[Any], history: Sequence[Row]) -> None:
    """Answers and history; the weights, 0.5 GB for the two nets, are of no more use."""
    write_history(history, path.with_suffix(".csv"))
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, probs=probs, key=np.array(key))
    partial.replace(path)
    shutil.rmtree(path.with_suffix(""))


def _fingerprint(pictures: Squares, truth: FloatArray) -> str:
    return hashlib.sha256(pictures.fingerprint.encode() + truth.tobytes()).hexdigest()[:16]
