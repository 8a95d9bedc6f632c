"""Products that fit to their order."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import ShapeError, UsageError
from postlens.tasks.products.ranking import ProductVectors, mean_direction, rank_products
from postlens.types import Product, RankedProduct

PRODUCTS = tuple(Product(name, name, ("hat",)) for name in ("a", "b", "c", "d"))
QUERY = np.array([1, 0, 0], np.float32)


def vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def ids(ranked: tuple[RankedProduct, ...]) -> list[str]:
    return [one.product.product_id for one in ranked]


def rank(order: str, **given: object) -> tuple[RankedProduct, ...]:
    vectors = ProductVectors.of(given.pop("vectors", {}))  # type: ignore[arg-type]
    options = {"subject_id": "s", "vectors": vectors, "query": None, **given}
    return rank_products(PRODUCTS, order=order, **options)  # type: ignore[arg-type]


def test_listed_keeps_the_catalogs_order() -> None:
    ranked = rank("listed", vectors={"b": QUERY}, query=QUERY)
    assert [(one.product, one.rank, one.similarity) for one in ranked] == [
        (product, n, None) for n, product in enumerate(PRODUCTS, start=1)
    ]


def test_similar_puts_the_nearest_image_first_and_products_without_one_last() -> None:
    ranked = rank("similar", vectors={"d": vector(2, 0, 0), "b": vector(1, 1, 0), "x": vector(9, 0, 0)}, query=QUERY)
    assert ids(ranked) == ["d", "b", "a", "c"]
    assert [one.similarity for one in ranked] == [pytest.approx(1), pytest.approx(0.5**0.5), None, None]
    assert [one.rank for one in ranked] == [1, 2, 3, 4]


def test_equally_similar_products_keep_the_catalogs_order() -> None:
    assert ids(rank("similar", vectors={"c": vector(1, 0, 0), "b": vector(3, 0, 0)}, query=QUERY)) == [
        "b",
        "c",
        "a",
        "d",
    ]


def test_an_opposite_image_comes_before_none() -> None:
    assert ids(rank("similar", vectors={"d": vector(-1, 0, 0)}, query=QUERY)) == ["d", "a", "b", "c"]


def test_without_a_query_or_with_vectors_of_no_direction_similar_is_listed() -> None:
    assert ids(rank("similar", vectors={"d": QUERY})) == ["a", "b", "c", "d"]
    ranked = rank("similar", vectors={"d": vector(0, 0, 0)}, query=QUERY)
    assert (ids(ranked), ranked[3].similarity) == (["a", "b", "c", "d"], None)


def test_vectors_of_another_encoder_are_refused() -> None:
    with pytest.raises(ShapeError, match="one encoder"):
        rank("similar", vectors={"a": vector(1, 0)}, query=QUERY)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(UsageError, match="similar, rotate, listed"):
        rank("best")


@given(st.text(max_size=20), st.permutations(PRODUCTS))
def test_rotate_is_the_same_for_a_subject_whatever_order_the_catalog_has(subject: str, shuffled: list[Product]) -> None:
    first = rank_products(PRODUCTS, order="rotate", subject_id=subject, query=None)
    again = rank_products(shuffled, order="rotate", subject_id=subject, query=None)
    assert ids(first) == ids(again)


@given(st.text(max_size=20))
def test_a_product_more_wins_a_subject_or_moves_nothing(subject: str) -> None:
    before = ids(rank_products(PRODUCTS[:3], order="rotate", subject_id=subject, query=None))
    after = ids(rank_products(PRODUCTS, order="rotate", subject_id=subject, query=None))
    assert [name for name in after if name != "d"] == before


def test_rotate_spreads_subjects_evenly() -> None:
    firsts = Counter(ids(rank("rotate", subject_id=f"creator {n}"))[0] for n in range(2000))
    assert set(firsts) == {"a", "b", "c", "d"}
    assert all(400 < n < 600 for n in firsts.values())  # 500 +- 5 standard deviations


def test_the_mean_direction_weighs_vectors_of_any_length_alike() -> None:
    mean = mean_direction(np.array([[4, 0], [0, 1], [0, 0]], np.float32))
    assert mean is not None
    np.testing.assert_allclose(mean, [0.5, 0.5])
    assert mean_direction(np.zeros((2, 2), np.float32)) is None
    assert mean_direction(np.zeros((0, 2), np.float32)) is None


def test_similarities_leave_out_what_has_no_direction() -> None:
    assert ProductVectors.of({"a": vector(0, 0, 0), "b": vector(-2, 0, 0)}).similarities(QUERY) == {"b": -1}


def test_vectors_of_two_encoders_are_refused() -> None:
    with pytest.raises(ShapeError, match="vectors of one encoder"):
        ProductVectors.of({"a": vector(1, 0), "b": vector(1, 0, 0)})


@given(st.sampled_from(["listed", "rotate", "similar"]), st.integers(0, 5))
def test_the_first_are_those_of_the_whole_order(order: str, most: int) -> None:
    vectors = {"c": vector(1, 0, 0), "b": vector(3, 0, 0), "d": vector(1, 1, 0)}
    assert rank(order, vectors=vectors, query=QUERY, most=most) == rank(order, vectors=vectors, query=QUERY)[:most]
