"""What a stage is: a named, versioned step from decoded media to features, the same on one machine and on many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from postlens.types import FrameBatch, Image, MediaFeatures


@dataclass(frozen=True, slots=True)
class MediaWork:
    """One media file on its way through the stages."""

    frames: FrameBatch
    features: MediaFeatures  # what is known so far
    small: tuple[Image, ...]  # the frames shrunk by a whole factor, for what needs no detail

    @property
    def sha256(self) -> str:
        """Key of the media file."""
        return self.features.media.sha256

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
