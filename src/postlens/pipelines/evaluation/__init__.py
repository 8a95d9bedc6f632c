"""Labelled folders to scores of the models that ship, one module for each layout of data."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postlens.errors import SourceNotFoundError, UnknownNameError, UsageError

TASKS = (
    "attributes",
    "expression",
    "faces_identity",
    "instagram_posts",
    "niche",
    "reactions",
    "scene_emotion",
    "video",
)
Progress = Callable[[int, int], None]


def evaluate_task(
    task: str,
    folder: Path,
    *,
    progress: Progress | None = None,
    niche_model: Path | None = None,
    parts: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Scores of the shipped models on the folder, each with a 95 % interval under the same name + `_ci`.

    `in_sample` is true when the models were trained on these very files: such scores show that the pipeline works, not
    how good it is; the cards hold the held-out ones. A part of such a folder is not recognised: there it is false
    although the models saw the files.

    Args:
        niche_model: folder of a run of `postlens train niche`, scored instead of the shipped one; task niche alone.
        parts: what to score out of "people" and "duplicates", both by default; task video alone.

    Raises:
        UnknownNameError: no such task.
        UsageError: a niche model or parts for another task, or a model that cannot be used (`SettingsError`).
        SourceNotFoundError: no such folder.
    """
    if task not in TASKS:
        raise UnknownNameError(f"expected a task out of {', '.join(TASKS)}, got {task!r}")
    if not folder.is_dir():
        raise SourceNotFoundError(f"expected a folder of labelled data at {folder}, but there is none; check --data")
    if niche_model is not None and task != "niche":
        raise UsageError(f"expected the task niche with a niche model, got {task}; leave --niche-model out")
    if parts and task != "video":
        raise UsageError(f"expected the task video with {' and '.join(parts)} alone, got {task}; score all of it")
    module = importlib.import_module(f"postlens.pipelines.evaluation.{task}")
    options: dict[str, Any] = {"niche_model": niche_model} if niche_model is not None else {}
    options |= {"parts": parts} if parts else {}
    scores: dict[str, Any] = module.evaluate(folder, progress=progress, **options)
    return scores
