"""Offers on the page: product, proof, shares, alternatives, images without a face."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from postlens.pipelines.campaign import OfferPictures
from postlens.pipelines.report import OFFERS_SHOWN, render, shown_media
from postlens.pipelines.report.products import SHARES_SHOWN, offer_cards, price
from postlens.types import Product, RankedProduct

from ..campaigns import FRAMES, answer, campaign, offering, share, thumbnails
from ..pages import Page


def section(shown) -> str:
    html = render(shown, thumbnails=thumbnails(shown))
    return html[html.index('<section id="products">') :].split("</section>")[0]


def text(shown) -> str:
    return " ".join(Page(section(shown)).text.split())


def test_an_offer_is_shown_with_price_address_and_reason():
    told = text(offering())
    for fact in ("@c0", "Steel frames", "129.00 EUR", "f-1", "shop.example.org", "3 of 4 images with a face (75%)"):
        assert fact in told, fact


def test_all_shares_are_shown_and_the_item_that_decided_first():
    told = text(offering())
    told = told[told.index("best image") :]
    assert told.index("eyewear decided") < told.index("hat") < told.index("beard")
    assert re.findall(r"(\d+) of 4", told) == ["3", "1", "0"]
    assert "0.90, threshold 0.40" in told


def test_bars_are_as_long_as_shares():
    bars = re.findall(r'<span style="left:0;width:([\d.]+)%">', section(offering()))
    assert [float(bar) for bar in bars] == [75, 25]


def test_the_deciding_image_has_the_face_in_a_box_and_beside_it():
    (card,) = offer_cards(offering(), thumbnails(offering()))
    assert card.deciding is not None
    assert (card.deciding.title, card.deciding.box) == ("1.jpg", (10.0, 10.0, 20.0, 40.0))
    assert card.head is not None
    assert "left:10.0%;top:10.0%;width:20.0%;height:40.0%" in section(offering())


def test_copies_have_one_name_for_a_creator_whatever_others_call_them():
    shown = offering()
    post = shown.posts[1]
    sha256 = post.media[0].sha256
    copy = replace(post, post=replace(post.post, post_id="copy"))
    other = replace(post, post=replace(post.post, post_id="other", creator_id="instagram:zz"))
    names = {post.post.post_id: "/in/b-1.jpg", "copy": "/in/a_copy 1.jpg", "other": "/0.jpg"}
    places = {(post_id, sha256): place for post_id, place in names.items()}
    for posts in ((other, post, copy), (copy, post, other)):
        (card,) = offer_cards(replace(shown, posts=(shown.posts[0], *posts), locations=places), {})
        assert card.deciding is not None
        assert (card.deciding.title, card.deciding.parts) == ("a_copy 1.jpg", ["a_", "copy ", "1.jpg"])


def test_a_box_of_a_face_stays_within_its_image():
    shown = offering()
    first, second = shown.posts
    wide = replace(second.faces[0], xyxy_px=second.faces[0].xyxy_px + 600)
    (card,) = offer_cards(replace(shown, posts=(first, replace(second, faces=(wide,)))), {})
    assert card.deciding is not None and card.deciding.box is not None
    left, top, width, height = card.deciding.box
    assert left + width <= 100 and top + height <= 100


def test_where_an_absence_decided_no_face_is_marked():
    (card,) = offer_cards(offering(policy="missing", deciding_media=f"{0:064x}"), {})
    assert card.deciding is not None
    assert (card.deciding.title, card.deciding.box, card.head) == ("0.jpg", None, None)


def test_a_video_has_no_box_since_its_picture_may_be_of_another_frame():
    shown = offering()
    first, second = shown.posts
    video = replace(second, media=(replace(second.media[0], kind="video"),))
    (card,) = offer_cards(replace(shown, posts=(first, video)), {})
    assert card.deciding is not None
    assert (card.deciding.box, card.deciding.is_video) == (None, True)


def test_alternatives_and_images_without_a_face_are_listed():
    told = text(offering())
    assert "Also fitting: Round frames." in told
    assert "1 image without a face that could be read" in told
    assert "0.jpg" in told[told.index("without a face") :]


def test_many_alternatives_are_counted():
    many = tuple(RankedProduct(Product(f"p{n}", f"P{n}", ("hat",)), n) for n in range(1, 10))
    assert "P6 and 33 more of the catalog" in text(offering(products=many, n_fitting=39))


def test_items_beyond_those_shown_are_counted_and_the_one_that_decided_is_among_them():
    items = (*(share(f"thing-{n}", 4) for n in range(SHARES_SHOWN)), share("eyewear", 3))
    told = text(offering(items=items))
    assert "eyewear decided" in told
    assert "1 more item is in products.xlsx." in told


def test_items_that_could_be_read_nowhere_come_last():
    nowhere = share("hat", 0, n_images=0, label=None, media=None, face=None)
    (card,) = offer_cards(offering(items=(nowhere, share("beard", 0), share("eyewear", 3))), {})
    assert [row.share.item for row in card.rows] == ["eyewear", "beard", "hat"]


def test_nothing_detected_says_so_and_keeps_the_shares():
    shown = offering(product=None, label=None, products=(), deciding_media=None, reason="no items detected")
    told = text(shown)
    assert "offer none no items detected" in told
    assert "beard" in told


def test_a_creator_without_any_face_is_a_line():
    reason = "no items detected: no face that can be read in 2 images"
    items = tuple(share(item, 0, n_images=0, label=None, media=None, face=None) for item in ("hat", "beard"))
    told = text(offering(product=None, label=None, items=items, n_images=0, deciding_media=None, reason=reason))
    assert f"No offer @c0 {reason}" in told


def test_an_item_that_could_be_read_nowhere_has_dashes():
    items = (share("eyewear", 3), share("watch", 0, n_images=0, label=None, score=0.0, media=None, face=None))
    assert "watch – 0 of 0 – – –" in text(offering(items=items))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": "matching"}, "the largest share of the images shows (policy: matching)"),
        ({"policy": "missing"}, "the images show least, in less than half of them (policy: missing)"),
        ({"audience": ("men", "kids")}, "Only products for men, kids or for everybody."),
        ({"product_order": "rotate"}, "creators are given different ones"),
        ({"product_order": "similar"}, "whose picture is nearest"),
        ({"product_order": "listed"}, "the first of the catalog"),
    ],
)
def test_the_rules_are_told(changes, words):
    assert words in text(replace(offering(), **changes))


@pytest.mark.parametrize(("url", "linked"), [("https://a.example/x", True), ("javascript:alert(1)", False)])
def test_only_plain_web_addresses_are_links(url, linked):
    assert (f'href="{url}"' in section(offering(product=replace(FRAMES, url=url)))) is linked


def test_what_a_catalog_says_is_text():
    evil = "<script>alert(1)</script>"
    shown = offering(product=replace(FRAMES, title=evil, product_id=evil, currency=evil), reason=evil)
    assert evil not in section(shown)
    assert evil in text(shown)


def test_pictures_of_offers_are_asked_for_once_and_only_of_media_of_the_campaign():
    shown = offering(without_face=(f"{0:064x}", "gone"), deciding_media="gone too")
    assert sorted(shown_media(shown)) == [f"{0:064x}", f"{1:064x}"]


def test_creators_beyond_the_cards_are_rows_of_a_table():
    shown = campaign(OFFERS_SHOWN + 3, 1)
    told = section(shown)
    assert told.count('class="offercard"') == OFFERS_SHOWN
    assert all(f"@c{number}" in told for number in range(OFFERS_SHOWN + 3))


def test_offers_without_pictures_or_shares_are_shown():
    shown = replace(offering(items=(), without_face=()), offer_pictures=OfferPictures())
    found = Page(render(shown, thumbnails={}))
    assert (found.open, found.wrong) == ([], [])
    assert "Steel frames" in found.text


def test_nobody_asked_for_products_is_said():
    shown = campaign(1, 1)
    bare = answer(shown.creators[0].creator, shown.posts, recommendation=None)
    assert "No image was looked at" in text(replace(shown, creators=(bare,)))


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [(None, "EUR", None), (12.9, "EUR", "12.90 EUR"), (1234.5, None, "1,234.50"), (0.0, "USD", "0.00 USD")],
)
def test_prices(amount, currency, told):
    assert price(Product("p", "P", ("hat",), price=amount, currency=currency)) == told
