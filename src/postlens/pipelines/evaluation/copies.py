"""Labelled edits of clips to the scores of the copies found among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from postlens.tasks.people.compare import Content
from postlens.tasks.people.duplicates import find_duplicates
from postlens.tasks.people.evaluate import score_copies
from postlens.types import MediaFeatures

Row = Mapping[str, str]


def copy_scores(
    rows: Sequence[Row], files: Sequence[str], features: Mapping[str, MediaFeatures], *, rng: np.random.Generator
) -> dict[str, Any] | None:
    """Scores of the links found among the clips, see `score_copies`; `None` without a labelled edit."""
    if not rows:
        return None
    found = find_duplicates(
        [content(file, order, features[file]) for order, file in enumerate(files) if file in features]
    )
    return score_copies(
        [(copy.later_id, copy.first_id) for copy in found],
        edit_of={row["file"]: row["edit_of"] for row in rows},
        edits={row["file"]: row.get("edit") or "unknown" for row in rows},
        rng=rng,
    )


def content(file: str, order: int, features: MediaFeatures) -> Content:
    """What the search for copies compares of a clip."""
    return Content(
        content_id=file,
        order=order,
        sha256=features.media.sha256,
        kind=features.media.kind,
        aspect=features.media.width_px / features.media.height_px,
        hashes=features.hashes,
        vectors=features.embeddings.vectors if features.embeddings else None,
    )
