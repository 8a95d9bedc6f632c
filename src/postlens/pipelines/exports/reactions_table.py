"""Reactions to Parquet: a row for each post whose emotions could be read, with every probability and threshold."""

from __future__ import annotations

from typing import Any

from postlens.media.probe import display_name
from postlens.pipelines.campaign import Campaign
from postlens.types import EMOTIONS, PostAnalysis, ReactionForecast

REACTIONS_PARQUET = "reactions.parquet"
REACTION_SCHEMA = {
    "post_id": "str",
    "creator_id": "str",
    "media": "list",
    "emotions": "list",  # at or above their thresholds, most probable first
    "low_confidence": "bool",  # nothing reached its threshold: the most probable emotion stands in
    "reader": "str",  # what was read: scene, faces, scene+faces, model
    "decided_by": "str",  # which of them names the first emotion
    "n_faces": "i64",
    "valence": "f64",
    "arousal": "f64",
    **{f"prob_{name}": "f64" for name in EMOTIONS},
    **{f"threshold_{name}": "f64" for name in EMOTIONS},
    "allowed": "list",
    "blocked": "list",
}


def reaction_rows(campaign: Campaign) -> list[dict[str, Any]]:
    """Rows with the columns of REACTION_SCHEMA; what is not known is absent."""
    return [_row(post, post.reaction, campaign) for post in campaign.posts if post.reaction is not None]


def _row(post: PostAnalysis, reaction: ReactionForecast, campaign: Campaign) -> dict[str, Any]:
    same = ("low_confidence", "reader", "decided_by", "n_faces", "valence", "arousal")
    places = [campaign.locations.get((post.post.post_id, name), name) for name in post.post.media]
    return {
        "post_id": post.post.post_id,
        "creator_id": post.post.creator_id,
        "media": [display_name(place) for place in places],
        "emotions": list(reaction.emotions),
        **{name: getattr(reaction, name) for name in same},
        **{f"prob_{name}": prob for name, prob in reaction.probs.items()},
        **{f"threshold_{name}": limit for name, limit in reaction.thresholds.items()},
        "allowed": list(reaction.allowed),
        "blocked": list(reaction.blocked),
    }
