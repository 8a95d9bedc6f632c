"""Ranked products and the right ones to recall and nDCG."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.products.retrieval import ndcg_at_k, recall_at_k, score_retrieval

RANKED = (["a", "b", "c"], ["c", "a", "b"])


@pytest.mark.parametrize(("k", "recall"), [(1, 0.5), (2, 0.5), (3, 1.0), (10, 1.0)])
def test_recall_is_how_often_the_right_product_is_among_the_first(k: int, recall: float) -> None:
    assert recall_at_k(RANKED, [{"a"}, {"b"}], k) == recall


def test_of_several_right_products_at_most_k_count() -> None:
    assert recall_at_k([["a", "b", "c"]], [{"a", "b"}], 1) == 1
    assert recall_at_k([["a", "c", "b"]], [{"a", "b"}], 2) == 0.5


def test_ndcg_is_worth_less_further_down() -> None:
    assert ndcg_at_k([["a", "b", "c"]], [{"a"}]) == 1
    assert ndcg_at_k([["a", "b", "c"]], [{"c"}]) == pytest.approx(1 / math.log2(4))
    ideal = 1 + 1 / math.log2(3)
    assert ndcg_at_k([["a", "x", "b"]], [{"a", "b"}]) == pytest.approx((1 + 1 / math.log2(4)) / ideal)
    assert ndcg_at_k([["a", "b"]], [{"b"}], 1) == 0


def test_the_table_has_intervals_and_what_chance_would_give() -> None:
    table = score_retrieval(RANKED, [{"a"}, {"b"}], rng=np.random.default_rng(0))
    assert (table["n"], table["recall_at_1"], table["recall_at_5"]) == (2, 0.5, 1.0)
    assert table["recall_at_1_ci"] == [0.0, 1.0]
    assert table["ndcg_at_10"] == pytest.approx((1 + 0.5) / 2)
    assert (table["chance_at_1"], table["chance_at_5"]) == (pytest.approx(1 / 3, abs=1e-4), 1)


def test_one_query_has_no_interval() -> None:
    assert score_retrieval(RANKED[:1], [{"a"}], rng=np.random.default_rng(0))["recall_at_1_ci"] is None


def test_queries_without_truth_and_lists_of_other_number_are_refused() -> None:
    with pytest.raises(NotEnoughDataError):
        recall_at_k([], [], 1)
    with pytest.raises(NotEnoughDataError, match="right product"):
        recall_at_k([["a"]], [set()], 1)
    with pytest.raises(ShapeError):
        recall_at_k(RANKED, [{"a"}], 1)
    with pytest.raises(ShapeError, match="k >= 1"):
        ndcg_at_k(RANKED, [{"a"}, {"b"}], 0)


@given(st.permutations("abcdefghijkl"), st.sets(st.sampled_from("abcdefghijkl"), min_size=1))
def test_a_longer_list_holds_more_of_one_right_product_and_all_scores_are_shares(
    order: list[str], right: set[str]
) -> None:
    one = [{min(right)}]
    recalls = [recall_at_k([order], one, k) for k in (1, 5, 10, 12)]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1
    assert all(0 <= score([order], [right], k) <= 1 for score in (recall_at_k, ndcg_at_k) for k in (1, 5, 10))


def test_chance_is_the_mean_over_random_orders() -> None:
    rng = np.random.default_rng(0)
    names = [f"p{n}" for n in range(12)]
    shuffled = [list(rng.permutation(names)) for _ in range(2000)]
    table = score_retrieval(shuffled, [{"p0", "p1"}] * len(shuffled), rng=rng)
    for k in (1, 5, 10):
        assert table[f"recall_at_{k}"] == pytest.approx(table[f"chance_at_{k}"], abs=0.04)
