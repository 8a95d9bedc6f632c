"""The faces of a subject's images to the one product to show, and why.

An image shows an item when one of the item's attributes reaches its threshold on the image's main face. The item that
the largest share of images shows wins; with a single image every share is 0 or 1, so the highest score decides.
Only the set of images matters: neither their order nor how often one is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from postlens.errors import ShapeError, UsageError
from postlens.tasks.products.items import ITEMS, OPTIONAL, WEARABLE
from postlens.types import ATTRIBUTES, Faces, Product, Recommendation

Policy = Literal["matching", "missing"]
# Below this quality a face is too small, blurred or turned for its attributes to be read. Higher: fewer wrong items,
# more images that count for nothing. Chosen by looking at faces on both sides of it, see docs/log/products.md.
MIN_QUALITY = 0.25
# policy="missing": an item in at least this share of images is not missing. Higher: also offers what is worn often.
MISSING_BELOW_SHARE = 0.5
NOTHING = "no items detected"
NO_FACE = "no face detected"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One item on one image's main face: its strongest attribute."""

    media: str
    item: str
    attribute: str
    score: float  # highest probability among the attributes that show the item, else among all of the item's
    shown: bool


def recommend(
    subject_id: str,
    faces_by_media: Mapping[str, Faces],
    *,
    catalog: Sequence[Product],
    thresholds: Mapping[str, float],
    policy: Policy = "matching",
) -> Recommendation:
    """One product for the subject (a post, a creator, a person), or none with the reason.

    `faces_by_media` holds the faces of each image by its sha256, with `attributes`; `thresholds` are by attribute, as
    on the card of the head. "matching" recommends for what is worn most, "missing" the wearable item worn least (below
    half of the images). Ties fall to the higher score of the deciding image (for "missing" the lower), then to the
    order of `ITEMS`; among equal images to the smallest sha256.
    Raises `ShapeError` when faces come without attributes, `UsageError` for an unknown policy or missing thresholds.
    """
    _check(thresholds, policy)
    attributes = {media: main_face(faces) for media, faces in sorted(faces_by_media.items())}
    seen = {media: probs for media, probs in attributes.items() if probs is not None}
    counted = _counted(catalog)
    sightings = [_sight(m, probs, item, counted, thresholds) for item in ITEMS for m, probs in seen.items()]
    shares = {item: _share([s for s in sightings if s.item == item]) for item in ITEMS}
    decide = _most_shown if policy == "matching" else _least_shown
    winner = decide(sightings, shares) if seen else None
    if winner is None:
        return _nothing(subject_id, shares, n_images=len(seen), n_media=len(faces_by_media), policy=policy)
    product = _product_for(winner, catalog, policy)
    return Recommendation(
        subject_id=subject_id,
        product=product,
        label=winner.item,
        score=winner.score if policy == "matching" else 1 - winner.score,
        share=shares[winner.item],
        shares=shares,
        n_images=len(seen),
        deciding_media=winner.media,
        reason=_reason(winner, shares[winner.item], len(seen), thresholds, product=product, policy=policy),
    )


def main_face(faces: Faces, *, min_quality: float = MIN_QUALITY) -> dict[str, float] | None:
    """The probabilities, by attribute, of `main_row`; `None` when there is none.

    Raises `ShapeError` when the faces come without attributes.
    """
    row = main_row(faces, min_quality=min_quality)
    if row is None:
        return None
    if faces.attributes is None or faces.attributes.shape[1] != len(ATTRIBUTES):
        got = None if faces.attributes is None else faces.attributes.shape
        raise ShapeError(f"attributes must have shape (N, {len(ATTRIBUTES)}), got {got}; run predict_attributes first")
    return dict(zip(ATTRIBUTES, faces.attributes[row].astype(float).tolist(), strict=True))


def main_row(faces: Faces, *, min_quality: float = MIN_QUALITY) -> int | None:
    """The row of the largest face of good enough quality; `None` when there is none.

    Ties in size fall to the higher score, then to the box further left and up. In a video, all frames count together.
    """
    good = np.flatnonzero(faces.quality >= min_quality)
    left, top, right, bottom = faces.xyxy_px[good].T
    order = np.lexsort((top, left, -faces.score[good], -(right - left) * (bottom - top)))
    return int(good[order[0]]) if len(good) else None


def _check(thresholds: Mapping[str, float], policy: str) -> None:
    if policy not in ("matching", "missing"):
        raise UsageError(f"policy must be matching or missing, got {policy!r}")
    if missing := [name for name in ATTRIBUTES if name not in thresholds]:
        raise UsageError(f"expected a threshold for each attribute, {', '.join(missing)} missing; take the head card's")


def _counted(catalog: Sequence[Product]) -> frozenset[str]:
    """Attributes that show their item: the optional ones only where a product names them."""
    named = {label for product in catalog for label in product.labels}
    return frozenset(name for name in ATTRIBUTES if name not in OPTIONAL or name in named)


def _sight(
    media: str, probs: Mapping[str, float], item: str, counted: frozenset[str], thresholds: Mapping[str, float]
) -> Sighting:
    candidates = [name for name in ITEMS[item] if name in counted]
    shown = [name for name in candidates if probs[name] >= thresholds[name]]
    attribute = max(shown or candidates, key=lambda name: probs[name])
    return Sighting(media, item, attribute, score=probs[attribute], shown=bool(shown))


def _share(sightings: Sequence[Sighting]) -> float:
    return sum(s.shown for s in sightings) / len(sightings) if sightings else 0.0


def _most_shown(sightings: Sequence[Sighting], shares: Mapping[str, float]) -> Sighting | None:
    """The deciding sighting of the item with the largest share; sightings come in the order that breaks ties."""
    return max((s for s in sightings if s.shown), key=lambda s: (shares[s.item], s.score), default=None)


def _least_shown(sightings: Sequence[Sighting], shares: Mapping[str, float]) -> Sighting | None:
    """The clearest absence of the wearable item with the smallest share."""
    absent = [s for s in sightings if not s.shown and s.item in WEARABLE and shares[s.item] < MISSING_BELOW_SHARE]
    return min(absent, key=lambda s: (shares[s.item], s.score), default=None)


def _product_for(winner: Sighting, catalog: Sequence[Product], policy: Policy) -> Product | None:
    """The first active product for the attribute (for an absent item: for any of its attributes)."""
    attributes = (winner.attribute,) if policy == "matching" else ITEMS[winner.item]
    wanted = {*attributes} if winner.attribute in OPTIONAL else {*attributes, winner.item}
    return next((p for p in catalog if p.active and wanted & {*p.labels}), None)


def _nothing(
    subject_id: str, shares: Mapping[str, float], *, n_images: int, n_media: int, policy: Policy
) -> Recommendation:
    reason = NOTHING if policy == "matching" else "no item is missing"
    if not n_images:
        reason = f"{NOTHING}: {NO_FACE} in {_images(n_media)}"
    return Recommendation(
        subject_id=subject_id,
        product=None,
        label=None,
        score=0.0,
        share=0.0,
        shares=shares,
        n_images=n_images,
        deciding_media=None,
        reason=reason,
    )


def _reason(
    winner: Sighting,
    share: float,
    n_images: int,
    thresholds: Mapping[str, float],
    *,
    product: Product | None,
    policy: Policy,
) -> str:
    what = (
        winner.item if winner.attribute == winner.item or policy == "missing" else f"{winner.item} ({winner.attribute})"
    )
    text = f"{what} in {round(share * n_images)} of {_images(n_images)} with a face"
    if policy == "matching":
        text += f", clearest at {winner.score:.2f} (threshold {thresholds[winner.attribute]:.2f})"
    return text if product is not None else f"{text}; the catalog has no active product for {winner.attribute}"


def _images(n: int) -> str:
    return f"{n} image" if n == 1 else f"{n} images"
