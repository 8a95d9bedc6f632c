"""Offers as a workbook: a sheet for creators, posts, shares and images without a face."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from postlens.pipelines.exports import products_book as module
from postlens.pipelines.exports.products_book import products_xlsx

from ..campaigns import FRAMES, campaign, explained_offer, offering

SHEETS = ["creators", "posts", "shares", "without a face"]


def opened(shown) -> Any:
    return openpyxl.load_workbook(io.BytesIO(products_xlsx(shown)))


def rows_of(shown, title: str) -> list[dict[str, Any]]:
    header, *rows = opened(shown)[title].iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize("shown", [campaign(0), campaign(), offering()], ids=["empty", "plain", "explained"])
def test_all_sheets_are_there(shown):
    assert opened(shown).sheetnames == SHEETS


def test_a_creator_is_a_row_with_product_proof_and_reason():
    (row,) = rows_of(offering(), "creators")
    assert (row["subject_id"], row["product_id"], row["title"]) == ("instagram:c0", "f-1", "Steel frames")
    assert (row["price"], row["currency"], row["item"], row["label"]) == (129, "EUR", "eyewear", "eyeglasses")
    assert (row["share"], row["images_shown"], row["images"], row["without_face"]) == (0.75, 3, 4, 1)
    assert (row["deciding_image"], row["score"], row["threshold"]) == ("/in/1.jpg", 0.9, 0.4)
    assert (row["alternatives"], row["policy"]) == ("f-2", "matching")
    assert "3 of 4 images" in row["reason"]


def test_a_post_is_a_row_with_its_creator_and_file_and_no_empty_column():
    shown = campaign(1, 1)
    (post,) = shown.posts
    shown = replace(shown, posts=(replace(post, recommendation=explained_offer(post.post.post_id)),))
    (row,) = rows_of(shown, "posts")
    assert (row["creator"], row["file"], row["subject_id"]) == (post.post.creator_id, "0.jpg", post.post.post_id)
    assert not {"product", "best_face"} & row.keys()
    assert row["product_id"] == "f-1"


def test_a_creators_row_shows_the_product_and_the_face_that_decided():
    images = opened(offering())["creators"]._images
    assert sorted((image.anchor._from.row, image.anchor._from.col) for image in images) == [(1, 0), (1, 1)]


def test_no_face_is_shown_where_an_absence_decided_in_another_image():
    shown = offering(policy="missing", deciding_media=f"{0:064x}")
    assert len(opened(shown)["creators"]._images) == 1


def test_all_shares_are_rows_and_the_one_that_decided_is_marked():
    found = rows_of(offering(), "shares")
    assert [(row["item"], row["share"], row["decided"]) for row in found] == [
        ("hat", 0.25, None), ("beard", 0, None), ("eyewear", 0.75, "yes"),
    ]  # fmt: skip


def test_images_without_a_face_are_listed_by_file():
    assert rows_of(offering(), "without a face") == [{"creator": "instagram:c0", "image": "/in/0.jpg"}]


def test_nothing_detected_is_a_row_without_product_and_share():
    shown = offering(product=None, label=None, products=(), reason="no items detected", deciding_media=None)
    (row,) = rows_of(shown, "creators")
    assert (row["product_id"], row["share"], row["score"], row["reason"]) == (None, None, None, "no items detected")


@pytest.mark.parametrize(
    ("url", "safe"), [("https://shop.example.org/f", True), ("javascript:alert(1)", False), ("file:///etc", False)]
)
def test_only_plain_web_addresses_of_products_are_links(url, safe):
    cell = opened(offering(product=replace(FRAMES, url=url)))["creators"]["H2"]
    assert (cell.value, bool(cell.hyperlink)) == (url, safe)


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "<b>x</b>", "bell \x07"])
def test_a_title_is_text(title):
    cell = opened(offering(product=replace(FRAMES, title=title)))["creators"]["E2"]
    assert (cell.data_type, cell.hyperlink) == ("s", None)


def test_more_shares_than_a_sheet_takes_go_on_in_another(monkeypatch):
    monkeypatch.setattr(module, "SHEET_ROWS", 2)
    assert opened(offering()).sheetnames == ["creators", "posts", "shares", "shares 2", "without a face"]
    assert [row["item"] for row in rows_of(offering(), "shares 2")] == ["eyewear"]


def test_posts_for_which_an_item_decided_have_their_own_sheet():
    shown = offering()
    first, second = shown.posts
    first = replace(first, recommendation=explained_offer("post-0"))
    second = replace(second, recommendation=explained_offer("post-1", product=None, label=None))
    found = rows_of(replace(shown, posts=(first, second)), "posts")
    assert [(row["subject_id"], row["item"]) for row in found] == [("post-0", "eyewear")]
