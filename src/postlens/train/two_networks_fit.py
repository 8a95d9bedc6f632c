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
    _check(n_folds, nets, machine)
    run = _Runs(pictures, truth, _fingerprint(pictures, truth, folds, nets), nets, out, machine)
    probs = np.full(truth.shape, np.nan)
    for fold in range(n_folds):
        test, val = np.flatnonzero(folds == fold), np.flatnonzero(folds == (fold + 1) % n_folds)
        train = np.flatnonzero((folds >= 0) & (folds != fold) & (folds != (fold + 1) % n_folds))
        probs[test] = run.answers(f"fold{fold + 1}", Split(train, val, test))
    last = Split(np.flatnonzero(folds > 0), np.flatnonzero(folds == 0), np.flatnonzero(folds < 0))
    kept = [run.train(FINAL, last, number) for number in range(len(nets))]
    probs[last.test] = np.mean([run.probs(net, last.test, number) for number, (net, _) in enumerate(kept)], axis=0)
    return FittedNets(tuple(net for net, _ in kept), tuple(tuple(history) for _, history in kept), probs)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The trainings of all nets on one data set."""

    pictures: Squares
    truth: FloatArray
    fingerprint: str
    nets: Nets
    out: Path
    machine: Machine

    def answers(self, name: str, split: Split) -> NDArray[np.float64]:
        """Mean probabilities (M, K) of the split's test rows; kept in files, so that nothing is trained twice."""
        parts = []
        for number, recipe in enumerate(self.nets):
            kept = self.out / name / f"{recipe.name}.npz"
            if not self._is_done(kept):
                net, history = self.train(name, split, number)
                self._keep(kept, self.probs(net, split.test, number), history)
            with np.load(kept, allow_pickle=False) as file:
                parts.append(file["probs"])
        return np.asarray(np.mean(parts, axis=0))

    def _is_done(self, path: Path) -> bool:
        if not path.exists():
            return False
        with np.load(path, allow_pickle=False) as file:
            return str(file["fingerprint"]) == self.fingerprint

    def _keep(self, path: Path, probs: NDArray[Any], history: Sequence[Row]) -> None:
        """Answers and history; the weights, 0.5 GB for a fold of the two nets, are of no more use."""
        write_history(history, path.with_suffix(".csv"))
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, probs=probs, fingerprint=np.array(self.fingerprint))
        partial.replace(path)
        shutil.rmtree(path.with_suffix(""))

    def train(self, name: str, split: Split, number: int) -> tuple[NicheNet, list[Row]]:
        """One net with its best weights, and its history."""
        recipe = self.nets[number]
        material = LabelMaterial(self.pictures, self.truth, split, self.fingerprint)
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


def _check(n_folds: int, nets: Nets, machine: Machine) -> None:
    if n_folds < MIN_FOLDS:
        raise SplitError(
            f"expected {MIN_FOLDS} folds or more, one of which chooses the best weights, got {n_folds}; add groups "
            "(persons, sub-folders or shoots), or train recipe heads"
        )
    if machine.devices != 1:
        raise SettingsError(f"expected 1 device for images of several labels, got {machine.devices}")
    for net in nets:
        precision_of(net, machine)


def _fingerprint(pictures: Squares, truth: FloatArray, folds: IntArray, nets: Nets) -> str:
    """Of everything that decides the answers but the machine."""
    digest = hashlib.sha256(pictures.fingerprint.encode())
    for part in (truth.tobytes(), folds.tobytes(), *(net.model_dump_json().encode() for net in nets)):
        digest.update(part)
    return digest.hexdigest()[:16]
