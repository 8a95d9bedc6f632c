"""Posts and creators of a campaign to the cards that the page shows."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from postlens.pipelines.campaign import Campaign, CreatorAnswer
from postlens.types import EngagementSnapshot, PostAnalysis

POSTS_PER_CREATOR = 12  # shown in full; all of them are in posts.parquet
STRIP_LENGTH = 6  # deciding posts shown for a creator
TINY_PX = 112  # longest side of pictures in tables, twice what they are shown at for dense screens


@dataclass(frozen=True, slots=True)
class PostCard:
    """One post as the page shows it."""

    post: PostAnalysis
    title: str
    image: str | None  # data URI
    is_video: bool
    snapshot: EngagementSnapshot | None
    people: tuple[str, ...]
    duplicate_of: str | None
    caption: str | None


@dataclass(frozen=True, slots=True)
class CreatorCard:
    """One creator as the page shows it."""

    answer: CreatorAnswer
    anchor: str
    strip: tuple[tuple[PostCard, float], ...]  # deciding posts and their weights, heaviest first
    rest: tuple[int, float]  # how many posts are not in the strip, and their weight together
    posts: tuple[PostCard, ...]
    n_hidden: int


def post_cards(campaign: Campaign, names: Mapping[str, str], thumbnails: Mapping[str, bytes]) -> dict[str, PostCard]:
    first = {d.post_id: d.first_post_id for d in campaign.duplicates}
    return {
        post.post.post_id: _post_card(post, campaign, names=names, first=first, thumbnails=thumbnails)
        for post in campaign.posts
    }


def _post_card(
    post: PostAnalysis,
    campaign: Campaign,
    *,
    names: Mapping[str, str],
    first: Mapping[str, str],
    thumbnails: Mapping[str, bytes],
) -> PostCard:
    shown = next((sha256 for sha256 in post.post.media if sha256 in thumbnails), None)
    location = campaign.locations.get((post.post.post_id, post.post.media[0]), "") if post.post.media else ""
    return PostCard(
        post=post,
        title=Path(location).name.encode("utf-8", "replace").decode() or post.post.post_id,
        image=data_uri(thumbnails[shown]) if shown else None,
        is_video=any(media.kind == "video" for media in post.media),
        snapshot=campaign.snapshots.get(post.post.post_id),
        people=tuple(sorted({names[a.person_id] for a in post.appearances if a.person_id in names})),
        duplicate_of=first.get(post.post.post_id),
        caption=post.post.caption,
    )


def creator_cards(campaign: Campaign, cards: Mapping[str, PostCard]) -> list[CreatorCard]:
    by_creator: dict[str, list[PostCard]] = defaultdict(list)
    for card in cards.values():
        by_creator[card.post.post.creator_id].append(card)
    return [
        _creator_card(answer, number, cards, by_creator[answer.creator.creator_id])
        for number, answer in enumerate(campaign.creators, start=1)
    ]


def _creator_card(
    answer: CreatorAnswer, number: int, cards: Mapping[str, PostCard], own: list[PostCard]
) -> CreatorCard:
    attention = answer.niche.attention if answer.niche else ()
    strip = tuple((cards[post_id], weight) for post_id, weight in attention[:STRIP_LENGTH] if post_id in cards)
    newest = sorted(own, key=lambda card: newest_first(card.post))
    return CreatorCard(
        answer=answer,
        anchor=f"creator-{number}",
        strip=strip,
        rest=(len(attention) - len(strip), max(0.0, sum(w for _, w in attention) - sum(w for _, w in strip))),
        posts=tuple(newest[:POSTS_PER_CREATOR]),
        n_hidden=max(0, len(newest) - POSTS_PER_CREATOR),
    )


def newest_first(post: PostAnalysis) -> tuple[float, str]:
    """Sort key: the latest published first, posts without a time last, then by id."""
    at = post.post.published_at
    return -at.timestamp() if at else 0.0, post.post.post_id


def newest_by_creator(posts: Sequence[PostAnalysis]) -> dict[str, list[PostAnalysis]]:
    found: dict[str, list[PostAnalysis]] = defaultdict(list)
    for post in sorted(posts, key=newest_first):
        found[post.post.creator_id].append(post)
    return found


def data_uri(jpeg: bytes) -> str:
    """A JPEG as a source of an img element."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def small_uri(jpeg: bytes, *, side_px: int = TINY_PX) -> str:
    """`data_uri` of the picture with its longest side at most `side_px`, so that a page of many stays openable."""
    from PIL import Image as PillowImage

    buffer = io.BytesIO()
    with PillowImage.open(io.BytesIO(jpeg)) as image:
        image.thumbnail((side_px, side_px))
        image.convert("RGB").save(buffer, "JPEG", quality=80)
    return data_uri(buffer.getvalue())
