"""Labelled folders to scores of the models that ship, one module for each layout of data."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postlens.errors import SourceNotFoundError, UnknownNameError

TASKS = ("attributes", "expression", "faces_identity", "instagram_posts", "niche", "scene_emotion", "video")
Progress = Callable[[int, int], None]


def evaluate_task(task: str, folder: Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Scores of the shipped models on the folder, each with a 95 % interval under the same name + `_ci`.

    `in_sample` is true when the shipped models were trained on these very files: such scores show that the pipeline
    works, not how good it is; the cards hold the held-out ones. A part of such a folder is not recognised: there it is
    false although the models saw the files.

    Raises:
        UnknownNameError: no such task.
        SourceNotFoundError: no such folder.
    """
    if task not in TASKS:
        raise UnknownNameError(f"expected a task out of {', '.join(TASKS)}, got {task!r}")
    if not folder.is_dir():
        raise SourceNotFoundError(f"expected a folder of labelled data at {folder}, but there is none; check --data")
    module = importlib.import_module(f"postlens.pipelines.evaluation.{task}")
    scores: dict[str, Any] = module.evaluate(folder, progress=progress)
    return scores
