"""A run folder of `postlens train engagement` to the model that forecasts, or orders, instead of the shipped one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from postlens.errors import ModelError, SettingsError
from postlens.tasks.engagement.predict import SPREAD_FACTOR, SPREAD_PRIOR, SPREAD_WORTH_POSTS
from postlens.tasks.engagement.ranking import PAIR_SLOPE, RANK_MEASURES, RANK_MODEL
from postlens.tasks.engagement.records import ENGAGEMENT_MODEL
from postlens.types import ModelSpec
from postlens.vision.cards import read_card
from postlens.vision.session import Session
from postlens.vision.zoo import RUN_REMEDY, check_file, open_card, open_model

CARD = f"{ENGAGEMENT_MODEL}.toml"  # in a run folder
RANK_CARD = f"{RANK_MODEL}.toml"
OUTPUTS = ("lower", "median", "upper")
SPREAD = (SPREAD_PRIOR, SPREAD_WORTH_POSTS, SPREAD_FACTOR)  # thresholds that other metrics are forecast with


@dataclass(frozen=True, slots=True)
class EngagementModel:
    """The model of many accounts that a training wrote. Making it opens nothing."""

    folder: Path
    spec: ModelSpec  # its labels are the features that it reads, in their order

    @property
    def card(self) -> Path:
        """Beside the model."""
        return self.folder / CARD

    def open(self) -> Session:
        """The model, for this thread."""
        return open_card(self.card)


def load_engagement_model(folder: Path) -> EngagementModel:
    """The model of a run.

    Raises:
        SettingsError: the folder is not there, or is no finished run of `--model accounts`.
        ModelError: the card is of another model, lacks a threshold, or the file is damaged or absent.
    """
    card = Path(folder) / CARD
    _check_there(card, setting="engagement_model", kind="accounts")
    spec = read_card(card, remedy=RUN_REMEDY)
    if spec.outputs != OUTPUTS or spec.input_size != (len(spec.labels),) or not spec.labels:
        raise ModelError(f"{card}: expected a model of features with {', '.join(OUTPUTS)}, got another; {RUN_REMEDY}")
    if missing := [name for name in SPREAD if not isinstance(spec.thresholds.get(name), int | float)]:
        raise ModelError(f"{card}: expected the thresholds {', '.join(SPREAD)}, {missing} are missing; {RUN_REMEDY}")
    check_file(spec, card)
    return EngagementModel(Path(folder), spec)


def load_ranker(folder: Path | None) -> Session:
    """The model that orders photos of one account, for this thread: of a run, or without one the shipped one.

    Raises:
        SettingsError: the folder is not there, or is no finished run of `--model images`.
        ModelError: the card is of another model, lacks a threshold, or the file is damaged or absent.
    """
    if folder is None:
        return open_model(RANK_MODEL)
    card = Path(folder) / RANK_CARD
    _check_there(card, setting="engagement_ranker", kind="images")
    spec = read_card(card, remedy=RUN_REMEDY)
    has_slope = isinstance(spec.thresholds.get(PAIR_SLOPE), int | float)
    if "score" not in spec.outputs or spec.labels != RANK_MEASURES or not has_slope:
        raise ModelError(f"{card}: expected a model with score and {PAIR_SLOPE}, got another; {RUN_REMEDY}")
    return open_card(card)


def _check_there(card: Path, *, setting: str, kind: str) -> None:
    if not card.is_file():
        state = "a folder without it" if card.parent.is_dir() else "a file" if card.parent.exists() else "nothing there"
        raise SettingsError(
            f"setting {setting}: expected the folder of a run that `postlens train engagement --model {kind}` "
            f"finished, with {card.name} in it, at {card.parent}, got {state}; name the run's folder"
        )
