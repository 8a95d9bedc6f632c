"""What each epoch brought, as rows: when a phase is over, which epoch was the best, and the table of it.

A row has phase (its name), epoch (from 1 over all phases), phase_epoch (from 1 within the phase), learning_rate (of
the lowest layers that learn, after the last step), train_loss, val_loss, val_macro_f1, val_accuracy, seconds, and
images_per_s (of the training part). A training on numbers has val_spearman instead of macro-F1 and accuracy.
All decisions are functions of these rows, so that a resumed training takes the same ones.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postlens.train.recipe import Phase

Row = Mapping[str, Any]
SCORE = "val_macro_f1"  # what is watched: higher is better; trainings on numbers have none


def rows_of(history: Sequence[Row], phase: str) -> list[Row]:
    """The rows of one phase."""
    return [row for row in history if row["phase"] == phase]


def is_over(history: Sequence[Row], phase: Phase, *, patience: int | None) -> bool:
    """Whether the phase had all its epochs, or `patience` of them in a row without a better score than before."""
    rows = rows_of(history, phase.name)
    if len(rows) >= phase.epochs:
        return True
    return bool(rows) and patience is not None and len(rows) - best_at(rows) >= patience


def best_at(rows: Sequence[Row]) -> int:
    """Number of the row with the best score, from 1; the first of equals."""
    scores = [score_of(row) for row in rows]
    return scores.index(max(scores)) + 1


def score_of(row: Row) -> float:
    """What is watched, higher is better: the macro-F1, or minus the validation loss of a training on numbers."""
    return float(row[SCORE] if SCORE in row else -row["val_loss"])


def is_best(rows: Sequence[Row]) -> bool:
    """Whether the last row has a better score than all before it."""
    return bool(rows) and best_at(rows) == len(rows)


def write_history(history: Sequence[Row], path: Path) -> None:
    """The rows as CSV, whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    partial.replace(path)
