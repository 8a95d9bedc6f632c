"""Campaigns made by hand, for tests of what is written from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from postlens.pipelines.campaign import Campaign, CreatorAnswer, Duplicate, OfferPictures, PersonAnswer
from postlens.types import (
    EMOTIONS,
    NICHES,
    Appearance,
    Creator,
    EngagementForecast,
    EngagementSnapshot,
    Faces,
    Failure,
    ItemShare,
    MediaFile,
    NichePrediction,
    PersonPerformance,
    Post,
    PostAnalysis,
    Product,
    RankedProduct,
    ReactionForecast,
    Recommendation,
)

from ..media.samples import encoded, photo

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACE = encoded(photo(112, 112, seed=3), "JPEG")
HAT = Product("hat-1", "Straw hat", ("hat",), url="https://example.org/hat")


def niche(subject_id: str, label: str = "food", **changes: Any) -> NichePrediction:
    """Half sure of one label, the rest shared by the others."""
    probs = {name: 0.5 if name == label else 0.5 / (len(NICHES) - 1) for name in NICHES}
    return NichePrediction(subject_id, label, probs, **changes)


def offer(subject_id: str, product: Product | None = HAT) -> Recommendation:
    return Recommendation(subject_id, product, "hat" if product else None, 0.9, 0.5, {"hat": 0.5}, 2, "m", "2 of 4")


FRAMES = Product(
    "f-1", "Steel frames", ("eyeglasses",), "https://shop.example.org/f", "f.jpg", price=129.0, currency="EUR"
)
MORE_FRAMES = Product("f-2", "Round frames", ("eyewear",))


def share(item: str, n_shown: int, **changes: Any) -> ItemShare:
    """What four images show of an item, best in the second, on its first face."""
    values = {"label": item, "score": 0.9 if n_shown else 0.1, "threshold": 0.4, "media": f"{1:064x}", "face": 0}
    return ItemShare(**{"item": item, "share": n_shown / 4, "n_shown": n_shown, "n_images": 4, **values, **changes})


def explained_offer(subject_id: str, **changes: Any) -> Recommendation:
    """Eyewear in three of four images with a face, two products that fit, and an image without a face."""
    values: dict[str, Any] = {
        "product": FRAMES,
        "label": "eyewear",
        "score": 0.9,
        "share": 0.75,
        "shares": {"hat": 0.25, "beard": 0.0, "eyewear": 0.75},
        "n_images": 4,
        "deciding_media": f"{1:064x}",
        "reason": "eyewear (eyeglasses) in 3 of 4 images with a face (75%), clearest in 1.jpg at 0.90 (threshold 0.40)",
        "attribute": "eyeglasses",
        "threshold": 0.4,
        "items": (share("hat", 1), share("beard", 0), share("eyewear", 3, label="eyeglasses")),
        "products": (RankedProduct(FRAMES, 1, 0.31), RankedProduct(MORE_FRAMES, 2)),
        "n_fitting": 2,
        "without_face": (f"{0:064x}",),
    }
    return Recommendation(subject_id, **{**values, **changes})


def offering(**changes: Any) -> Campaign:
    """One creator with two posts and an explained offer, with pictures; a face is in the second post's image."""
    shown = campaign(1, 2)
    first, second = shown.posts
    face = replace(no_faces(), xyxy_px=np.array([[64, 48, 192, 240]], np.float32))
    second = replace(second, faces=(face,))
    creator = replace(shown.creators[0], recommendation=explained_offer("instagram:c0", **changes))
    pictures = OfferPictures({"f-1": FACE}, {(f"{1:064x}", 0): FACE})
    return replace(shown, posts=(first, second), creators=(creator,), offer_pictures=pictures)


def forecast(post_id: str, **changes: Any) -> EngagementForecast:
    values = {"median": 120.0, "lower": 40.0, "upper": 300.0, "baseline": 110.0, "n_history": 9, "actual": 150.0}
    return EngagementForecast(**{"post_id": post_id, "metric": "likes", "coverage": 0.9, **values, **changes})


def analysis(number: int, creator: Creator, **changes: Any) -> PostAnalysis:
    """A post with one photo and all answers."""
    post_id, sha256 = f"post-{number}", f"{number:064x}"
    values: dict[str, Any] = {
        "post": Post(post_id, creator.creator_id, creator.platform, (sha256,), NOW, f"caption {number}"),
        "creator": creator,
        "media": (MediaFile(sha256, "image", f"/in/{number}.jpg", 640, 480, 1000),),
        "niche": niche(post_id),
        "faces": (Faces.none(),),
        "recommendation": offer(post_id),
        "reaction": ReactionForecast(
            post_id, dict.fromkeys(EMOTIONS, 0.2), ("happy",), ("😀",), ("😢",), "scene", low_confidence=True
        ),
        "forecast": forecast(post_id),
        "appearances": (appearance("person-1", post_id, sha256),),
    }
    return PostAnalysis(**{**values, **changes})


def appearance(person_id: str, post_id: str, sha256: str) -> Appearance:
    return Appearance(person_id, post_id, sha256, f"{sha256}:0", 0.0, 2.0, 0.8)


def person(person_id: str = "person-1", name: str | None = None, **changes: Any) -> PersonAnswer:
    """Someone in two posts."""
    performance = PersonPerformance(person_id, "likes", 2, 100.0, 90.0, (50.0, 150.0), 4.0, "post-0", "post-1", 0.25)
    values: dict[str, Any] = {
        "n_posts": 2,
        "n_videos": 0,
        "screen_time_s": 75.0,
        "appearances": (appearance(person_id, "post-0", f"{0:064x}"),),
        "performance": (performance,),
        "thumbnail": FACE,
    }
    return PersonAnswer(**{"person_id": person_id, "name": name, **values, **changes})


def answer(creator: Creator, posts: tuple[PostAnalysis, ...], **changes: Any) -> CreatorAnswer:
    weights = tuple((post.post.post_id, 1 / len(posts)) for post in posts)
    values: dict[str, Any] = {
        "n_posts": len(posts),
        "n_images": len(posts),
        "n_videos": 0,
        "niche": niche(creator.creator_id, attention=weights, n_posts=len(posts)) if posts else None,
        "recommendation": offer(creator.creator_id) if posts else None,
        "followers": 12_345.0,
        "medians": {"likes": 110.0},
    }
    return CreatorAnswer(creator=creator, **{**values, **changes})


def campaign(n_creators: int = 2, posts_each: int = 2, **changes: Any) -> Campaign:
    """Creators with posts, one person, one copy, one failure."""
    creators = [Creator(f"instagram:c{i}", "instagram", f"c{i}") for i in range(n_creators)]
    posts = [analysis(i * posts_each + j, creator) for i, creator in enumerate(creators) for j in range(posts_each)]
    answers = [
        answer(creator, tuple(post for post in posts if post.post.creator_id == creator.creator_id))
        for creator in creators
    ]
    has_posts = bool(posts)
    values: dict[str, Any] = {
        "creators": tuple(answers),
        "posts": tuple(posts),
        "snapshots": {p.post.post_id: EngagementSnapshot(p.post.post_id, likes=100.0, followers=900.0) for p in posts},
        "locations": {(p.post.post_id, name): f"/in/{int(name, 16)}.jpg" for p in posts for name in p.post.media},
        "people": (person(),) if has_posts else (),
        "duplicates": (Duplicate("post-1", "post-0", "same bytes", 1.0),) if len(posts) > 1 else (),
        "failures": (Failure("/in/broken.jpg", "decode", "DecodeError", "copy it again"),),
        "n_waiting_faces": 3,
        "created_at": NOW,
        "notes": ("figures are invented",),
        "models": {"encoder": "1.0 abc"},
    }
    return Campaign(**{**values, **changes})


def thumbnails(shown: Campaign) -> dict[str, bytes]:
    """A picture for every medium."""
    return {sha256: FACE for post in shown.posts for sha256 in post.post.media}


def no_faces(n: int = 1) -> Faces:
    """Faces without optional columns."""
    zeros = np.zeros(n, np.float32)
    return Faces(
        xyxy_px=np.zeros((n, 4), np.float32),
        score=zeros,
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=zeros,
        frame=np.zeros(n, np.int64),
        pts_s=zeros,
    )
