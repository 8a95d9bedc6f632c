"""Failures and scores to CSV files without formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.exports.files import replace_bytes
from postlens.sources.cells import FORMULA_SIGNS
from postlens.types import Failure

FAILURES = "failures.csv"
SCORES = "confidence_scores.csv"
FAILURE_HEADER = ("file", "stage", "error", "message")
SCORE_HEADER = ("kind", "id", "question", "label", "prob")


def write_failures(failures: Iterable[Failure], out: Path) -> None:
    """`failures.csv`: one row for each thing that could not be done."""
    replace_bytes(out / FAILURES, csv_bytes([FAILURE_HEADER, *map(_failure_row, failures)]))


def add_failure(failure: Failure, out: Path) -> None:
    """Put one failure below those that `failures.csv` holds, unless it is among them."""
    path = out / FAILURES
    old = path.read_bytes() if path.is_file() else csv_bytes([FAILURE_HEADER])
    new = csv_bytes([_failure_row(failure)])
    if new not in old:
        replace_bytes(path, old + new)


def _failure_row(failure: Failure) -> tuple[str, ...]:
    return failure.subject, failure.stage, failure.error, failure.message


def write_scores(campaign: Campaign, out: Path) -> None:
    """`confidence_scores.csv`: the probability of every label of every question."""
    replace_bytes(out / SCORES, csv_bytes([SCORE_HEADER, *_score_rows(campaign)]))


def _score_rows(campaign: Campaign) -> Iterator[tuple[str, str, str, str, str]]:
    for answer in campaign.creators:
        if answer.niche:
            yield from _probs("creator", answer.creator.creator_id, "niche", answer.niche.probs)
    for post in campaign.posts:
        if post.niche:
            yield from _probs("post", post.post.post_id, "niche", post.niche.probs)
        if post.reaction:
            yield from _probs("post", post.post.post_id, "emotion", post.reaction.probs)
        if post.recommendation:
            yield from _probs("post", post.post.post_id, "product", post.recommendation.shares)


def _probs(kind: str, key: str, question: str, probs: Mapping[str, float]) -> Iterator[tuple[str, str, str, str, str]]:
    for label, prob in probs.items():
        yield kind, key, question, label, f"{prob:.4f}"


def csv_bytes(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """Rows as CSV; a text that opens like a formula gets an apostrophe before it, numbers stay as they are."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # lines end with CR LF (RFC 4180); with LF alone, a CR in a cell would not be quoted
    writer.writerows([_unarmed(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _unarmed(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell
