"""The phases of a recipe, one after the other in a run folder, whatever kind of label the images have.

Each phase starts from the best weights so far. What the next epoch needs lies in the folder after every epoch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from postlens.errors import SettingsError
from postlens.media.probe import display_name
from postlens.train.backbones import build_net
from postlens.train.checkpoints import load_net
from postlens.train.data import Loading, NicheData, Studied
from postlens.train.fit import Machine, fit_phase
from postlens.train.history import Row, best_at, is_over, rows_of
from postlens.train.keeper import Keeper
from postlens.train.layer_learner import LayerLearner
from postlens.train.loggers import close_loggers, make_loggers
from postlens.train.module import NicheNet
from postlens.train.recipe import Recipe
from postlens.train.run_folder import RunFolder

log = logging.getLogger("postlens.train")


@dataclass(frozen=True, slots=True)
class PhasedRun:
    """One training in its folder."""

    folder: RunFolder
    recipe: Recipe
    material: Studied
    machine: Machine
    learner: Callable[..., LayerLearner]  # of the kind of label; called with net, recipe, material and phase

    @property
    def writes(self) -> bool:
        """Whether this is the first of the processes."""
        return int(rank_zero_only.rank) == 0

    @property
    def loading(self) -> Loading:
        return Loading(self.recipe.batch_size, self.machine.workers, pinned=self.machine.on_cuda)

    def begin(self, command: str) -> list[Row]:
        """A new folder; nothing has been trained."""
        if self.writes:
            self.folder.begin(self.recipe, command=command)
        return []

    def resume(self) -> list[Row]:
        """The history so far. Raises `SettingsError` where recipe or data are not those that it came from."""
        self.folder.check_same(self.recipe)
        history, material = self.folder.read_state()
        if history and material != self.material.fingerprint:
            raise SettingsError(
                f"{display_name(self.folder.path)}: expected the images and splits that the run began with, got "
                "others; resume with the same data, or begin a run in a new folder"
            )
        return history

    def fit(self, history: list[Row], *, loggers: Sequence[str]) -> tuple[NicheNet, list[Row]]:
        """Train the phases that are not over; returns the net with its best weights, and the whole history."""
        curves = make_loggers(loggers, self.folder.path) if self.writes else []
        status = "failed"
        lightning.seed_everything(self.recipe.seed, workers=True, verbose=False)
        net = build_net(self.recipe, n_classes=self.material.n_classes)
        try:
            for number in range(len(self.recipe.phases)):
                history = self._fit_phase(net, number, history, curves)
            status = "success"
        finally:
            close_loggers(curves, status=status)
        load_net(net, self._best_weights(history))
        return net, history

    def _fit_phase(self, net: NicheNet, number: int, history: list[Row], curves: Sequence[Any]) -> list[Row]:
        phase = self.recipe.phases[number]
        if is_over(history, phase, patience=self.recipe.patience):
            return history
        done = len(rows_of(history, phase.name))
        if history:
            load_net(net, self._best_weights(history))
        keeper = Keeper(self.folder, history, material=self.material.fingerprint, loggers=curves)
        machine = self.machine
        learner = self.learner(
            net, self.recipe, self.material, phase=number, compiled=machine.compiled, show_loss=machine.shows_bar
        )
        data = NicheData(self.material, self.recipe, phase=number, first_epoch=done, loading=self.loading)
        log.info("phase %s: %d epochs, from epoch %d", phase.name, phase.epochs, done + 1)
        fit_phase(learner, data, keeper, machine=machine, resume_from=self.folder.last if done else None)
        return keeper.history

    def _best_weights(self, history: Sequence[Row]) -> Path:
        """The file of the best epoch in the history.

        Not best.safetensors: a run killed just before it wrote last.ckpt has that of an epoch which is done again.
        """
        name = history[best_at(history) - 1]["phase"]
        number = [phase.name for phase in self.recipe.phases].index(name)
        return self.folder.phase(number + 1, name)
