"""A run folder of `postlens train reactions` to the net whose probabilities answer instead of scene and faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from postlens.errors import ModelError, SettingsError
from postlens.types import EMOTIONS, FloatArray, Image, ModelSpec
from postlens.vision.cards import read_card
from postlens.vision.encoder import prepare
from postlens.vision.session import Session
from postlens.vision.zoo import RUN_REMEDY, check_file, open_card

NET = "reactions"  # the name on its card
CARD = f"{NET}.toml"  # in a run folder
BATCH_SIZE = 4  # images at a time: bounds memory


@dataclass(frozen=True, slots=True)
class ReactionModel:
    """One net over whole images. Making it opens nothing."""

    folder: Path
    spec: ModelSpec  # its labels are those of EMOTIONS that it has learnt

    @property
    def card(self) -> Path:
        """Beside the net."""
        return self.folder / CARD

    @property
    def fingerprint(self) -> str:
        """16 hex digits that readings are stored under; thresholds, which may be changed by hand, are no part of it."""
        return replace(self.spec, thresholds={}).fingerprint

    @property
    def thresholds(self) -> dict[str, float]:
        """By emotion; those that were not learnt are left out."""
        return {name: float(value) for name, value in self.spec.thresholds.items()}

    def open(self) -> Session:
        """The net, for this thread."""
        return open_card(self.card)

    def read(self, images: Sequence[Image]) -> FloatArray:
        """Probabilities (N, 8) in the order of EMOTIONS of images, uint8 (H, W, 3); their centre squares are looked at.

        Each emotion has its own probability; they need not sum to 1. 0 for emotions that were not learnt.
        """
        net, columns = self.open(), [EMOTIONS.index(name) for name in self.spec.labels]
        out = np.zeros((len(images), len(EMOTIONS)), np.float32)
        for start in range(0, len(images), BATCH_SIZE):
            batch = np.stack([prepare(image, self.spec) for image in images[start : start + BATCH_SIZE]])
            out[start : start + len(batch), columns] = net.run({"image": batch})["probs"]
        return out


def load_reaction_model(folder: Path | None) -> ReactionModel | None:
    """The net of a run; `None` without a folder: then what ships answers.

    Raises:
        SettingsError: the folder is not there, is no finished run, or its net has other labels than emotions.
        ModelError: the net's card or file is damaged or absent.
    """
    if folder is None:
        return None
    card = Path(folder) / CARD
    if not card.is_file():
        state = "a folder without it" if card.parent.is_dir() else "a file" if card.parent.exists() else "nothing there"
        raise SettingsError(
            f"setting reaction_model: expected the folder of a run that `postlens train reactions` finished, with "
            f"{CARD} in it, at {folder}, got {state}; name the run's folder, or finish the run by --resume"
        )
    spec = read_card(card, remedy=RUN_REMEDY)
    if "probs" not in spec.outputs or len(spec.input_size) != 3:
        raise ModelError(f"{card}: expected a net of images with an output probs, got another; {RUN_REMEDY}")
    if not spec.labels or not set(spec.labels) | set(spec.thresholds) <= set(EMOTIONS):
        raise SettingsError(
            f"setting reaction_model: {card}: expected labels out of {', '.join(EMOTIONS)}, got "
            f"{', '.join(spec.labels) or 'none'}; train it with `postlens train reactions`"
        )
    if wrong := {name: value for name, value in spec.thresholds.items() if not 0 <= value <= 1}:
        raise SettingsError(f"setting reaction_model: {card}: expected thresholds in 0..1, got {wrong}; correct them")
    check_file(spec, card)
    return ReactionModel(Path(folder), spec)
