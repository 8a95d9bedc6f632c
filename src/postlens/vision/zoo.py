"""Model names and cards to sessions: every ONNX file under `weights/` with the TOML card beside it, or any other."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

from postlens.errors import UnknownNameError
from postlens.types import ModelSpec
from postlens.vision.cards import read_card
from postlens.vision.session import REMEDY, Session, read_checked

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
RUN_REMEDY = "train or export again"  # for files that a training wrote

_own = threading.local()


@lru_cache(maxsize=8)
def list_models(folder: Path = WEIGHTS) -> tuple[ModelSpec, ...]:
    """All cards of a folder, by name. Raises `ModelError` for a card that cannot be read."""
    return tuple(read_card(path) for path in sorted(folder.glob("*.toml")))


def load_spec(name: str, *, folder: Path = WEIGHTS) -> ModelSpec:
    """One card. Raises `UnknownNameError` listing the names there are."""
    card = folder / f"{name}.toml"
    if not card.is_file():
        known = ", ".join(spec.name for spec in list_models(folder))
        raise UnknownNameError(f"expected a model out of [{known}], got {name!r}; see `postlens models list`")
    return read_card(card)


def open_model(name: str, *, folder: Path = WEIGHTS) -> Session:
    """This thread's session of a model, loaded and checked on the first call.

    Sessions are never shared between threads: each worker thread gets its own, dropped when the thread ends.
    """
    sessions: dict[tuple[Path, str], Session] = _own.__dict__.setdefault("sessions", {})
    if (folder, name) not in sessions:
        spec = load_spec(name, folder=folder)
        sessions[folder, name] = Session(spec, folder / spec.file)
    return sessions[folder, name]


def open_card(card: Path) -> Session:
    """This thread's session of the model on a card anywhere, such as one that a training wrote.

    A card that was written anew since is opened anew. Raises `ModelError`, as `read_card` and `Session`.
    """
    sessions: dict[Path, Session] = _own.__dict__.setdefault("by_card", {})
    spec = read_card(card, remedy=_remedy(card))
    if card not in sessions or sessions[card].spec != spec:
        sessions[card] = Session(spec, card.parent / spec.file, remedy=_remedy(card))
    return sessions[card]


def check_file(spec: ModelSpec, card: Path) -> None:
    """See that the file of a card is there and whole. Raises `ModelError`, `ModelIntegrityError`."""
    read_checked(spec, card.parent / spec.file, remedy=_remedy(card))


def _remedy(card: Path) -> str:
    return REMEDY if card.parent == WEIGHTS else RUN_REMEDY
