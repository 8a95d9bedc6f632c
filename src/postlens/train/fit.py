"""One phase through Lightning's trainer: devices, precision, progress bar, and errors as they are."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch

from postlens.errors import SettingsError
from postlens.train.data import NicheData
from postlens.train.keeper import Keeper
from postlens.train.layer_learner import LayerLearner
from postlens.train.recipe import Recipe

MOST_WORKERS = 16  # by default: more processes gained nothing on a machine of 16 cores with one GPU


@dataclass(frozen=True, slots=True)
class Machine:
    """What a training runs on."""

    devices: int | str = 1  # how many, or "auto": all there are
    accelerator: str = "auto"  # as Lightning names them: "cpu", "cuda", ...
    workers: int = 0  # processes that make batches, for each device
    progress: bool = True  # a bar, where standard output is a terminal
    compiled: bool = False  # torch.compile: a minute more for each phase, faster steps on a GPU

    def __post_init__(self) -> None:
        """Raises `SettingsError` for devices that are not there, before a run makes its folder."""
        there = _accelerators()
        if self.accelerator not in there:
            raise SettingsError(f"expected an accelerator out of {', '.join(there)}, got {self.accelerator}")
        most = torch.cuda.device_count() if self.on_cuda else None
        is_number = isinstance(self.devices, int) and 1 <= self.devices <= (most or self.devices)
        if self.devices != "auto" and not is_number:
            text = "of 1 or more" if most is None else f"from 1 to {most}"
            raise SettingsError(f"expected devices as a number {text}, or auto, got {self.devices}")

    @property
    def on_cuda(self) -> bool:
        """Whether it trains on CUDA devices."""
        return self.accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available()

    @property
    def device(self) -> torch.device:
        """Of this process, outside of the trainer."""
        return torch.device("cuda" if self.on_cuda else "cpu")

    @property
    def shows_bar(self) -> bool:
        """Whether there is a terminal to show it."""
        return self.progress and sys.stdout.isatty()


def choose_workers(asked: int | None, devices: int | str) -> int:
    """Processes that make batches for each device: as asked for, by default a core each, at most `MOST_WORKERS`."""
    if asked is not None:
        return asked
    n_devices = devices if isinstance(devices, int) and devices > 0 else max(1, torch.cuda.device_count())
    return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) // n_devices))


def _accelerators() -> list[str]:
    """Names that a training on this machine can be given."""
    registry = lightning.accelerators.AcceleratorRegistry
    found = [name for name in sorted(registry) if registry[name]["accelerator"].is_available()]
    return ["auto", *found, *(["gpu"] if {"cuda", "mps"} & set(found) else [])]


def fit_phase(
    learner: LayerLearner, data: NicheData, keeper: Keeper, *, machine: Machine, resume_from: Path | None
) -> None:
    """Train one phase to its end.

    Raises:
        DivergedError: the loss is no number.
        KeyboardInterrupt: stopped by the user; epochs that ended are kept.
    """
    # The order that tensor cores take convolutions in; a training step of EfficientNet-Lite0 on a processor took half.
    learner.net.to(memory_format=torch.channels_last)
    callbacks: list[Any] = [keeper]
    if machine.shows_bar:
        callbacks.append(lightning.callbacks.RichProgressBar(leave=False))
    before = signal.getsignal(signal.SIGINT)
    with _quiet():
        trainer = _make_trainer(learner, callbacks, machine)
        try:
            trainer.fit(learner, datamodule=data, ckpt_path=resume_from, weights_only=True)
        except SystemExit as stop:
            if trainer.received_sigterm:
                raise
            # Lightning turns Ctrl-C into an exit, and is deaf to it from then on.
            raise KeyboardInterrupt from stop
        finally:
            data.close()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, before)


def _make_trainer(learner: LayerLearner, callbacks: list[Any], machine: Machine) -> lightning.Trainer:
    recipe = learner.recipe
    return lightning.Trainer(
        accelerator=machine.accelerator,
        devices=machine.devices,
        strategy="auto" if machine.devices == 1 else _ddp(),
        precision=precision_of(recipe, machine),
        max_epochs=learner.phase.epochs,
        gradient_clip_val=recipe.clip_norm,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=machine.shows_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # ours share out the rows themselves
        benchmark=machine.on_cuda,
    )


def _ddp() -> Any:
    """Processes take unequally many validation batches, so none may wait for the others in a forward pass.

    Buffers need not be sent: batch norms are in eval mode, or averaged before validation (`LayerLearner`).
    """
    return lightning.strategies.DDPStrategy(broadcast_buffers=False)


def precision_of(recipe: Recipe, machine: Machine) -> Any:
    """Lightning's name of the precision. Raises `SettingsError` for fp16 without an accelerator."""
    if recipe.precision == "fp16" and not machine.on_cuda:
        raise SettingsError("expected precision 32 or bf16 on a processor, got fp16, which needs a GPU")
    if recipe.precision == "auto":
        return "bf16-mixed" if machine.on_cuda and torch.cuda.is_bf16_supported() else "32-true"
    return {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[recipe.precision]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's and torch's advice about settings that are as they should be, and about other products."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.|torch\.|torchmetrics\.")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
