"""Offers to a workbook: what to show and why, for creators and for posts, all shares, and images without a face.

Of posts only those are listed for which an item decided: most show nothing, and all are in products.parquet. Texts stay
texts (no formulas), a cell is a link only where `is_safe_link` says so.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.exports.offers import Offer, offers
from postlens.pipelines.exports.sheets import (
    MAX_LINKS,
    PICTURE_PX,
    SHEET_ROWS,
    Cell,
    Column,
    Formats,
    book_formats,
    open_book,
    put_picture,
    write_header,
    write_link,
    write_row,
)

PRODUCTS_BOOK = "products.xlsx"
CHOICE_COLUMNS = (
    Column("product_id", "text", 18),
    Column("title", "text", 32),
    Column("price", "small", 9),
    Column("currency", "text", 9),
    Column("url", "text", 24),
    Column("item", "text", 12),
    Column("label", "text", 12),
    Column("share", "share", 8),
    Column("images_shown", "whole", 9),
    Column("images", "whole", 8),
    Column("deciding_image", "text", 32),
    Column("score", "small", 8),
    Column("threshold", "small", 10),
    Column("reason", "text", 60),
    Column("alternatives", "text", 30),
    Column("without_face", "whole", 9),
    Column("policy", "text", 10),
)
# Of creators the pictures come first, of posts whose they are.
CREATOR_COLUMNS = (
    Column("product", "text", 11),
    Column("best_face", "text", 11),
    Column("subject_id", "text", 26),
    *CHOICE_COLUMNS,
)
POST_COLUMNS = (
    Column("creator", "text", 26),
    Column("file", "text", 32),
    Column("subject_id", "text", 26),
    *CHOICE_COLUMNS,
)
N_FIXED = 3  # columns that stay where they are when the sheet is scrolled, before those of the choice
SHARE_COLUMNS = (
    Column("creator", "text", 26),
    Column("item", "text", 14),
    Column("share", "share", 8),
    Column("images_shown", "whole", 9),
    Column("images", "whole", 8),
    Column("label", "text", 14),
    Column("score", "small", 8),
    Column("threshold", "small", 10),
    Column("best_image", "text", 40),
    Column("decided", "text", 9),
)
FACELESS_COLUMNS = (Column("creator", "text", 26), Column("image", "text", 60))


def products_xlsx(campaign: Campaign) -> bytes:
    """The workbook as bytes."""
    buffer = io.BytesIO()
    book = open_book(buffer)
    formats = book_formats(book)
    found = list(offers(campaign))
    creators = [offer for offer in found if offer.kind == "creator"]
    posts = [offer for offer in found if offer.kind == "post" and offer.choice.label]
    _write_creators(book.add_worksheet("creators"), creators[:SHEET_ROWS], campaign, formats)
    _write_offers(book.add_worksheet("posts"), posts[:SHEET_ROWS], POST_COLUMNS, formats)
    _write_rows(book, "shares", SHARE_COLUMNS, _share_rows(creators), formats)
    _write_rows(book, "without a face", FACELESS_COLUMNS, _faceless_rows(creators), formats)
    book.close()
    return buffer.getvalue()


def _write_creators(sheet: Any, found: Sequence[Offer], campaign: Campaign, formats: Formats) -> None:
    _write_offers(sheet, found, CREATOR_COLUMNS, formats)
    for row, offer in enumerate(found, start=1):
        _put_pictures(sheet, row, offer, campaign)


def _write_offers(sheet: Any, found: Sequence[Offer], columns: Sequence[Column], formats: Formats) -> None:
    """One row an offer."""
    write_header(sheet, columns, formats, n_rows=len(found), n_fixed=N_FIXED)
    at = [column.title for column in columns].index("url")
    links = iter(range(MAX_LINKS))
    for row, offer in enumerate(found, start=1):
        write_row(sheet, row, columns, _offer_cells(offer), formats)
        if offer.choice.product and offer.choice.product.url:
            write_link(sheet, (row, at), offer.choice.product.url, formats=formats, links=links)


def _put_pictures(sheet: Any, row: int, offer: Offer, campaign: Campaign) -> None:
    product, item = offer.choice.product, offer.choice.decided
    picture = campaign.offer_pictures.products.get(product.product_id) if product else None
    head = campaign.offer_pictures.head(item) if item and item.media == offer.choice.deciding_media else None
    if picture is not None or head is not None:
        sheet.set_row_pixels(row, PICTURE_PX)
    if product and picture is not None:
        put_picture(sheet, (row, 0), picture, name="product.jpg", about=product.title)
    if head is not None:
        put_picture(sheet, (row, 1), head, name="face.jpg", about="face that decided")


def _offer_cells(offer: Offer) -> tuple[Cell, ...]:
    choice, product, item = offer.choice, offer.choice.product, offer.choice.decided
    return (
        *((None, None) if offer.kind == "creator" else (offer.creator_id, offer.files)),
        choice.subject_id,
        *(getattr(product, name, None) for name in ("product_id", "title", "price", "currency", "url")),
        choice.label,
        choice.attribute,
        choice.share if choice.label else None,
        item.n_shown if item else None,
        choice.n_images,
        offer.place(choice.deciding_media),
        choice.score if choice.label else None,
        choice.threshold,
        choice.reason,
        ", ".join(offer.alternatives) or None,
        len(choice.without_face),
        choice.policy,
    )


def _share_rows(found: Sequence[Offer]) -> Iterator[tuple[Cell, ...]]:
    for offer in found:
        for item in offer.choice.items:
            figures = (item.share, item.n_shown, item.n_images, item.label, item.score, item.threshold)
            decided = "yes" if offer.is_chosen(item) else None
            yield (offer.creator_id, item.item, *figures, offer.place(item.media), decided)


def _faceless_rows(found: Sequence[Offer]) -> Iterator[tuple[Cell, ...]]:
    for offer in found:
        yield from ((offer.creator_id, offer.place(sha256)) for sha256 in offer.choice.without_face)


def _write_rows(
    book: Any, title: str, columns: Sequence[Column], rows: Iterator[tuple[Cell, ...]], formats: Formats
) -> None:
    """A sheet of these rows, and further ones where they are more than a sheet takes."""
    number = 1
    while True:
        part = list(islice(rows, SHEET_ROWS))
        if not part and number > 1:
            return
        sheet = book.add_worksheet(title if number == 1 else f"{title} {number}")
        write_header(sheet, columns, formats, n_rows=len(part), n_fixed=2)
        for row, cells in enumerate(part, start=1):
            write_row(sheet, row, columns, cells, formats)
        number += 1
