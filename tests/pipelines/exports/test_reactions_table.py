"""Reactions in tables for programs."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from postlens.pipelines.exports import REACTION_SCHEMA, write_exports
from postlens.types import EMOTIONS, ReactionForecast

from ..campaigns import campaign


def reaction(post_id: str, emotion: str, **changes: object) -> ReactionForecast:
    probs = dict.fromkeys(EMOTIONS, 0.05) | {emotion: 0.65}
    values = {"allowed": ("👍", "🙂"), "blocked": ("😍",), "reader": "scene", "valence": 4.2, "arousal": 3.1}
    limits = dict.fromkeys(EMOTIONS, 0.4)
    return ReactionForecast(post_id, probs, (emotion,), **{**values, "thresholds": limits, **changes})


@pytest.fixture
def written(tmp_path):
    """A creator with three posts, one of which has no reaction, and a creator without any."""
    shown = campaign(2, 3)
    found = [reaction("post-0", "sad", low_confidence=True), reaction("post-1", "happy", allowed=("👍",)), None]
    posts = [replace(post, reaction=own) for post, own in zip(shown.posts, [*found, *[None] * 3], strict=True)]
    write_exports(replace(shown, posts=tuple(posts)), tmp_path)
    return tmp_path


def test_each_post_with_a_reaction_is_a_row(written):
    table = pl.read_parquet(written / "reactions.parquet")
    assert table.columns == list(REACTION_SCHEMA)
    assert table["post_id"].to_list() == ["post-0", "post-1"]
    first = table.row(0, named=True)
    assert (first["emotions"], first["low_confidence"], first["reader"]) == (["sad"], True, "scene")
    assert (first["prob_sad"], first["threshold_sad"], first["valence"]) == (0.65, 0.4, 4.2)
    assert (first["media"], first["allowed"], first["blocked"]) == (["/in/0.jpg"], ["👍", "🙂"], ["😍"])


def test_creators_have_the_emotion_of_most_posts(written):
    first, second = pl.read_parquet(written / "creators.parquet").rows(named=True)
    assert (first["emotion"], first["emotion_share"], first["n_low_confidence"]) == ("happy", 0.5, 1)
    assert first["always_allowed_emoji"] == ["👍"]
    assert (second["emotion"], second["emotion_share"], second["always_allowed_emoji"]) == (None, None, None)
