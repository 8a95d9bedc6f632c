"""A run folder of `postlens train reactions` to the net whose probabilities answer instead of scene and faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    @property
    def n_outputs(self) -> int:
        """Probabilities that the net gives to an image, seen by showing it a black one."""
        black = prepare(np.zeros((8, 8, 3), np.uint8), self.spec)[None]
        return int(self.open().run({"image": black})["probs"].shape[-1])

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
        SettingsError: the folder is not there, is no finished run, or its card has thresholds that are no numbers in
            0..1, other labels than emotions, or not one for each output of the net.
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
    if not isinstance(spec.thresholds, Mapping):
        raise SettingsError(f"setting reaction_model: {card}: expected a table [thresholds], got {spec.thresholds!r}")
    _check_names(spec, card)
    if wrong := {name: value for name, value in spec.thresholds.items() if not _is_share(value)}:
        raise SettingsError(f"setting reaction_model: {card}: expected thresholds in 0..1, got {wrong}; correct them")
    check_file(spec, card)
    model = ReactionModel(Path(folder), spec)
    if model.n_outputs != len(spec.labels):
        raise SettingsError(
            f"setting reaction_model: {card}: expected one label for each of the net's {model.n_outputs} outputs, got "
            f"{len(spec.labels)}; correct them, in the order of the outputs"
        )
    return model


def _check_names(spec: ModelSpec, card: Path) -> None:
    """Raises `SettingsError` unless labels and thresholds are of emotions, each label once."""
    labels = list(map(str, spec.labels))
    if not labels or len(set(labels)) < len(labels) or not {*labels, *spec.thresholds} <= set(EMOTIONS):
        raise SettingsError(
            f"setting reaction_model: {card}: expected labels out of {', '.join(EMOTIONS)}, each once, got "
            f"{', '.join(labels) or 'none'}; train it with `postlens train reactions`"
        )


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
