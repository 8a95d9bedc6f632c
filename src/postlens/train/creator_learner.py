"""Bags of posts to batches, and the training of an attention net on them, as Lightning runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from postlens.errors import DivergedError
from postlens.train.attention import AttentionNet
from postlens.train.bags import Bags, BagSource, PostFeatures, pad
from postlens.train.creator_recipe import CreatorRecipe
from postlens.train.data import EpochSampler, Item, RowSampler
from postlens.train.layer_learner import STEPS_BETWEEN_CHECKS
from postlens.train.learner import class_scores
from postlens.train.outcome import Predictions
from postlens.train.phases import make_schedule
from postlens.types import IntArray

_TRAINING, _CUT = 0, 1  # first numbers of the seeds of what is drawn


class Batch(NamedTuple):
    """Padded bags as tensors."""

    features: Tensor  # (B, N, D)
    mask: Tensor  # (B, N) True at posts
    measures: Tensor | None  # (B, N, F)
    labels: Tensor  # (B,)


@dataclass(frozen=True, slots=True)
class Creators:
    """What a creator training learns from and is measured on."""

    posts: PostFeatures
    train: BagSource
    val: Bags
    test: Bags
    fingerprint: str  # of all that

    @property
    def n_classes(self) -> int:
        """Labels that creators can have."""
        return len(self.posts.classes)


class DrawnBags(Dataset[tuple[IntArray, int]]):  # type: ignore[misc]
    """Bags drawn by item: the bag's number and the seed of what is drawn for it."""

    def __init__(self, bags: BagSource) -> None:
        self._bags = bags

    def __getitem__(self, item: Item) -> tuple[IntArray, int]:
        bag, seed = item
        return self._bags.draw(bag, np.random.default_rng(seed))


class WholeBags(Dataset[tuple[IntArray, int]]):  # type: ignore[misc]
    """Bags as they are; of a larger one `most` posts, always the same."""

    def __init__(self, bags: Bags, *, most: int) -> None:
        self._bags, self._most = bags, most

    def __getitem__(self, item: Item) -> tuple[IntArray, int]:
        bag, _ = item
        rows = self._bags.rows[bag]
        if len(rows) > self._most:
            rows = np.random.default_rng([_CUT, bag]).choice(rows, self._most, replace=False)
        return rows, int(self._bags.labels[bag])


class CreatorData(lightning.LightningDataModule):  # type: ignore[misc]
    """Training and validation batches; `first_epoch` is the number of epochs behind."""

    def __init__(self, creators: Creators, recipe: CreatorRecipe, *, first_epoch: int = 0) -> None:
        super().__init__()
        self._creators, self._recipe, self._first_epoch = creators, recipe, first_epoch

    def train_dataloader(self) -> DataLoader[Batch]:
        """Every creator once an epoch, in a new order, each through a part of its posts."""
        bags, recipe = self._creators.train, self._recipe
        sampler = EpochSampler(np.arange(len(bags)), seeds=(recipe.seed, _TRAINING), **self._share())
        sampler.set_epoch(self._first_epoch)
        return DataLoader(
            DrawnBags(bags), batch_size=recipe.batch_size, sampler=sampler, collate_fn=self._collate,
            drop_last=len(sampler) >= recipe.batch_size, generator=torch.Generator(),
        )  # fmt: skip

    def val_dataloader(self) -> DataLoader[Batch]:
        """Each creator once, over all processes."""
        return self.whole(self._creators.val)

    def whole(self, bags: Bags) -> DataLoader[Batch]:
        """The bags in order, each up to `most_posts`."""
        data = WholeBags(bags, most=self._recipe.most_posts)
        sampler = RowSampler(np.arange(len(bags)), **self._share())
        return DataLoader(data, batch_size=self._recipe.batch_size, sampler=sampler, collate_fn=self._collate)

    def close(self) -> None:
        """Nothing is kept open: the training loop asks this of its data."""

    def _collate(self, drawn: Sequence[tuple[IntArray, int]]) -> Batch:
        padded = pad(self._creators.posts, [rows for rows, _ in drawn])
        labels = torch.tensor([label for _, label in drawn])
        measures = None if padded.measures is None else torch.from_numpy(padded.measures)
        return Batch(torch.from_numpy(padded.features), torch.from_numpy(padded.mask), measures, labels)

    def _share(self) -> dict[str, int]:
        trainer = self.trainer
        return {"rank": trainer.global_rank, "world": trainer.world_size} if trainer is not None else {}


class CreatorLearner(lightning.LightningModule):  # type: ignore[misc]
    """Trains the whole net; scores an epoch as `PhaseLearner` does, so that the same `Keeper` writes it down."""

    def __init__(self, net: AttentionNet, recipe: CreatorRecipe, creators: Creators, *, show_loss: bool = False):
        super().__init__()
        self.net, self.recipe, self.phase = net, recipe, recipe.phases[0]
        self._show_loss = show_loss
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        self.confusion = MulticlassConfusionMatrix(creators.n_classes, validate_args=False)
        self.register_buffer("weights", class_weights(creators), persistent=False)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW (Loshchilov and Hutter 2019), and its rate at every step."""
        groups = weight_groups(self.net, weight_decay=self.recipe.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate)
        steps = self.trainer.estimated_stepping_batches // self.recipe.epochs
        schedule = make_schedule(optimizer, self.phase, steps_per_epoch=int(steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Cross-entropy, every label weighing the same in all."""
        if batch_idx == 0:  # dropout draws from torch's own generator; a resumed epoch must draw the same
            torch.manual_seed(int(np.random.default_rng([self.recipe.seed, self.current_epoch]).integers(2**63)))
        logits, _ = self.net(batch.features, batch.mask, batch.measures)
        loss = torch.nn.functional.cross_entropy(
            logits.float(), batch.labels, weight=self.weights, label_smoothing=self.recipe.label_smoothing
        )
        self.train_loss.update(loss.detach())
        if batch_idx % STEPS_BETWEEN_CHECKS == 0:
            self._check(loss, "training loss")
        if self._show_loss:
            self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Average the norm's statistics over the processes, each of which saw its own posts."""
        if self.trainer.world_size > 1:
            for buffer in self.net.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count answers by true label; the loss is the plain cross-entropy."""
        logits, _ = self.net(batch.features, batch.mask, batch.measures)
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels)
        self.val_loss.update(loss, weight=len(batch.labels))
        self.confusion.update(logits, batch.labels)

    def scores(self) -> dict[str, float]:
        """Of the epoch that ends, over all processes; starts the next one. Raises `DivergedError`."""
        train, val = self.train_loss.compute(), self.val_loss.compute()
        self._check(train, "training loss")
        self._check(val, "validation loss")
        counts = self.confusion.compute().double().cpu().numpy()
        for metric in (self.train_loss, self.val_loss, self.confusion):
            metric.reset()
        return {"train_loss": float(train), "val_loss": float(val), **class_scores(counts)}

    def _check(self, loss: Tensor, name: str) -> None:
        """Raise `DivergedError` in all processes unless the loss is a number in all of them."""
        if not self.trainer.strategy.reduce_boolean_decision(bool(torch.isfinite(loss))):
            raise DivergedError(
                f"expected a finite {name}, got {float(loss)} in epoch {self.current_epoch + 1} of "
                f"{self.recipe.epochs}; the weights of the epochs before are kept. Train with a lower learning rate, "
                "and look for vectors that are no numbers"
            )


def weight_groups(net: nn.Module, *, weight_decay: float) -> list[dict[str, Any]]:
    """What AdamW takes: weights decay, biases and the norm do not."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def class_weights(creators: Creators) -> Tensor:
    """(K,) weights of the labels in the loss, mean 1 over the training creators; made-up creators are even already."""
    labels = creators.train.labels
    counts = np.bincount(labels, minlength=creators.n_classes)
    weights = np.where(counts > 0, len(labels) / np.maximum(counts, 1) / (counts > 0).sum(), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def predict_bags(net: AttentionNet, data: CreatorData, bags: Bags, *, first: int, device: torch.device) -> Predictions:
    """Logits of all bags in their order; `first` is the row number of the first. Leaves the net in eval mode."""
    net.to(device).eval()
    parts = [np.zeros((0, net.n_classes), np.float32)]
    with torch.inference_mode():
        for batch in data.whole(bags):
            moved = [part.to(device) if part is not None else None for part in batch[:3]]
            parts.append(net(*moved)[0].float().cpu().numpy())
    rows = np.arange(first, first + len(bags))
    return Predictions(rows=rows, logits=np.concatenate(parts), truth=np.asarray(bags.labels, np.int64))
