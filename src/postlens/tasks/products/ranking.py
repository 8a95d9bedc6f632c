"""Products that fit to their order: as listed, spread over the subjects, or by the look of their images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from postlens.errors import ShapeError, UsageError
from postlens.types import FloatArray, Product, RankedProduct

Order = Literal["similar", "rotate", "listed"]


def rank_products(
    products: Sequence[Product],
    *,
    order: Order,
    subject_id: str,
    vectors: Mapping[str, FloatArray],
    query: FloatArray | None,
) -> tuple[RankedProduct, ...]:
    """All the products, the one to show first; ties keep the order in which they are given, which is the catalog's.

    listed: as given. rotate: spread evenly over the subjects, each of which always gets the same order; a product more
    or less moves only the subjects that it wins or loses (rendezvous hashing, Thaler and Ravishankar 1998). similar:
    by the cosine of the product's vector and `query`; products without a vector come after the others.

    Args:
        vectors: by product_id, embeddings (D,) of the products' images, of one encoder.
        query: (D,) `mean_direction` of the same encoder's embeddings of the deciding images; None: as given.

    Raises:
        UsageError: no such order.
        ShapeError: a vector and the query differ in length, so they are not of one encoder.
    """
    if order not in get_args(Order):
        raise UsageError(f"order must be one of {', '.join(get_args(Order))}, got {order!r}")
    if order == "rotate":
        return _ranked(sorted(products, key=lambda product: _draw(subject_id, product.product_id), reverse=True), {})
    if order == "listed" or query is None:
        return _ranked(products, {})
    close = similarities({p.product_id: vectors[p.product_id] for p in products if p.product_id in vectors}, query)
    return _ranked(sorted(products, key=lambda product: -close.get(product.product_id, -np.inf)), close)


def mean_direction(vectors: FloatArray) -> FloatArray | None:
    """The mean (D,) of embeddings (N, D) brought to unit length; those of length 0 are left out, None where all are."""
    lengths = np.linalg.norm(vectors, axis=1)
    known = lengths > 0
    if not known.any():
        return None
    return np.asarray((vectors[known] / lengths[known, None]).mean(axis=0), np.float32)


def similarities(vectors: Mapping[str, FloatArray], query: FloatArray) -> dict[str, float]:
    """Cosines in [-1, 1] of vectors (D,) and the query (D,) by id; without those that have no direction.

    Raises `ShapeError` as `rank_products`.
    """
    for product_id, vector in vectors.items():
        if vector.shape != query.shape:
            raise ShapeError(
                f"the vector of product {product_id!r} must have shape {query.shape}, got {vector.shape};"
                " compare embeddings of one encoder"
            )
    if not vectors:
        return {}
    matrix = np.stack([*vectors.values()])
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query)
    cosines = np.clip(matrix @ query / np.where(lengths > 0, lengths, 1), -1, 1)
    return {one: float(cosines[row]) for row, one in enumerate(vectors) if lengths[row] > 0}


def _draw(subject_id: str, product_id: str) -> bytes:
    """A number drawn for the pair, the same on every machine."""
    parts = [part.encode("utf-8", "surrogatepass") for part in (subject_id, product_id)]
    return hashlib.sha256(len(parts[0]).to_bytes(8, "big") + b"".join(parts)).digest()


def _ranked(products: Sequence[Product], close: Mapping[str, float]) -> tuple[RankedProduct, ...]:
    return tuple(
        RankedProduct(product, rank, close.get(product.product_id)) for rank, product in enumerate(products, start=1)
    )
