"""`postlens evaluate TASK --data FOLDER`: score the models that ship on labelled data (seconds to minutes)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from postlens.cli.console import progress_bar, wide_table


def evaluate(
    task: Annotated[
        str,
        typer.Argument(
            help="niche, expression, scene_emotion, reactions, attributes, faces_identity, video or instagram_posts."
        ),
    ],
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder with a manifest in the layout of that task.")
    ],
    niche_model: Annotated[
        Path | None, typer.Option(help="Score the model of a run of `postlens train niche` instead (task niche).")
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="Score the people found, not the copies (task video).")
    ] = False,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Score the copies found, not the people (task video).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Score the models that ship on a labelled folder, each figure with its 95 % interval."""
    from postlens.pipelines.evaluation import evaluate_task

    parts = tuple(name for name, chosen in (("people", people), ("duplicates", duplicates)) if chosen)
    with progress_bar(f"evaluate {task}") as update:
        scores = evaluate_task(task, data, progress=update, niche_model=niche_model, parts=parts)
    if as_json:
        sys.stdout.write(json.dumps(scores, allow_nan=False) + "\n")
    else:
        Console().print(_table(task, scores))
    return 0


def _table(task: str, scores: Mapping[str, Any]) -> Table:
    names = ("score", "value", "95 % interval")
    table = wide_table(*names, keep=names, title=f"evaluate {task}")
    for name, value, interval in _rows(scores):
        table.add_row(name, value, interval)
    return table


def _rows(scores: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Nested scores as dotted names, each beside its `_ci`."""
    for name, value in scores.items():
        if name.endswith("_ci"):
            continue
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            interval = scores.get(f"{name}_ci")
            yield f"{prefix}{name}", _number(value), "" if interval is None else " .. ".join(map(_number, interval))


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
