"""Readings of images to which items each shows, and in what share of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postlens.tasks.products.items import Label, by_item
from postlens.tasks.products.readings import ImageReading
from postlens.types import ItemShare


@dataclass(frozen=True, slots=True)
class Sighting:
    """One item in one image: its strongest label."""

    media: str
    label: Label
    score: float  # highest among the labels that show the item, else among all of the item's that could be read
    shown: bool
    face: int | None = None  # that was read; None: the whole image was


def sight(readings: Mapping[str, ImageReading], labels: Sequence[Label]) -> dict[str, tuple[Sighting, ...]]:
    """Item to what is seen of it in the images in which it could be read, by sha256."""
    images = sorted(readings.items(), key=lambda pair: pair[0])
    return {
        item: tuple(
            _sight(media, reading, known)
            for media, reading in images
            if (known := [label for label in own if label.name in reading.scores])
        )
        for item, own in by_item(labels).items()
    }


def _sight(media: str, reading: ImageReading, labels: Sequence[Label]) -> Sighting:
    scores = reading.scores
    shown = [label for label in labels if scores[label.name] >= label.threshold]
    best = max(shown or labels, key=lambda label: scores[label.name])
    face = reading.face if best.reads == "face" else None
    return Sighting(media, best, scores[best.name], shown=bool(shown), face=face)


def clearest(sightings: Sequence[Sighting]) -> Sighting | None:
    """The one with the highest score, of those that show the item if any does; the first of equals."""
    return max(sightings, key=lambda one: (one.shown, one.score), default=None)


def item_shares(sightings: Mapping[str, Sequence[Sighting]], labels: Sequence[Label]) -> tuple[ItemShare, ...]:
    """The share of every item of the labels, also of those that nothing was seen of."""
    return tuple(_share(item, sightings.get(item, ()), own) for item, own in by_item(labels).items())


def _share(item: str, sightings: Sequence[Sighting], labels: Sequence[Label]) -> ItemShare:
    best, n_shown = clearest(sightings), sum(one.shown for one in sightings)
    return ItemShare(
        item=item,
        share=n_shown / len(sightings) if sightings else 0.0,
        n_shown=n_shown,
        n_images=len(sightings),
        label=best.label.name if best else None,
        score=best.score if best else 0.0,
        threshold=(best.label if best else labels[0]).threshold,
        media=best.media if best else None,
        face=best.face if best else None,
    )
