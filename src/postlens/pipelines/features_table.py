"""What forecasts read of each post to a table in Parquet: ids, counts, features by name, on wish the embedding."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection

from postlens.media.probe import display_name
from postlens.pipelines.answers import Answerer
from postlens.pipelines.facts import CreatorFacts
from postlens.store.posts import read_creators, read_posts
from postlens.store.snapshots import ACCOUNT
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.features import FEATURES, feature_row
from postlens.tasks.engagement.history import read_histories
from postlens.tasks.engagement.predict import MODEL_METRIC
from postlens.types import METRICS, EngagementSnapshot, order_metrics

if TYPE_CHECKING:
    import polars as pl

# Columns before the counts.
IDS: Final = ("post_id", "creator", "published_at", "observed_at", "files", "first_line", "n_lines")


class Lines(NamedTuple):
    """Where a post's photos stand in the text of pixels."""

    first: int  # from 1
    n: int  # 0: the post has no photo that could be read


class FeatureTable:
    """Makes the table, one creator at a time."""

    def __init__(self, answerer: Answerer, *, vectors: bool) -> None:
        self._answerer, self._vectors = answerer, vectors
        self.n_rows = 0

    def parquet(self, conn: Connection, post_ids: Sequence[str], lines: Mapping[str, Lines]) -> bytes:
        """The file's bytes: rows of these posts by creator, in the given order; a creator's other posts are history."""
        import polars as pl

        frames = [self._frame(*found) for found in self._creators(conn, post_ids, lines)]
        table = pl.concat(frames, how="diagonal") if frames else self._frame([], [], [])
        self.n_rows = len(table)
        metrics = [name for name in table.columns if name.startswith("count_") or name in METRICS]
        named = order_metrics(name.removeprefix("count_") for name in metrics)
        counts = [name if name in METRICS else f"count_{name}" for name in named]
        tail = [name for name in (*ACCOUNT, *FEATURES, "vector") if name in table.columns]
        buffer = io.BytesIO()
        table.select(*IDS, *counts, *tail).write_parquet(buffer)
        return buffer.getvalue()

    def _creators(
        self, conn: Connection, post_ids: Sequence[str], lines: Mapping[str, Lines]
    ) -> Iterator[tuple[list[dict[str, Any]], list[np.ndarray[Any, Any]], list[Any]]]:
        """For each creator the ids and counts, the features, and the vectors of the posts asked for."""
        order = {post_id: place for place, post_id in enumerate(post_ids)}
        first: dict[str, int] = {}
        for post in read_posts(conn, post_ids=post_ids):
            first[post.creator_id] = min(order[post.post_id], first.get(post.creator_id, len(order)))
        owners = [one for one in read_creators(conn) if one.creator_id in first]
        for creator in sorted(owners, key=lambda one: first[one.creator_id]):
            facts = self._answerer.read_facts(conn, creator, products=False)
            rows = self._answerer.post_rows(facts, *self._answerer.niches(facts))
            read = {
                row.post_id: feature_row(row, history)
                for row, history in zip(rows, read_histories(rows, metric=MODEL_METRIC), strict=True)
                if row.post_id in order
            }
            asked = sorted((row for row in rows if row.post_id in order), key=lambda row: order[row.post_id])
            yield (
                [_ids(row, facts, lines) for row in asked],
                [read[row.post_id] for row in asked],
                [row.vector for row in asked],
            )

    def _frame(
        self, ids: list[dict[str, Any]], features: list[np.ndarray[Any, Any]], vectors: list[Any]
    ) -> pl.DataFrame:
        import polars as pl

        numbers = np.stack(features) if features else np.zeros((0, len(FEATURES)), np.float32)
        times = dict.fromkeys(("published_at", "observed_at"), pl.Datetime("us", "UTC"))
        others = sorted({name for row in ids for name in row if name.startswith("count_")})
        schema: dict[str, Any] = {"post_id": pl.String, "creator": pl.String, **times, "files": pl.List(pl.String)}
        schema |= {"first_line": pl.Int64, "n_lines": pl.Int64}
        schema |= dict.fromkeys((*METRICS, *others, *ACCOUNT), pl.Float64)
        frame = pl.DataFrame(ids, schema=schema).with_columns(
            pl.Series(name, numbers[:, place]).fill_nan(None) for place, name in enumerate(FEATURES)
        )
        if not self._vectors:
            return frame
        lists = [None if vector is None else vector.tolist() for vector in vectors]
        return frame.with_columns(pl.Series("vector", lists, dtype=pl.List(pl.Float32)))


def _ids(row: PostFacts, facts: CreatorFacts, lines: Mapping[str, Lines]) -> dict[str, Any]:
    """What a row says besides features; counts that are none of METRICS stand as `count_<name>`."""
    snapshot = facts.snapshots.get(row.post_id, EngagementSnapshot(row.post_id))
    own = lines.get(row.post_id, Lines(0, 0))
    return {
        "post_id": row.post_id,
        "creator": facts.creator.creator_id,
        "published_at": row.published_at,
        "observed_at": snapshot.observed_at,
        "files": [display_name(name) for name in dict.fromkeys(facts.locations_of(row.post_id).values())],
        "first_line": own.first if own.n else None,
        "n_lines": own.n,
        **{name if name in METRICS else f"count_{name}": value for name, value in snapshot.values.items()},
        **{name: getattr(snapshot, name) for name in ACCOUNT},
    }
