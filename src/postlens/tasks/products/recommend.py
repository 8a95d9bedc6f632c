"""What was read in a subject's images to the one product to show, and why.

An image shows an item when one of the item's labels reaches its threshold: on the face that speaks for the image, or on
the whole image, as the label's model reads it. The item that the largest share of images shows wins; with a single
image every share is 0 or 1, so the highest score decides. Only the set of images matters: neither their order nor how
often one is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from postlens.errors import UsageError
from postlens.tasks.products.offer import Shelf
from postlens.tasks.products.ranking import Order, mean_direction, rank_products
from postlens.tasks.products.readings import MIN_QUALITY, ImageReading, main_row, read_image
from postlens.tasks.products.sightings import Sighting, clearest, item_shares, sight
from postlens.types import FloatArray, ItemShare, Recommendation

__all__ = ["MIN_QUALITY", "ImageReading", "Policy", "main_row", "read_image", "recommend"]

Policy = Literal["matching", "missing"]
# policy="missing": an item in at least this share of images is not missing. Higher: also offers what is worn often.
MISSING_BELOW_SHARE = 0.5
# Products that are kept of those that fit, of which one is shown and the report lists a few. More: a longer choice by
# hand, and larger files: with a catalog of 20,000 products all of them would be 340 kB for every post.
MOST_PRODUCTS = 20
NOTHING = "no items detected"
NOTHING_MISSING = "no item is missing"
NO_FACE = "no face that can be read"


def recommend(
    subject_id: str,
    readings: Mapping[str, ImageReading],
    *,
    shelf: Shelf,
    policy: Policy = "matching",
    order: Order = "listed",
) -> Recommendation:
    """One product for the subject (a post, a creator, a person), or none with the reason.

    Args:
        subject_id: whom it is for.
        readings: by sha256 of the image or video.
        shelf: the catalog, for the audience asked for, and the labels that may have been read.
        policy: "matching" recommends for what is worn most, "missing" the wearable item worn least (below half of the
            images).
        order: of several products that fit, see `ranking.rank_products`.

    A share's denominator is the images in which the item could be read. Ties fall to the higher score of the deciding
    image (for "missing" the lower), then to the order of the items; among equal images to the smallest sha256.
    Raises `UsageError` for an unknown policy or order.
    """
    _check(policy, order)
    sightings = sight(readings, shelf.counted)
    items = item_shares(sightings, shelf.labels)
    nothing = _nothing(subject_id, readings, items, policy=policy)
    winner = _most_shown(sightings, items) if policy == "matching" else _least_shown(sightings, items)
    if winner is None:
        return nothing
    own = next(item for item in items if item.item == winner.label.item)
    alike = [readings[one.media].vector for one in sightings[own.item] if one.shown == winner.shown]
    fitting = shelf.fitting(winner.label, missing=policy == "missing")
    choice = rank_products(
        fitting,
        order=order,
        subject_id=subject_id,
        vectors=shelf.vectors,
        query=_mean([vector for vector in alike if vector is not None]),
        most=MOST_PRODUCTS,
    )
    why = _reason(winner, own, readings[winner.media], policy=policy)
    return replace(
        nothing,
        product=choice[0].product if choice else None,
        label=own.item,
        score=winner.score,
        share=own.share,
        n_images=own.n_images,
        deciding_media=winner.media,
        reason=why if choice else why + _no_product(winner, shelf.audience, policy=policy),
        attribute=winner.label.name,
        threshold=winner.label.threshold,
        products=choice,
        n_fitting=len(fitting),
    )


def _check(policy: str, order: str) -> None:
    if policy not in get_args(Policy):
        raise UsageError(f"policy must be matching or missing, got {policy!r}")
    if order not in get_args(Order):
        raise UsageError(f"order must be one of {', '.join(get_args(Order))}, got {order!r}")


def _mean(vectors: Sequence[FloatArray]) -> FloatArray | None:
    return mean_direction(np.stack(vectors)) if vectors else None


def _most_shown(sightings: Mapping[str, Sequence[Sighting]], items: Sequence[ItemShare]) -> Sighting | None:
    """The deciding sighting of the item with the largest share; items come in the order that breaks ties."""
    shown = [item for item in items if item.n_shown]
    best = max(shown, key=lambda item: (item.share, item.score), default=None)
    return None if best is None else clearest(sightings[best.item])


def _least_shown(sightings: Mapping[str, Sequence[Sighting]], items: Sequence[ItemShare]) -> Sighting | None:
    """The clearest absence of the wearable item with the smallest share."""
    share = {item.item: item.share for item in items if item.n_images and item.share < MISSING_BELOW_SHARE}
    absent = [one for item in share for one in sightings[item] if not one.shown and one.label.wearable]
    return min(absent, key=lambda one: (share[one.label.item], one.score), default=None)


def _nothing(
    subject_id: str, readings: Mapping[str, ImageReading], items: tuple[ItemShare, ...], *, policy: Policy
) -> Recommendation:
    """The answer when no item wins, with all that is known without a winner."""
    n_images = max((item.n_images for item in items), default=0)
    reason = NOTHING if policy == "matching" else NOTHING_MISSING
    return Recommendation(
        subject_id=subject_id,
        product=None,
        label=None,
        score=0.0,
        share=0.0,
        shares={item.item: item.share for item in items},
        n_images=n_images,
        deciding_media=None,
        reason=reason if n_images else f"{NOTHING}: {NO_FACE} in {_images(len(readings))}",
        items=items,
        without_face=tuple(sorted(media for media, reading in readings.items() if not reading.has_face)),
        policy=policy,
    )


def _reason(winner: Sighting, own: ItemShare, image: ImageReading, *, policy: Policy) -> str:
    """Label, share, number of images, deciding image and threshold in one line."""
    label, matching = winner.label, policy == "matching"
    what = f"{label.item} ({label.name})" if matching and label.name != label.item else label.item
    of = _images(own.n_images) + (" with a face" if label.reads == "face" else "")
    where = f"{image.name or winner.media[:12]} at {winner.score:.2f} (threshold {label.threshold:.2f})"
    return f"{what} in {own.n_shown} of {of} ({own.share:.0%}), clearest{'' if matching else ' absence'} in {where}"


def _no_product(winner: Sighting, audience: Sequence[str], *, policy: Policy) -> str:
    wanted = winner.label.name if policy == "matching" else winner.label.item
    whom = f" and the audience {' or '.join(audience)}" if audience else ""
    return f"; the catalog has no active product for {wanted}{whom}"


def _images(n: int) -> str:
    return f"{n} image" if n == 1 else f"{n} images"
