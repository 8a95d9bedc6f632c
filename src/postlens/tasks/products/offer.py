"""The label that won to the products of a catalog that fit it."""

from __future__ import annotations

from collections.abc import Sequence

from postlens.tasks.products.items import Label
from postlens.types import Product


def for_audience(catalog: Sequence[Product], audience: Sequence[str]) -> tuple[Product, ...]:
    """The active products for any of these audiences or for everybody, in the catalog's order; case does not matter."""
    wanted = {name.casefold() for name in audience}
    return tuple(
        product
        for product in catalog
        if product.active
        and (not wanted or not product.audience or wanted.intersection(name.casefold() for name in product.audience))
    )


def fitting(
    winner: Label, products: Sequence[Product], *, labels: Sequence[Label], missing: bool
) -> tuple[Product, ...]:
    """Products for the label or its item; for a missing item, for any of its labels.

    A product for the item does not fit an optional label: beard oil is for beards, not for stubble.
    """
    names = [label.name for label in labels if label.item == winner.item] if missing else [winner.name]
    wanted = {*names} if winner.optional else {*names, winner.item}
    return tuple(product for product in products if wanted.intersection(product.labels))
