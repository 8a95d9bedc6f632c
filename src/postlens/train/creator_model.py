"""The post model whose vectors a creator model reads, put beside it: together they are one niche model."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from postlens.errors import SettingsError
from postlens.sources.rows import read_table
from postlens.tasks.niche.model import ENCODER_CARD, HEAD_CARD, NicheModel, read_run, shipped_model
from postlens.train.run_folder import RunFolder
from postlens.types import ModelSpec


def post_model(run: Path | None, *, fingerprint: str) -> NicheModel:
    """The models of a run of `postlens train niche`, or those that ship, being what made the vectors.

    Raises `SettingsError` for vectors of another encoder, or as `read_run`.
    """
    model = shipped_model() if run is None else read_run(run)
    if fingerprint not in vectors_of(model):
        name = "the models that ship" if run is None else str(run)
        raise SettingsError(
            f"expected vectors of {name} ({' or '.join(vectors_of(model))}), got those of {fingerprint}; name the run "
            "that they were extracted with (--model), or extract them again"
        )
    return model


def vectors_of(model: NicheModel) -> tuple[str, ...]:
    """Fingerprints of what the model makes vectors with: its encoder and, if it has one, its projection."""
    projects = "projected" in model.head.outputs
    return (model.encoder.fingerprint, model.head.fingerprint) if projects else (model.encoder.fingerprint,)


def splits_of(run: Path | None, creators: Iterable[str]) -> Path | None:
    """The run's table of splits, if any of the creators is in it; else None.

    Creators that the post model was trained on must not be in the test of the creator model: their vectors fit their
    labels better than those of others. `creators` as `read_splits` takes them, with their platform or without.

    Raises `TableError` for a damaged table.
    """
    path = None if run is None else RunFolder(run).splits
    if path is None or not path.is_file():
        return None
    known = {row["group"].strip() for row in read_table(path, "group", "split")}
    named = {name for creator in creators for name in (creator, creator.partition(":")[2])}
    return path if known & named else None


def copy_post_model(model: NicheModel, out: Path) -> None:
    """Copy head and own encoder, each with its card, so that the folder can be the setting `niche_model`."""
    _copy(model.head, model.head_card, out / HEAD_CARD)
    if model.encoder_card is not None:
        _copy(model.encoder, model.encoder_card, out / ENCODER_CARD)


def _copy(spec: ModelSpec, card: Path, target: Path) -> None:
    shutil.copyfile(card.parent / spec.file, target.parent / spec.file)
    shutil.copyfile(card, target)
