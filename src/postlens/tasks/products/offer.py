"""A catalog to what of it can be offered to an audience, and the label that won to the products that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from postlens.tasks.products.items import Label
from postlens.tasks.products.ranking import NO_VECTORS, ProductVectors
from postlens.types import FloatArray, Product


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """What can be offered, made once for all subjects: it does not depend on them."""

    products: tuple[Product, ...]  # the active ones for the audience, in the catalog's order
    audience: tuple[str, ...]  # (): everybody
    labels: tuple[Label, ...]  # all that may be read
    counted: tuple[Label, ...]  # those that show their item: the optional ones only where a product names them
    vectors: ProductVectors = NO_VECTORS
    places: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # label to the rows of products that name it

    @classmethod
    def of(
        cls,
        catalog: Sequence[Product],
        *,
        labels: Sequence[Label],
        audience: Sequence[str] = (),
        vectors: Mapping[str, FloatArray] | None = None,
    ) -> Self:
        """The shelf of a catalog, which is in the order of preference, inactive products among it.

        Args:
            labels: all that may have been read; their items' order breaks ties.
            audience: only products for any of these, or for everybody; (): all.
            vectors: embeddings (D,) of the products' images by product_id, of one encoder.

        Raises `ShapeError` for vectors that differ in length.
        """
        products = for_audience(catalog, audience)
        places: dict[str, list[int]] = {}
        for row, product in enumerate(products):
            for name in dict.fromkeys(product.labels):
                places.setdefault(name, []).append(row)
        return cls(
            products=products,
            audience=tuple(audience),
            labels=tuple(labels),
            counted=tuple(label for label in labels if not label.optional or label.name in places),
            vectors=ProductVectors.of(vectors or {}),
            places={name: tuple(rows) for name, rows in places.items()},
        )

    def fitting(self, winner: Label, *, missing: bool) -> tuple[Product, ...]:
        """Products for the label or its item, in the catalog's order; for a missing item, for any of its labels.

        A product for the item does not fit an optional label that is shown: beard oil is for beards, not for stubble.
        """
        names = {label.name for label in self.labels if label.item == winner.item} if missing else {winner.name}
        wanted = names if winner.optional and not missing else {*names, winner.item}
        rows = {row for name in wanted for row in self.places.get(name, ())}
        return tuple(self.products[row] for row in sorted(rows))


def for_audience(catalog: Sequence[Product], audience: Sequence[str]) -> tuple[Product, ...]:
    """The active products for any of these audiences or for everybody, in the catalog's order; case does not matter."""
    wanted = {name.casefold() for name in audience}
    return tuple(
        product
        for product in catalog
        if product.active
        and (not wanted or not product.audience or wanted.intersection(name.casefold() for name in product.audience))
    )
