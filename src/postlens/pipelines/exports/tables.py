"""Posts and creators to Parquet, with a column for every figure that any post has."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postlens.media.probe import display_name
from postlens.pipelines.campaign import Campaign, CreatorAnswer
from postlens.pipelines.exports.files import replace_bytes
from postlens.tasks.reactions.summary import ReactionSummary, summarise
from postlens.types import METRICS, PostAnalysis, ReactionForecast

POSTS = "posts.parquet"
CREATORS = "creators.parquet"
POST_SCHEMA = {
    "post_id": "str",
    "creator_id": "str",
    "platform": "str",
    "published_at": "utc",
    "media": "list",
    "niche": "str",
    "niche_prob": "f64",
    "n_faces": "i64",
    "people": "list",
    "product_id": "str",
    "product_label": "str",
    "emotions": "list",
    "allowed_emoji": "list",
    "blocked_emoji": "list",
    "forecast_metric": "str",
    "forecast_median": "f64",
    "forecast_lower": "f64",
    "forecast_upper": "f64",
    "forecast_baseline": "f64",
    "forecast_percentile": "f64",  # of the median among the account's earlier counts, 0..100
    "forecast_method": "str",  # what answered: accounts, account, median, early, none
    "forecast_note": "str",
    "duplicate_of": "str",
    **dict.fromkeys(METRICS, "f64"),
    "followers": "f64",
}
CREATOR_SCHEMA = {
    "creator_id": "str",
    "platform": "str",
    "handle": "str",
    "n_posts": "i64",
    "n_images": "i64",
    "n_videos": "i64",
    "followers": "f64",
    "niche": "str",
    "niche_prob": "f64",
    "deciding_posts": "list",
    "product_id": "str",
    "product_label": "str",
    "product_share": "f64",
    "product_reason": "str",
    "emotion": "str",  # the first emotion of most posts
    "emotion_share": "f64",  # of the posts whose emotions could be read
    "n_low_confidence": "i64",  # of these
    "always_allowed_emoji": "list",  # fit each of them
    **{f"median_{name}": "f64" for name in METRICS},
}


def post_schema(metrics: Sequence[str]) -> dict[str, str]:
    """POST_SCHEMA with a column for each figure that is none of METRICS."""
    return POST_SCHEMA | {_column(name): "f64" for name in metrics if name not in METRICS}


def _column(metric: str) -> str:
    """Of the table of posts; a figure of another name than METRICS must not replace another column."""
    return f"figure_{metric}" if metric in POST_SCHEMA and metric not in METRICS else metric


def creator_schema(metrics: Sequence[str]) -> dict[str, str]:
    """CREATOR_SCHEMA with a median for each figure that is none of METRICS."""
    return CREATOR_SCHEMA | {f"median_{name}": "f64" for name in metrics if name not in METRICS}


def post_rows(campaign: Campaign) -> list[dict[str, Any]]:
    """Rows with the columns of `post_schema`; a figure that a post has not is absent."""
    first = {d.post_id: d.first_post_id for d in campaign.duplicates}
    return [_post_row(post, campaign) | {"duplicate_of": first.get(post.post.post_id)} for post in campaign.posts]


def _post_row(post: PostAnalysis, campaign: Campaign) -> dict[str, Any]:
    snapshot = campaign.snapshots.get(post.post.post_id)
    return {
        "post_id": post.post.post_id,
        "creator_id": post.post.creator_id,
        "platform": post.post.platform,
        "published_at": post.post.published_at,
        "media": [display_name(campaign.locations.get((post.post.post_id, name), name)) for name in post.post.media],
        "niche": post.niche.label if post.niche else None,
        "niche_prob": post.niche.confidence if post.niche else None,
        "n_faces": sum(len(faces) for faces in post.faces),
        "people": sorted({a.person_id for a in post.appearances}),
        **_product_columns(post),
        **_reaction_columns(post),
        **_forecast_columns(post),
        **({_column(name): value for name, value in snapshot.values.items()} if snapshot else {}),
        "followers": snapshot.followers if snapshot else None,
    }


def _product_columns(post: PostAnalysis) -> dict[str, Any]:
    choice = post.recommendation
    product = choice.product if choice else None
    return {"product_id": product.product_id if product else None, "product_label": choice.label if choice else None}


def _reaction_columns(post: PostAnalysis) -> dict[str, Any]:
    reaction = post.reaction
    return {
        "emotions": list(reaction.emotions) if reaction else None,
        "allowed_emoji": list(reaction.allowed) if reaction else None,
        "blocked_emoji": list(reaction.blocked) if reaction else None,
    }


def _forecast_columns(post: PostAnalysis) -> dict[str, Any]:
    forecast = post.forecast
    names = ("metric", "median", "lower", "upper", "baseline", "percentile", "method", "note")
    return {f"forecast_{name}": getattr(forecast, name, None) for name in names}


def creator_rows(campaign: Campaign) -> list[dict[str, Any]]:
    """Rows with the columns of `creator_schema`; a median that a creator has not is absent."""
    by_creator: dict[str, list[ReactionForecast]] = defaultdict(list)
    for post in campaign.posts:
        if post.reaction is not None:
            by_creator[post.post.creator_id].append(post.reaction)
    return [_creator_row(answer, by_creator[answer.creator.creator_id]) for answer in campaign.creators]


def _creator_row(answer: CreatorAnswer, reactions: Sequence[ReactionForecast]) -> dict[str, Any]:
    choice = answer.recommendation
    return {
        "creator_id": answer.creator.creator_id,
        "platform": answer.creator.platform,
        "handle": answer.creator.handle,
        "n_posts": answer.n_posts,
        "n_images": answer.n_images,
        "n_videos": answer.n_videos,
        "followers": answer.followers,
        "niche": answer.niche.label if answer.niche else None,
        "niche_prob": answer.niche.confidence if answer.niche else None,
        "deciding_posts": [post_id for post_id, _ in answer.niche.attention[:5]] if answer.niche else [],
        "product_id": choice.product.product_id if choice and choice.product else None,
        "product_label": choice.label if choice else None,
        "product_share": choice.share if choice else None,
        "product_reason": choice.reason if choice else None,
        **(_emotion_columns(summarise(reactions)) if reactions else {}),
        **{f"median_{name}": value for name, value in answer.medians.items()},
    }


def _emotion_columns(summary: ReactionSummary) -> dict[str, Any]:
    return {
        "emotion": summary.emotion,
        "emotion_share": summary.emotions[0][1] / summary.n_posts,
        "n_low_confidence": summary.n_low_confidence,
        "always_allowed_emoji": list(summary.always_allowed),
    }


def write_parquet(path: Path, rows: list[dict[str, Any]], schema: Mapping[str, str]) -> None:
    """Rows as a Parquet file with exactly these columns, null where a row lacks one.

    Raises:
        OSError: the file cannot be written.
    """
    import polars as pl

    kinds = {
        "str": pl.String(),
        "f64": pl.Float64(),
        "i64": pl.Int64(),
        "bool": pl.Boolean(),
        "utc": pl.Datetime("us", "UTC"),
        "list": pl.List(pl.String),
    }
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema={name: kinds[kind] for name, kind in schema.items()}).write_parquet(buffer)
    replace_bytes(path, buffer.getvalue())
