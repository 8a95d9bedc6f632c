"""Labelled pictures and their split to batches of uint8 tensors, the same for the same seed on any number of workers.

What is random about an image (crop, colours, ...) is drawn from a seed that its sampler hands on with its row. So a
resumed training sees what an undisturbed one sees, however many worker processes there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from postlens.train.augment import as_tensor, eval_transform, train_transform
from postlens.train.device_augment import draw
from postlens.train.labels import LabelledImages, Split
from postlens.train.pictures import Pictures, Squares
from postlens.train.recipe import Recipe
from postlens.train.targets import row_weights
from postlens.types import FloatArray, IntArray

PREFETCH = 2  # batches ready for each worker: more even out slow ones and hold more memory (38 MB each for 256)
Item = tuple[int, int]  # row, and the seed of what is drawn for it
# Images uint8 (N, 3, S, S), rows int64 (N,); and, where the device augments, (N, WIDTH) what `device_augment` drew.
Batch = Sequence[Tensor]
Transform = Callable[[Tensor], Tensor]
Draw = Callable[[np.random.Generator], FloatArray]


class PictureSet(Dataset[tuple[Any, ...]]):  # type: ignore[misc]
    """Pictures by item, transformed; with `drawing`, stored, and what `device_augment` drew."""

    def __init__(self, pictures: Squares, transform: Transform, *, drawing: Draw | None = None) -> None:
        self._pictures, self._transform, self._drawing = pictures, transform, drawing

    def __getitem__(self, item: Item) -> tuple[Any, ...]:
        row, seed = item
        image = as_tensor(self._pictures.image(row))
        if self._drawing is not None:
            return image, row, self._drawing(np.random.default_rng(seed))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self._transform(image), row


class EpochSampler(Sampler[Item]):  # type: ignore[misc]
    """The rows of an epoch in a new order, this process's share of them, each with a seed.

    With weights, rows are drawn with repeats, as often as their weight says; an epoch has as many as there are rows.
    The order is repeated from its beginning until it can be shared out evenly, as all processes must take equally many
    steps.
    """

    def __init__(
        self, rows: IntArray, *, seeds: Sequence[int], weights: Any = None, rank: int = 0, world: int = 1
    ) -> None:
        self._rows, self._seeds = rows, tuple(seeds)
        self._share = None if weights is None else np.asarray(weights) / np.sum(weights)
        self._rank, self._world = rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._world)

    def __iter__(self) -> Iterator[Item]:
        rng = np.random.default_rng([*self._seeds, self.epoch])
        n = len(self._rows)
        order = rng.permutation(n) if self._share is None else rng.choice(n, size=n, p=self._share)
        order = np.resize(order, len(self) * self._world)
        seeds = rng.integers(2**63 - 1, size=len(order))
        mine = slice(self._rank, None, self._world)
        yield from zip(self._rows[order[mine]].tolist(), seeds[mine].tolist(), strict=True)


class Batches(Sampler[list[Item]]):  # type: ignore[misc]
    """The batches of epoch after epoch without an end; the last, smaller one of each is left out unless it is alone."""

    def __init__(self, sampler: EpochSampler, *, batch_size: int, first_epoch: int = 0) -> None:
        self._sampler, self._batch_size, self._first_epoch = sampler, batch_size, first_epoch

    @property
    def per_epoch(self) -> int:
        """Batches of one epoch."""
        return max(1, len(self._sampler) // self._batch_size)

    def __iter__(self) -> Iterator[list[Item]]:
        for epoch in itertools.count(self._first_epoch):
            self._sampler.set_epoch(epoch)
            items = iter(self._sampler)
            for _ in range(self.per_epoch):
                yield list(itertools.islice(items, self._batch_size))


class RowSampler(Sampler[Item]):  # type: ignore[misc]
    """Rows in order, this process's share of them; none twice, so shares may differ by one."""

    def __init__(self, rows: IntArray, *, rank: int = 0, world: int = 1) -> None:
        self._rows = rows[rank::world]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Item]:
        yield from ((row, 0) for row in self._rows.tolist())


@dataclass(frozen=True, slots=True)
class Loading:
    """How batches are made on this machine."""

    batch_size: int
    workers: int  # processes that read and transform; 0: the training process itself
    pinned: bool = False  # memory that a CUDA device copies from faster


def make_loader(
    pictures: Squares,
    sampler: Sampler[Item],
    transform: Transform,
    *,
    loading: Loading,
    train: bool,
    drawing: Draw | None = None,
) -> DataLoader[Batch]:
    """Batches in the sampler's order. A training epoch drops its last, smaller batch, unless it is the only one."""
    return DataLoader(
        PictureSet(pictures, transform, drawing=drawing),
        batch_size=loading.batch_size,
        sampler=sampler,
        drop_last=train and len(sampler) >= loading.batch_size,
        persistent_workers=loading.workers > 0,
        **_options(loading),
    )


def _options(loading: Loading) -> dict[str, Any]:
    return {
        "num_workers": loading.workers,
        "prefetch_factor": PREFETCH if loading.workers else None,
        "pin_memory": loading.pinned,
        "generator": torch.Generator(),  # its own, so that starting workers takes no number from the global one
    }


class EpochLoader:
    """Batches of one epoch at each iteration, the next epoch at the next.

    Between the epochs, while validation runs, the workers go on with the next one: a worker that alters 256 pictures
    needs most of a second for its first batch, and an epoch of some thousand images lasts no longer than that.
    """

    def __init__(self, loader: DataLoader[Batch], *, per_epoch: int) -> None:
        self._loader, self._per_epoch = loader, per_epoch
        self._batches: Iterator[Batch] | None = None

    def __len__(self) -> int:
        return self._per_epoch

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self._per_epoch):
            if self._batches is None:
                self._batches = iter(self._loader)
            yield next(self._batches)

    def close(self) -> None:
        """End the workers."""
        self._batches = None


def eval_loader(pictures: Squares, rows: IntArray, *, size_px: int, loading: Loading) -> DataLoader[Batch]:
    """The rows in order, prepared as serving prepares them."""
    return make_loader(pictures, RowSampler(rows), eval_transform(size_px=size_px), loading=loading, train=False)


class Studied(Protocol):
    """What batches are made of, whatever the labels are."""

    @property
    def pictures(self) -> Squares:
        """All of them."""

    @property
    def split(self) -> Split:
        """Rows to train on and to validate on."""

    @property
    def fingerprint(self) -> str:
        """Of pictures, labels and split."""

    @property
    def n_classes(self) -> int:
        """Outputs of the net."""

    def weights(self, recipe: Recipe) -> Any:
        """(R,) of the training rows, mean 1."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a training learns from and is measured on."""

    pictures: Pictures
    images: LabelledImages  # of the pictures, row for row
    split: Split
    fingerprint: str = ""  # of all that

    @property
    def n_classes(self) -> int:
        """Labels that the images have."""
        return len(self.images.classes)

    def weights(self, recipe: Recipe) -> Any:
        """(R,) weights of the training rows, mean 1, as `targets.row_weights`."""
        part = self.images[self.split.train]
        return row_weights(part.labels, part.groups, group_damping=recipe.group_damping)


class NicheData(lightning.LightningDataModule):  # type: ignore[misc]
    """Training and validation batches of one phase.

    `first_epoch` is the number of epochs that the phase has behind it: the first order is that of this epoch.
    """

    def __init__(self, material: Studied, recipe: Recipe, *, phase: int, first_epoch: int, loading: Loading) -> None:
        super().__init__()
        self._material, self._recipe = material, recipe
        self._phase, self._first_epoch, self._loading = phase, first_epoch, loading
        self._train: EpochLoader | None = None

    def train_dataloader(self) -> EpochLoader:
        """Shuffled or drawn by weight, augmented."""
        rows, recipe, loading = self._material.split.train, self._recipe, self._loading
        weights = self._material.weights(recipe) if recipe.balance == "sampler" else None
        sampler = EpochSampler(rows, seeds=(recipe.seed, self._phase), weights=weights, **self._share())
        batches = Batches(sampler, batch_size=loading.batch_size, first_epoch=self._first_epoch)
        transform = train_transform(recipe.augment, size_px=recipe.size_px)
        drawing = partial(draw, recipe.augment) if recipe.augment_on == "device" else None
        pictures = PictureSet(self._material.pictures, transform, drawing=drawing)
        loader = DataLoader(pictures, batch_sampler=batches, **_options(loading))
        self._train = EpochLoader(loader, per_epoch=batches.per_epoch)
        return self._train

    def close(self) -> None:
        """End the workers that make training batches."""
        if self._train is not None:
            self._train.close()

    def val_dataloader(self) -> DataLoader[Batch]:
        """Each row once, over all processes."""
        transform = eval_transform(size_px=self._recipe.size_px)
        loading = replace(self._loading, workers=math.ceil(self._loading.workers / 2))
        sampler = RowSampler(self._material.split.val, **self._share())
        return make_loader(self._material.pictures, sampler, transform, loading=loading, train=False)

    def _share(self) -> dict[str, int]:
        trainer = self.trainer
        return {"rank": trainer.global_rank, "world": trainer.world_size} if trainer is not None else {}
