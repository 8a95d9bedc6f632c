"""One phase of training, as Lightning runs it: batches to losses, steps, and the scores of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from postlens.errors import DivergedError
from postlens.train.augment import mix_batch
from postlens.train.data import Batch, Material, weights_of
from postlens.train.device_augment import apply_draws
from postlens.train.module import NicheNet
from postlens.train.phases import freeze, make_optimizer, make_schedule, set_training
from postlens.train.recipe import Recipe
from postlens.train.targets import soft_targets

# Steps between two looks at whether the loss is a number. Each look waits for the device; a rarer look costs less and
# wastes more steps on a training that has failed already. Nothing is saved before a look.
STEPS_BETWEEN_CHECKS = 16
TRAIN, VAL = 0, 1  # rows of the sums


class PhaseLearner(lightning.LightningModule):  # type: ignore[misc]
    """Trains the layers of one phase; the others stay exactly as they are."""

    def __init__(
        self,
        net: NicheNet,
        recipe: Recipe,
        material: Material,
        *,
        phase: int,
        compiled: bool = False,
        show_loss: bool = False,
    ) -> None:
        """`compiled`: run the net through torch.compile, which takes about a minute before the first step."""
        super().__init__()
        self.net = net
        self.recipe, self.phase = recipe, recipe.phases[phase]
        self._number, self._show_loss = phase, show_loss
        self.register_buffer("sums", torch.zeros(2, 2, dtype=torch.float64), persistent=False)
        self.confusion = MulticlassConfusionMatrix(material.n_classes, validate_args=False)
        for name, value in _tables(material, recipe).items():
            self.register_buffer(name, value, persistent=False)
        freeze(net, self.phase.unfrozen_layers)
        self._run = _runner(net, compiled=compiled)

    def train(self, mode: bool = True) -> PhaseLearner:
        """Training mode for what learns only (`phases.set_training`); Lightning calls this around validation."""
        super().train(mode)
        if mode:
            set_training(self.net, batch_norm=self.recipe.batch_norm)
        return self

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, and its rate at every step of the phase."""
        fused = self.device.type == "cuda" and self.recipe.precision != "fp16"
        optimizer = make_optimizer(self.net, self.phase, fused=fused)
        steps = int(self.trainer.estimated_stepping_batches) // self.phase.epochs
        schedule = make_schedule(optimizer, self.phase, steps_per_epoch=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def prepare(self, images: Tensor, draws: Tensor | None = None) -> Tensor:
        """uint8 images as the net takes them: altered if that is to be done here, then (x - mean) / std."""
        if draws is not None:
            images = apply_draws(images, draws, size_px=self.recipe.size_px)
        prepared = (images.float() - self.mean) / self.std
        return prepared.contiguous(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean over the batch of the cross-entropy with weighted, smoothed, maybe mixed targets."""
        if batch_idx == 0:  # dropout and the like draw from torch's own generator
            torch.manual_seed(int(self._rng().integers(2**63)))
        images, rows, *draws = batch
        images, targets = mix_batch(
            self.prepare(images, *draws),
            self.targets[self.labels[rows]] * self.weights[rows, None],
            augment=self.recipe.augment,
            n_classes=self.targets.shape[1],
            rng=self._rng(batch_idx),
        )
        loss = -(targets * torch.log_softmax(self._run(images).float(), dim=1)).sum(dim=1).mean()
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

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count answers by true label; the loss is the plain cross-entropy."""
        images, rows = batch
        logits, truth = self._run(self.prepare(images)).float(), self.labels[rows]
        self._add(VAL, torch.nn.functional.cross_entropy(logits, truth), weight=len(rows))
        self.confusion.update(logits, truth)

    def scores(self) -> dict[str, float]:
        """Of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        sums = self.trainer.strategy.reduce(self.sums.clone(), reduce_op="sum")
        train, val = (sums[:, 0] / sums[:, 1]).unbind()
        self._check_finite(train, "training loss")
        self._check_finite(val, "validation loss")
        counts = self.confusion.compute().double().cpu().numpy()
        self.sums.zero_()
        self.confusion.reset()
        return {"train_loss": float(train), "val_loss": float(val), **class_scores(counts)}

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


def _tables(material: Material, recipe: Recipe) -> dict[str, Tensor]:
    """By row number: labels (N,) and weights (N,) in the loss; by label: targets (K, K); mean and std (3, 1, 1)."""
    n_classes, labels = material.n_classes, material.images.labels
    weights = np.ones(len(labels), np.float32)
    if recipe.balance == "loss":
        weights[material.split.train] = weights_of(material, recipe)
    every = soft_targets(np.arange(n_classes), n_classes=n_classes, smoothing=recipe.label_smoothing)
    return {
        "labels": torch.from_numpy(np.asarray(labels, np.int64)),
        "weights": torch.from_numpy(weights),
        "targets": torch.from_numpy(every),
        "mean": torch.tensor(recipe.mean)[:, None, None],
        "std": torch.tensor(recipe.std)[:, None, None],
    }


def class_scores(counts: Any) -> dict[str, float]:
    """Macro-F1 over the labels that occur, and accuracy, of counts (true label, answer)."""
    true, hit = counts.sum(axis=1), np.diag(counts)
    f1 = 2 * hit / np.maximum(true + counts.sum(axis=0), 1)
    return {"val_macro_f1": float(f1[true > 0].mean()), "val_accuracy": float(hit.sum() / counts.sum())}
