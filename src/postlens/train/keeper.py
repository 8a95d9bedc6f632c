"""The end of each epoch: its row in the history, its weights if they are the best, and the state to resume from."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as lightning
import torch

from postlens.train.checkpoints import save_net
from postlens.train.history import SCORE, Row, is_best, is_over, rows_of, write_history
from postlens.train.layer_learner import LayerLearner
from postlens.train.loggers import log_row
from postlens.train.run_folder import RunFolder

log = logging.getLogger("postlens.train")


class Keeper(lightning.Callback):  # type: ignore[misc]
    """Writes to the run's folder, in this order: weights, history, then `last.ckpt`, which holds the history too.

    So whenever the run is killed, `last.ckpt` is that of a finished epoch, and the epochs after it are done again with
    the same result. Only the first process writes.
    """

    def __init__(self, folder: RunFolder, history: Sequence[Row], *, material: str, loggers: Sequence[Any]) -> None:
        self.history = list(history)
        self._folder, self._material, self._loggers = folder, material, loggers
        self._started = self._trained = time.monotonic()

    @property
    def state_key(self) -> str:
        """Under which `last.ckpt` holds the state below."""
        return "postlens"

    def state_dict(self) -> dict[str, Any]:
        """What `RunFolder.read_state` finds."""
        return {"history": [dict(row) for row in self.history], "material": self._material}

    def on_train_epoch_start(self, trainer: Any, pl_module: LayerLearner) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_validation_start(self, trainer: Any, pl_module: LayerLearner) -> None:
        """Training has ended; what follows is not counted in images per second."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        self._trained = time.monotonic()

    def on_train_epoch_end(self, trainer: Any, pl_module: LayerLearner) -> None:
        """Score the epoch, keep what is to be kept, end the phase where it is over. Raises `DivergedError`."""
        phase, recipe = pl_module.phase, pl_module.recipe
        self.history.append(self._row(trainer, pl_module))
        if trainer.is_global_zero:
            self._write(pl_module, number=recipe.phases.index(phase) + 1)
        trainer.save_checkpoint(self._folder.last)  # all processes take part
        trainer.should_stop = is_over(self.history, phase, patience=recipe.patience)

    def _row(self, trainer: Any, learner: LayerLearner) -> dict[str, Any]:
        name, seconds = learner.phase.name, time.monotonic() - self._started
        n_images = trainer.num_training_batches * learner.recipe.batch_size * trainer.world_size
        return {
            "phase": name,
            "epoch": len(self.history) + 1,
            "phase_epoch": len(rows_of(self.history, name)) + 1,
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            **learner.scores(),
            "seconds": round(seconds, 3),
            "images_per_s": round(n_images / max(self._trained - self._started, 1e-9), 1),
        }

    def _write(self, learner: LayerLearner, *, number: int) -> None:
        row, recipe = self.history[-1], learner.recipe
        if is_best(rows_of(self.history, row["phase"])):
            path = self._folder.phase(number, row["phase"])
            save_net(learner.net, path, architecture=recipe.backbone)
        if is_best(self.history):
            save_net(learner.net, self._folder.best, architecture=recipe.backbone)
        write_history(self.history, self._folder.history)
        log_row(self._loggers, row)
        log.info(
            "phase %s, epoch %d of %d: training loss %.4f, validation loss %.4f, %s %.4f%s, %.0f images/s",
            *(row["phase"], row["phase_epoch"], learner.phase.epochs, row["train_loss"], row["val_loss"]),
            *(("macro-F1", row[SCORE]) if SCORE in row else ("Spearman", row["val_spearman"])),
            *(", the best yet" if is_best(self.history) else "", row["images_per_s"]),
        )
