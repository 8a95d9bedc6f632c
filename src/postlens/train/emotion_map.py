"""A TOML file to the table that turns the labels of a data set into our eight emotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from postlens.config import read_toml
from postlens.errors import SettingsError
from postlens.types import EMOTIONS

SHIPPED_MAPS = Path(__file__).resolve().parent / "emotion_maps"
# The file of each layout: words are words wherever they stand, and two data sets have the labels of one paper.
MAP_OF_LAYOUT = {
    "affectnet": "affectnet",
    "csv": "words",
    "emoset": "mikels",
    "fer2013": "fer2013",
    "fi": "mikels",
    "folders": "words",
}
_FIELDS = ("version", "source", "skip", "labels")


@dataclass(frozen=True, slots=True)
class EmotionMap:
    """What the labels of one kind of data set mean here; case does not tell labels apart."""

    name: str
    version: int
    source: str  # paper of the data set, and what its labels are
    emotions: Mapping[str, tuple[str, ...]]  # by label, in lower case
    skipped: frozenset[str]  # labels whose images are left out

    @property
    def known(self) -> tuple[str, ...]:
        """All labels, those that are left out last."""
        return (*self.emotions, *sorted(self.skipped))

    @property
    def reachable(self) -> frozenset[str]:
        """Emotions that some label means; of the others nothing can be known."""
        return frozenset(emotion for own in self.emotions.values() for emotion in own)

    def knows(self, label: str) -> bool:
        """Whether the label is one of the table."""
        return label.casefold() in self.emotions or self.skips(label)

    def skips(self, label: str) -> bool:
        """Whether images with the label are left out."""
        return label.casefold() in self.skipped

    def meaning(self, label: str) -> tuple[str, ...]:
        """The emotions of a label that is known and not left out."""
        return self.emotions[label.casefold()]


def list_maps() -> tuple[str, ...]:
    """Names of the layouts, sorted; each has a shipped table, and some share one."""
    return tuple(MAP_OF_LAYOUT)


def load_map(name_or_path: str | Path) -> EmotionMap:
    """A layout's shipped table by the layout's name, or one of a TOML file.

    The file has `version` (a whole number), `source` (text), `skip` (labels to leave out) and a table `[labels]` of
    label = ["emotion", ...].

    Raises:
        SettingsError: no such name or file, the file is not TOML, or a value cannot be used.
    """
    shipped = MAP_OF_LAYOUT.get(str(name_or_path))
    path = SHIPPED_MAPS / f"{shipped}.toml" if shipped else Path(name_or_path)
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        known = ", ".join(list_maps())
        raise SettingsError(
            f"expected a table of labels out of [{known}] or a TOML file, got {name_or_path} ({error})"
        ) from error
    return replace(_checked(path, values), name=Path(name_or_path).stem)


def _checked(path: Path, values: Mapping[str, Any]) -> EmotionMap:
    labels, skip, version = values.get("labels"), values.get("skip", []), values.get("version")
    if unknown := [key for key in values if key not in _FIELDS]:
        raise _wrong(path, f"{', '.join(_FIELDS)}", f"{unknown[0]!r}")
    if not isinstance(version, int) or isinstance(version, bool):
        raise _wrong(path, "a whole number as version", repr(version))
    if not isinstance(labels, dict) or not labels:
        raise _wrong(path, "a table [labels] of label = [emotions]", repr(labels))
    if not isinstance(skip, list) or not all(isinstance(one, str) for one in skip):
        raise _wrong(path, "a list of labels as skip", repr(skip))
    emotions = {label.casefold(): _emotions(path, label, own) for label, own in labels.items()}
    skipped = frozenset(label.casefold() for label in skip)
    if both := sorted(skipped & emotions.keys()):
        raise _wrong(path, "each label in [labels] or in skip", f"{both[0]!r} in both")
    return EmotionMap(path.stem, version, str(values.get("source", "")), emotions, skipped)


def _emotions(path: Path, label: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values or not set(map(str, values)) <= set(EMOTIONS):
        raise _wrong(path, f"a list out of {', '.join(EMOTIONS)} for label {label!r}", repr(values))
    return tuple(values)


def _wrong(path: Path, expected: str, got: str) -> SettingsError:
    return SettingsError(f"{path}: expected {expected}, got {got}; correct it")
