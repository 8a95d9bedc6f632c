"""Media to what the net of the setting `reaction_model` reads out of its pixels: a stage, and what is stored of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from postlens.pipelines.stage import MediaBatch, MediaWork
from postlens.store.readings import read_readings
from postlens.tasks.reactions.model import ReactionModel
from postlens.types import WHOLE, FloatArray, Readings

# Frames of a video that the net looks at, spread evenly; their mean counts. More: a moment is met more often, and
# weighs less; each costs 20 ms on one core with the default net.
MOST_FRAMES = 8


class ReactionNetStage:
    """Eight probabilities of the image as a whole; of a video the mean over its frames.

    The name holds the net's fingerprint, so that several nets count as done side by side.
    """

    version, needs = "1", ()

    def __init__(self, model: ReactionModel) -> None:
        self.name = f"reactions:{model.fingerprint}"
        self.fingerprint = model.fingerprint
        self._model = model

    def setup(self) -> None:
        """Load the net."""
        self._model.open()

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """One reading more for each file."""
        return tuple(self._read(work) for work in batch)

    def _read(self, work: MediaWork) -> MediaWork:
        n_frames = len(work.frames)
        shown = np.unique(np.linspace(0, n_frames - 1, min(n_frames, MOST_FRAMES)).round().astype(int))
        probs = self._model.read([work.frames.images[i] for i in shown]).mean(axis=0, keepdims=True)
        found = Readings(self.fingerprint, np.array([WHOLE], np.int64), probs)
        return replace(work, features=replace(work.features, readings=(*work.features.readings, found)))


def read_reaction_probs(conn: Connection, sha256s: Iterable[str], model: ReactionModel) -> Mapping[str, FloatArray]:
    """(8,) probabilities by sha256 that the net read; media that it has not looked at are left out."""
    found = read_readings(conn, sha256s, model.fingerprint)
    return {sha256: one.probs[0] for sha256, one in found.items() if len(one)}
