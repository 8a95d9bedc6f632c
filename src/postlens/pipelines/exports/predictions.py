"""All answers to one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from postlens.pipelines.campaign import Campaign, CreatorAnswer, PersonAnswer
from postlens.pipelines.exports.forecast_values import forecast_dict
from postlens.tasks.niche.influencer import as_category
from postlens.types import PersonPerformance, PostAnalysis, Recommendation

PREDICTIONS = "predictions.json"


def prediction_lines(campaign: Campaign) -> Iterator[bytes]:
    """One JSON object, an answer a line and never all in memory at once."""
    head = {"created_at": campaign.created_at.isoformat(), "models": dict(campaign.models)}
    yield json.dumps(head)[:-1].encode()
    yield from _part("creators", ((a.creator.creator_id, _creator_prediction(a)) for a in campaign.creators))
    yield from _part("posts", ((post.post.post_id, _post_prediction(post, campaign)) for post in campaign.posts))
    yield from _part("forecasts", ((post_id, forecast_dict(one)) for post_id, one in campaign.forecasts.items()))
    yield from _part("people", ((person.person_id, _person_prediction(person)) for person in campaign.people))
    yield b"}\n"


def _part(name: str, items: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """`, "name": {...}` with an item a line."""
    yield f",\n{json.dumps(name)}: {{".encode()
    for number, (key, value) in enumerate(items):
        yield f"{',' if number else ''}\n {json.dumps(key)}: {json.dumps(value)}".encode()
    yield b"}"


def _creator_prediction(answer: CreatorAnswer) -> dict[str, Any]:
    choice = answer.recommendation
    found = as_category(answer.niche) if answer.niche else {"predicted_category": None}
    return {
        **found,
        "n_posts": answer.n_posts,
        "deciding_posts": [list(pair) for pair in answer.niche.attention[:5]] if answer.niche else [],
        "product": _product(choice) if choice else None,
    }


def _product(choice: Recommendation) -> dict[str, Any]:
    """The one product to show, why, and all that may change it."""
    shares = [{f.name: getattr(item, f.name) for f in fields(item)} for item in choice.items]
    return {
        "product_id": choice.product.product_id if choice.product else None,
        "label": choice.label,
        "attribute": choice.attribute,
        "share": choice.share,
        "n_images": choice.n_images,
        "score": choice.score,
        "threshold": choice.threshold,
        "deciding_media": choice.deciding_media,
        "reason": choice.reason,
        "policy": choice.policy,
        "n_fitting": choice.n_fitting,
        "products": [
            {"product_id": one.product.product_id, "rank": one.rank, "similarity": one.similarity}
            for one in choice.products
        ],
        "shares": shares,
        "without_face": list(choice.without_face),
    }


def _post_prediction(post: PostAnalysis, campaign: Campaign) -> dict[str, Any]:
    snapshot = campaign.snapshots.get(post.post.post_id)
    return post.to_dict() | {"figures": snapshot.values if snapshot else {}}


def _person_prediction(person: PersonAnswer) -> dict[str, Any]:
    return {
        "name": person.name,
        "n_posts": person.n_posts,
        "n_videos": person.n_videos,
        "screen_time_s": round(person.screen_time_s, 2),
        "screen_share": None if person.screen_share is None else round(person.screen_share, 4),
        "performance": {p.metric: _performance(p) for p in person.performance},
    }


def _performance(p: PersonPerformance) -> dict[str, Any]:
    trend = p.trend
    return {
        "n_posts": p.n_posts,
        "n_effective": round(p.n_effective, 2),
        "weighting": p.weighting,
        "mean": p.mean,
        "median": p.median,
        "interval": p.interval,
        "lift": p.lift,
        "trend": {"slope": trend.slope, "interval": (trend.low, trend.high), "n_posts": trend.n_posts}
        if trend
        else None,
        "best": {"post_id": p.best_post_id, "figure": p.best},
        "worst": {"post_id": p.worst_post_id, "figure": p.worst},
    }
