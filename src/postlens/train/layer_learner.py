"""One phase of training, as Lightning runs it, whatever the labels are: layers, optimizer, steps, means of the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor

from postlens.errors import DivergedError
from postlens.train.data import Batch
from postlens.train.device_augment import apply_draws
from postlens.train.module import NicheNet, normalise
from postlens.train.phases import freeze, make_optimizer, make_schedule, set_training
from postlens.train.recipe import Recipe

# Steps between two looks at whether the loss is a number. Each look waits for the device; a rarer look costs less and
# wastes more steps on a training that has failed already. Nothing is saved before a look.
STEPS_BETWEEN_CHECKS = 16
TRAIN, VAL = 0, 1  # rows of the sums


class LayerLearner(lightning.LightningModule):  # type: ignore[misc]
    """Trains the layers of one phase; the others stay exactly as they are. A kind of label says loss and scores."""

    def __init__(
        self, net: NicheNet, recipe: Recipe, *, phase: int, compiled: bool = False, show_loss: bool = False
    ) -> None:
        """`compiled`: run the net through torch.compile, which takes about a minute before the first step."""
        super().__init__()
        self.net = net
        self.recipe, self.phase = recipe, recipe.phases[phase]
        self._number, self._show_loss = phase, show_loss
        self.register_buffer("sums", torch.zeros(2, 2, dtype=torch.float64), persistent=False)
        for name, value in (("mean", recipe.mean), ("std", recipe.std)):
            self.register_buffer(name, torch.tensor(value)[:, None, None], persistent=False)
        freeze(net, self.phase.unfrozen_layers)
        self._run = _runner(net, compiled=compiled)

    def loss(self, images: Tensor, rows: Tensor, *, rng: np.random.Generator) -> Tensor:
        """Of a training batch: prepared images (N, 3, H, W) and their row numbers; `rng` for what is drawn."""
        raise NotImplementedError

    def scores(self) -> dict[str, float]:
        """Of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> LayerLearner:
        """Training mode for what learns only (`phases.set_training`); Lightning calls this around validation."""
        super().train(mode)
        if mode:
            set_training(self.net, batch_norm=self.recipe.batch_norm)
        return self

    def configure_optimizers(self) -> dict[str, Any]:
        """The phase's optimizer, and its rate at every step."""
        clips = self.recipe.clip_norm is not None  # Lightning clips no gradients of fused steps in mixed precision
        fused = self.device.type == "cuda" and self.recipe.precision != "fp16" and not clips
        optimizer = make_optimizer(self.net, self.phase, fused=fused)
        steps = int(self.trainer.estimated_stepping_batches) // self.phase.epochs
        schedule = make_schedule(optimizer, self.phase, steps_per_epoch=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def prepare(self, images: Tensor, draws: Tensor | None = None) -> Tensor:
        """uint8 images as the net takes them: altered if that is to be done here, then normalised."""
        if draws is not None:
            images = apply_draws(images, draws, size_px=self.recipe.size_px)
        prepared = normalise(images, mean=self.mean, std=self.std, channel_order=self.recipe.channel_order)
        return prepared.contiguous(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, counted into its mean."""
        if batch_idx == 0:  # dropout and the like draw from torch's own generator
            torch.manual_seed(int(self._rng().integers(2**63)))
        images, rows, *draws = batch
        loss = self.loss(self.prepare(images, *draws), rows, rng=self._rng(batch_idx))
        self._add(TRAIN, loss, weight=1)
        if batch_idx % STEPS_BETWEEN_CHECKS == 0:
            self._check_finite(loss, "training loss")
        if self._show_loss:
            self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Average the statistics of batch norms that learn over the processes, each of which saw its own batches."""
        if self.trainer.world_size > 1 and self.recipe.batch_norm == "train":
            for buffer in self.net.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))

    def _losses(self) -> dict[str, float]:
        """Mean losses of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        sums = self.trainer.strategy.reduce(self.sums.clone(), reduce_op="sum")
        train, val = (sums[:, 0] / sums[:, 1]).unbind()
        self._check_finite(train, "training loss")
        self._check_finite(val, "validation loss")
        self.sums.zero_()
        return {"train_loss": float(train), "val_loss": float(val)}

    def _add(self, part: int, loss: Tensor, *, weight: int) -> None:
        """Count a loss into its mean; nothing waits for the device."""
        self.sums[part, 0] += loss.detach() * weight
        self.sums[part, 1] += weight

    def _check_finite(self, loss: Tensor, name: str) -> None:
        """Raise `DivergedError` in all processes unless the loss is a number in all of them."""
        if not self.trainer.strategy.reduce_boolean_decision(bool(torch.isfinite(loss))):
            raise DivergedError(
                f"expected a finite {name}, got {float(loss.detach())} in phase {self.phase.name}, epoch "
                f"{self.current_epoch + 1} of {self.phase.epochs}; weights and history of the epochs before are kept. "
                "Begin a new run with a lower learning rate, gradient clipping (clip_norm), or precision 32 or bf16; "
                "from best.safetensors (--weights), if an epoch ended"
            )

    def _rng(self, *place: int) -> np.random.Generator:
        """Random numbers that depend on the place in the training only, not on what ran before."""
        return np.random.default_rng([self.recipe.seed, self._number, self.current_epoch, self.global_rank, *place])


def _runner(net: NicheNet, *, compiled: bool) -> Callable[[Tensor], Tensor]:
    """The net as a function, so that the compiled one, a module too, is not registered with its weights again."""
    faster = torch.compile(net) if compiled else net

    def run(images: Tensor) -> Tensor:
        return torch.as_tensor(faster(images))

    return run
