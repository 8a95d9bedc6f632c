"""The folder of a training run: its files, its beginning, and what a resumed run finds in it."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postlens.errors import ModelError, SettingsError, UsageError
from postlens.media.probe import display_name
from postlens.train.history import Row
from postlens.train.labels import LabelledImages, Split
from postlens.train.recipe import Recipe, load_recipe, write_recipe

LOG_FORM = "%(asctime)s %(levelname)s %(message)s"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Names of the files, and the two ways to begin."""

    path: Path

    @property
    def recipe(self) -> Path:
        """What is trained."""
        return self.path / "recipe.toml"

    @property
    def last(self) -> Path:
        """State after the last finished epoch: weights, optimizer, schedule, history."""
        return self.path / "last.ckpt"

    @property
    def best(self) -> Path:
        """Weights of the best epoch of all."""
        return self.path / "best.safetensors"

    @property
    def history(self) -> Path:
        """A row per epoch."""
        return self.path / "history.csv"

    @property
    def splits(self) -> Path:
        """Part of each group, as `--splits` takes it."""
        return self.path / "splits.csv"

    def phase(self, number: int, name: str) -> Path:
        """Weights of the best epoch of a phase, counted from 1."""
        return self.path / f"phase{number}_{name}.safetensors"

    def begin(self, recipe: Recipe, *, command: str) -> None:
        """Make the folder for a new run. Raises as `make` does."""
        self.make(command=command)
        write_recipe(recipe, self.recipe)

    def make(self, *, command: str) -> None:
        """Make the folder, with the command in it; a run that failed before its first epoch ended is replaced.

        Raises `UsageError` when epochs of another run are in it, or the folder cannot be written.
        """
        if self.last.exists():
            raise UsageError(
                f"{display_name(self.path)}: expected a new folder, got one of an earlier run; "
                "name another, or go on with that run by --resume"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "command.txt").write_text(command + "\n", encoding="utf-8")
        except OSError as error:
            name = display_name(self.path)
            raise UsageError(f"expected a folder that can be written at {name}, got: {error.strerror}") from error

    def check_same(self, recipe: Recipe) -> None:
        """Raise `SettingsError` unless the run in the folder has the same recipe; what differs is told."""
        self.refuse_other(load_recipe(self.recipe).model_dump(), recipe.model_dump())

    def refuse_other(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Raise `SettingsError` unless the values are the same; what differs is told."""
        differing = [f"{name} {before[name]!r} (now {now[name]!r})" for name in before if before[name] != now[name]]
        if differing:
            raise SettingsError(
                f"{display_name(self.path)}: expected the recipe that the run began with, got other values of "
                f"{'; '.join(differing)}; resume with the same, or begin a run in a new folder"
            )

    def read_state(self) -> tuple[list[Row], str | None]:
        """The history of the finished epochs, and the fingerprint of what was trained on; nothing where none finished.

        Raises `ModelError` for a `last.ckpt` that cannot be read.
        """
        from pickle import UnpicklingError

        import torch

        if not self.last.exists():
            return [], None
        try:
            state: Any = torch.load(self.last, map_location="cpu", weights_only=True)["callbacks"]["postlens"]
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, UnpicklingError) as error:
            raise ModelError(f"{display_name(self.last)}: expected the state of a run, got: {error}") from error
        return state["history"], state["material"]

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Within it, what is logged goes to `training.log`."""
        handler = logging.FileHandler(self.path / "training.log", encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter(LOG_FORM))
        logger = logging.getLogger("postlens")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()


def write_splits(images: LabelledImages, split: Split, path: Path) -> None:
    """The part of every group that is in one, as CSV with the columns group and split."""
    part_of = {images.groups[row]: part for part, rows in split.parts.items() for row in rows.tolist()}
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("group", "split"), *sorted(part_of.items())])


def fingerprint_of(images: LabelledImages, split: Split, *, pictures: str) -> str:
    """16 hex digits that change when a path, a label, a class, the split or the pictures' own fingerprint does."""
    digest = hashlib.sha256("\n".join([pictures, *images.paths, *images.classes]).encode("utf-8", "surrogateescape"))
    for rows in (images.labels, *split.parts.values()):
        digest.update(rows.tobytes())
    return digest.hexdigest()[:16]
