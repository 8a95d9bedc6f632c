"""Offers as a table: a row for each creator or post and item."""

from __future__ import annotations

import polars as pl
import pytest

from postlens.pipelines.exports import PRODUCT_SCHEMA, write_exports

from ..campaigns import campaign, offering, share


def table(tmp_path, shown) -> pl.DataFrame:
    write_exports(shown, tmp_path)
    return pl.read_parquet(tmp_path / "products.parquet")


def test_each_item_of_a_creator_is_a_row_and_one_decided(tmp_path):
    found = table(tmp_path, offering()).filter(kind="creator")
    assert found.columns == list(PRODUCT_SCHEMA)
    assert found.select("item", "share", "n_shown", "n_images", "chosen").rows() == [
        ("hat", 0.25, 1, 4, False), ("beard", 0.0, 0, 4, False), ("eyewear", 0.75, 3, 4, True),
    ]  # fmt: skip


def test_the_row_that_decided_has_product_proof_and_alternatives(tmp_path):
    row = table(tmp_path, offering()).row(by_predicate=pl.col("chosen"), named=True)
    assert (row["product_id"], row["title"], row["price"], row["currency"]) == ("f-1", "Steel frames", 129.0, "EUR")
    assert (row["label"], row["score"], row["threshold"]) == ("eyeglasses", 0.9, 0.4)
    assert (row["best_image"], row["best_sha256"]) == ("/in/1.jpg", f"{1:064x}")
    assert (row["alternatives"], row["n_without_face"], row["policy"]) == (["f-2"], 1, "matching")
    assert "3 of 4 images" in row["reason"]


def test_products_stand_only_where_an_item_decided(tmp_path):
    found = table(tmp_path, offering())
    assert found.filter(~pl.col("chosen"))["product_id"].null_count() == found.filter(~pl.col("chosen")).height


def test_items_that_could_be_read_nowhere_have_no_row(tmp_path):
    nowhere = share("hat", 0, n_images=0, label=None, media=None, face=None)
    found = table(tmp_path, offering(items=(nowhere, share("eyewear", 3)))).filter(kind="creator")
    assert found["item"].to_list() == ["eyewear"]
    assert table(tmp_path, offering(items=(nowhere,), label=None)).filter(kind="creator")["item"].to_list() == [None]


def test_posts_follow_creators_and_one_without_shares_is_a_row(tmp_path):
    found = table(tmp_path, offering())
    assert found["kind"].to_list() == ["creator"] * 3 + ["post"] * 2
    assert found.filter(kind="post")["item"].to_list() == [None, None]


@pytest.mark.parametrize("shown", [campaign(0), campaign(1, 0)], ids=["no creators", "no posts"])
def test_no_offers_are_a_table_of_no_rows(tmp_path, shown):
    found = table(tmp_path, shown)
    assert (found.height, found.columns) == (0, list(PRODUCT_SCHEMA))
