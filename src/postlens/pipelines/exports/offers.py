"""A campaign to the subjects of its offers: creators first, then posts, each with where its images were read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from postlens.media.probe import display_name
from postlens.pipelines.campaign import Campaign
from postlens.pipelines.facts import places_by_content
from postlens.types import ItemShare, Recommendation


@dataclass(frozen=True, slots=True)
class Offer:
    """What to show for a creator or a post."""

    kind: Literal["creator", "post"]
    creator_id: str
    choice: Recommendation
    places: Mapping[str, str]  # sha256 to the path or address where the file was read

    def place(self, sha256: str | None) -> str | None:
        """Where an image of the subject was read, as text that can be shown."""
        return None if sha256 is None else display_name(self.places.get(sha256, sha256))

    @property
    def files(self) -> str:
        """Names of the subject's files, in their order."""
        return "; ".join(PurePath(str(self.place(sha256))).name for sha256 in self.places)

    def is_chosen(self, item: ItemShare) -> bool:
        """Whether the item is the one that decided."""
        return item.item == self.choice.label

    @property
    def alternatives(self) -> tuple[str, ...]:
        """product_ids that fit too, in order, without the one to show."""
        return tuple(ranked.product.product_id for ranked in self.choice.products if ranked.rank > 1)


def offers(campaign: Campaign) -> Iterator[Offer]:
    """Each creator and post for which products were asked."""
    by_creator: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    by_post: dict[str, dict[str, str]] = {}
    for post in campaign.posts:
        post_id = post.post.post_id
        found = {name: campaign.locations.get((post_id, name), name) for name in post.post.media}
        by_post[post_id] = found
        by_creator[post.post.creator_id] |= {(post_id, name): place for name, place in found.items()}
    for answer in campaign.creators:
        creator_id = answer.creator.creator_id
        if answer.recommendation is not None:
            yield Offer("creator", creator_id, answer.recommendation, places_by_content(by_creator[creator_id]))
    for post in campaign.posts:
        if post.recommendation is not None:
            yield Offer("post", post.post.creator_id, post.recommendation, by_post[post.post.post_id])
