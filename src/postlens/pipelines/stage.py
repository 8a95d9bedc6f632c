"""What a stage is: a named, versioned step from decoded media to features, the same on one machine and on many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from postlens.media.between import Between
from postlens.types import FrameBatch, Image, MediaFeatures

Part = TypeVar("Part")

NO_FRAMES = FrameBatch((), np.zeros(0, np.float32), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class MediaWork:
    """One media file on its way through the stages."""

    frames: FrameBatch
    features: MediaFeatures  # what is known so far
    small: tuple[Image, ...]  # the frames shrunk by a whole factor, for what needs no detail
    # Of a video, frames in which faces were found beside those of `frames`: numbered on from them in `index`, as in
    # `Faces.frame`. Hashes and embeddings are of `frames` alone.
    more: FrameBatch = NO_FRAMES
    between: Between | None = None  # of a video: the way to the frames between the sampled ones

    @property
    def sha256(self) -> str:
        """Key of the media file."""
        return self.features.media.sha256

    def image_of(self, frame: int) -> Image:
        """The picture that faces of this frame number were found in."""
        if frame < len(self.frames):
            return self.frames.images[frame]
        return self.more.images[int(np.flatnonzero(self.more.index == frame)[0])]

    def with_features(self, **changes: Any) -> MediaWork:
        """A copy with more known."""
        return replace(self, features=replace(self.features, **changes))


MediaBatch = tuple[MediaWork, ...]


class Stage(Protocol):
    """A step over a batch of media.

    A stage is stale for a media file when the ledger lacks (sha256, name, version, fingerprint), or when a stage it
    needs is stale. `setup` loads models once per worker thread; calling it again costs nothing.
    """

    @property
    def name(self) -> str:
        """Key in the ledger."""

    @property
    def version(self) -> str:
        """Raised when the code changes what the stage brings out."""

    @property
    def fingerprint(self) -> str:
        """Of the models it runs, so that a new model makes its facts stale."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Stages whose features it reads."""

    def setup(self) -> None:
        """Load what it needs in this thread."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """The same media with this stage's features filled in."""


class OwnPart:
    """A part that every thread makes for itself on first use, such as a model session."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def get(self, make: Callable[[], Part]) -> Part:
        """This thread's part."""
        if not hasattr(self._thread, "part"):
            self._thread.part = make()
        part: Part = self._thread.part
        return part
