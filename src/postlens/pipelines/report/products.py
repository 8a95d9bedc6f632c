"""Offers of a campaign to the cards that the page shows: a product, why, and how much of each item was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from postlens.pipelines.campaign import Campaign, CreatorAnswer
from postlens.pipelines.exports.sheets import is_safe_link
from postlens.pipelines.report.album import Album, Seen
from postlens.pipelines.report.cards import data_uri, small_uri
from postlens.types import ItemShare, Product, RankedProduct, Recommendation

OFFERS_SHOWN = 60  # creators with a card; a card is about 30 kB, and all of them are in products.xlsx
SHARES_SHOWN = 8  # items of a card; labels of own models may be many
ALTERNATIVES_SHOWN = 5
FACELESS_SHOWN = 12  # images without a face, with a picture each
PICTURE_PX = 240  # longest side of the large pictures, twice what they are shown at for dense screens


@dataclass(frozen=True, slots=True)
class Ware:
    """A product as the page shows it."""

    product: Product
    picture: str | None  # data URI
    link: str | None  # its address, where a click may open it
    host: str | None
    price: str | None


@dataclass(frozen=True, slots=True)
class ShareRow:
    """How much of one item the images show."""

    share: ItemShare
    chosen: bool
    best: Seen | None


@dataclass(frozen=True, slots=True)
class OfferCard:
    """One creator's offer as the page shows it."""

    answer: CreatorAnswer
    choice: Recommendation
    anchor: str
    ware: Ware | None
    deciding: Seen | None
    head: str | None  # the face that decided, data URI
    rows: tuple[ShareRow, ...]
    alternatives: tuple[RankedProduct, ...]
    faceless: tuple[Seen, ...]

    @property
    def n_more_items(self) -> int:
        """Items without a row."""
        return len(self.choice.items) - len(self.rows)

    @property
    def n_more_alternatives(self) -> int:
        """Products that fit too and are not listed."""
        return max(0, self.choice.n_fitting - 1 - len(self.alternatives))

    @property
    def n_more_faceless(self) -> int:
        """Images without a face that are not listed."""
        return len(self.choice.without_face) - len(self.faceless)


def offer_cards(campaign: Campaign, thumbnails: Mapping[str, bytes]) -> list[OfferCard]:
    """A card for each of the first OFFERS_SHOWN creators in whose images an item could be read."""
    albums = Album.by_creator(campaign, thumbnails)
    shown = _answered(campaign)[:OFFERS_SHOWN]
    anchors = [f"offer-{number}" for number in range(1, len(shown) + 1)]
    return [
        _card(
            answer,
            choice,
            anchor=anchor,
            campaign=campaign,
            album=albums.get(answer.creator.creator_id) or Album({}, thumbnails),
        )
        for anchor, (answer, choice) in zip(anchors, shown, strict=True)
    ]


def tabled_offers(campaign: Campaign) -> list[tuple[CreatorAnswer, Recommendation]]:
    """Creators beyond those with a card."""
    return _answered(campaign)[OFFERS_SHOWN:]


def unread_creators(campaign: Campaign) -> list[tuple[CreatorAnswer, Recommendation]]:
    """Creators in whose images nothing could be read."""
    return [(one, one.recommendation) for one in campaign.creators if one.recommendation and not _read(one)]


def offered_media(campaign: Campaign) -> list[str]:
    """sha256 of the images whose pictures stand in cards."""
    known = {media.sha256 for post in campaign.posts for media in post.media}
    found: list[str | None] = []
    for _, choice in _answered(campaign)[:OFFERS_SHOWN]:
        found += [choice.deciding_media, *(item.media for item in _listed(choice))]
        found += choice.without_face[:FACELESS_SHOWN]
    return list(dict.fromkeys(sha256 for sha256 in found if sha256 is not None and sha256 in known))


def price(product: Product) -> str | None:
    """12.9 EUR -> "12.90 EUR"; None where the catalog has no price."""
    return None if product.price is None else f"{product.price:,.2f} {product.currency or ''}".strip()


def _read(answer: CreatorAnswer) -> bool:
    """Whether an item could be read in any image."""
    choice = answer.recommendation
    return choice is not None and max([choice.n_images, *(item.n_images for item in choice.items)]) > 0


def _answered(campaign: Campaign) -> list[tuple[CreatorAnswer, Recommendation]]:
    return [(one, one.recommendation) for one in campaign.creators if one.recommendation and _read(one)]


def _card(answer: CreatorAnswer, choice: Recommendation, *, anchor: str, campaign: Campaign, album: Album) -> OfferCard:
    decided = choice.decided
    if decided is not None and decided.media != choice.deciding_media:
        decided = None  # an absence decided, in another image than the one that shows the item best
    head = campaign.offer_pictures.head(decided) if decided else None
    faceless = [album.seen(sha256) for sha256 in choice.without_face[:FACELESS_SHOWN]]
    return OfferCard(
        answer=answer,
        choice=choice,
        anchor=anchor,
        ware=_ware(choice.product, campaign) if choice.product else None,
        deciding=album.seen(choice.deciding_media, face=decided.face if decided else None, side_px=PICTURE_PX),
        head=data_uri(head) if head else None,  # as it is stored, so that a search for it finds it
        rows=tuple(ShareRow(item, item.item == choice.label, album.seen(item.media)) for item in _listed(choice)),
        alternatives=tuple(one for one in choice.products if one.rank > 1)[:ALTERNATIVES_SHOWN],
        faceless=tuple(sorted((seen for seen in faceless if seen is not None), key=lambda seen: seen.title)),
    )


def _ware(product: Product, campaign: Campaign) -> Ware:
    picture = campaign.offer_pictures.products.get(product.product_id)
    link = product.url if product.url and is_safe_link(product.url) else None
    return Ware(
        product=product,
        picture=small_uri(picture, side_px=PICTURE_PX) if picture else None,
        link=link,
        host=urlsplit(link).hostname if link else None,
        price=price(product),
    )


def _listed(choice: Recommendation) -> Sequence[ItemShare]:
    """The item that decided, then those with the largest shares, at the end those that could be read nowhere."""
    order = sorted(choice.items, key=lambda item: (item.item != choice.label, not item.n_images, -item.share))
    return order[:SHARES_SHOWN]
