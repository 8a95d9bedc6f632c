"""Offers to Parquet: a row for each creator or post and item, with its share and whether it decided."""

from __future__ import annotations

from typing import Any

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.exports.offers import Offer, offers
from postlens.types import ItemShare

PRODUCTS_TABLE = "products.parquet"
PRODUCT_SCHEMA = {
    "kind": "str",  # creator or post
    "subject_id": "str",
    "creator_id": "str",
    "item": "str",  # null: no item could be read in any image
    "share": "f64",  # of the images in which the item could be read
    "n_shown": "i64",
    "n_images": "i64",
    "label": "str",  # the clearest of the item's labels in the best image
    "score": "f64",  # of that label there
    "threshold": "f64",
    "best_image": "str",
    "best_sha256": "str",
    "chosen": "bool",  # the item that decided; product and alternatives stand in its row alone
    "product_id": "str",
    "title": "str",
    "price": "f64",
    "currency": "str",
    "url": "str",
    "alternatives": "list",
    "reason": "str",
    "policy": "str",
    "n_without_face": "i64",
}


def product_rows(campaign: Campaign) -> list[dict[str, Any]]:
    """Rows with the columns of PRODUCT_SCHEMA; columns that do not apply are absent."""
    return [row for offer in offers(campaign) for row in _rows(offer)]


def _rows(offer: Offer) -> list[dict[str, Any]]:
    choice = offer.choice
    about = {
        "kind": offer.kind,
        "subject_id": choice.subject_id,
        "creator_id": offer.creator_id,
        "reason": choice.reason,
        "policy": choice.policy,
        "n_without_face": len(choice.without_face),
    }
    read = [item for item in choice.items if item.n_images]
    if not read:
        return [about | {"chosen": False}]
    return [about | _share(offer, item) | (_product(offer) if offer.is_chosen(item) else {}) for item in read]


def _share(offer: Offer, item: ItemShare) -> dict[str, Any]:
    same = ("item", "share", "n_shown", "n_images", "label", "score", "threshold")
    return {name: getattr(item, name) for name in same} | {
        "best_image": offer.place(item.media),
        "best_sha256": item.media,
        "chosen": offer.is_chosen(item),
    }


def _product(offer: Offer) -> dict[str, Any]:
    product = offer.choice.product
    names = ("product_id", "title", "price", "currency", "url")
    return {name: getattr(product, name, None) for name in names} | {"alternatives": list(offer.alternatives)}
