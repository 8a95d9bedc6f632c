"""Products that fit to their order: as listed, spread over the subjects, or by the look of their images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Literal, Self, get_args

import numpy as np

from postlens.errors import ShapeError, UsageError
from postlens.types import FloatArray, Product, RankedProduct

Order = Literal["similar", "rotate", "listed"]


@dataclass(frozen=True, slots=True, eq=False)
class ProductVectors:
    """Embeddings of the products' images, brought to unit length once for all subjects."""

    rows: Mapping[str, int]  # by product_id; without those that have no direction
    units: FloatArray  # (N, D)

    @classmethod
    def of(cls, vectors: Mapping[str, FloatArray]) -> Self:
        """Of embeddings (D,) by product_id. Raises `ShapeError` where they differ in length."""
        shapes = {vector.shape: product_id for product_id, vector in vectors.items()}
        if len(shapes) > 1:
            (one, first), (other, second), *_ = shapes.items()
            raise ShapeError(
                f"expected vectors of one encoder, got {one} of product {first!r} and {other} of product {second!r};"
                " read the images again with `postlens catalog add`"
            )
        matrix = np.stack([*vectors.values()]).astype(np.float32) if vectors else np.zeros((0, 0), np.float32)
        lengths = np.linalg.norm(matrix, axis=1)
        known = np.flatnonzero(lengths > 0)
        ids = list(vectors)
        return cls({ids[row]: at for at, row in enumerate(known)}, matrix[known] / lengths[known, None])

    def similarities(self, query: FloatArray) -> dict[str, float]:
        """Cosines in [-1, 1] of every vector and a query (D,) by product_id; {} for a query without direction.

        Raises `ShapeError` for a query of another length.
        """
        length = float(np.linalg.norm(query))
        if not self.rows or not length:
            return {}
        if query.shape != self.units.shape[1:]:
            raise ShapeError(
                f"the vectors of products must have shape {query.shape}, got {self.units.shape[1:]};"
                " compare embeddings of one encoder"
            )
        cosines = np.clip(self.units @ (query / length), -1, 1).tolist()
        return {product_id: cosines[row] for product_id, row in self.rows.items()}


NO_VECTORS = ProductVectors.of({})


def rank_products(
    products: Sequence[Product],
    *,
    order: Order,
    subject_id: str,
    query: FloatArray | None,
    vectors: ProductVectors = NO_VECTORS,
    most: int | None = None,
) -> tuple[RankedProduct, ...]:
    """The products, the one to show first; ties keep the order in which they are given, which is the catalog's.

    listed: as given. rotate: spread evenly over the subjects, each of which always gets the same order; a product more
    or less moves only the subjects that it wins or loses (rendezvous hashing, Thaler and Ravishankar 1998). similar:
    by the cosine of the product's vector and `query`; products without a vector come after the others.

    Args:
        vectors: of the products' images, of one encoder.
        query: (D,) `mean_direction` of the same encoder's embeddings of the deciding images; None: as given.
        most: leave out all but the first of them.

    Raises:
        UsageError: no such order.
        ShapeError: the vectors and the query differ in length, so they are not of one encoder.
    """
    if order not in get_args(Order):
        raise UsageError(f"order must be one of {', '.join(get_args(Order))}, got {order!r}")
    most = len(products) if most is None else most
    if order == "rotate":
        drawn = nlargest(most, products, key=lambda product: _draw(subject_id, product.product_id))
        return _ranked(drawn, {})
    if order == "listed" or query is None:
        return _ranked(products[:most], {})
    close = vectors.similarities(query)
    return _ranked(nlargest(most, products, key=lambda product: close.get(product.product_id, -np.inf)), close)


def mean_direction(vectors: FloatArray) -> FloatArray | None:
    """The mean (D,) of embeddings (N, D) brought to unit length; those of length 0 are left out, None where all are."""
    lengths = np.linalg.norm(vectors, axis=1)
    known = lengths > 0
    if not known.any():
        return None
    return np.asarray((vectors[known] / lengths[known, None]).mean(axis=0), np.float32)


def _draw(subject_id: str, product_id: str) -> bytes:
    """A number drawn for the pair, the same on every machine."""
    parts = [part.encode("utf-8", "surrogatepass") for part in (subject_id, product_id)]
    return hashlib.sha256(len(parts[0]).to_bytes(8, "big") + b"".join(parts)).digest()


def _ranked(products: Sequence[Product], close: Mapping[str, float]) -> tuple[RankedProduct, ...]:
    return tuple(
        RankedProduct(product, rank, close.get(product.product_id)) for rank, product in enumerate(products, start=1)
    )
