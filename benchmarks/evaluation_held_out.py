"""Cards and recipes' result tables to held-out scores, named and nested as `postlens evaluate` names its own.

Imported by evaluate_all.py. What a card holds with its interval is taken from the card; what only the recipe's table
holds (intervals of each class, scores by source) from benchmarks/results.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from postlens.vision.zoo import load_spec

RESULTS = Path(__file__).parent / "results"
MEDIAN = ": account median"  # ends the name of a row of engagement.csv
NUMBER = re.compile(r"-?\d+(\.\d+)?")
HEAD = "head, sources held out"  # its rows in the tables of recipes/expression.py
Scores = dict[str, Any]


def held_out_scores(task: str) -> Scores:
    """Scores of models that did not see what they are scored on; empty where there are none."""
    return READERS[task]() if task in READERS else {}


def niche() -> Scores:
    """The card's scores of both heads together, sources held out."""
    return dict(load_spec("niche_faces").metrics)


def expression() -> Scores:
    """The card's scores, sources held out, with classes and sources of the recipe's tables."""
    metrics = load_spec("face_expression_head").metrics
    per_class = [row for row in rows("expression_per_class.csv") if row["model"] == HEAD]
    by_source = [row for row in rows("expression.csv") if row["model"] == HEAD and row["subset"] != "all"]
    return {
        **_own(metrics["all"]),
        "per_class": {row["label"]: wide(row) for row in per_class},
        "by_source": {row["subset"]: wide(row) for row in by_source},
    }


def scene_emotion() -> Scores:
    """The cards' scores of the scene readers on OASIS, themes held out."""
    scene, affect = _own(load_spec("scene_emotion").metrics["oasis"]), load_spec("scene_affect").metrics["oasis"]
    per_class = _long([row for row in rows("scene_emotion.csv") if row["photos"] == "OASIS"])
    return {"scene_only": scene | {"per_class": per_class}, **affect}


def reactions() -> Scores:
    """The scores of the fusion on OASIS, themes held out, with emotions and kinds of photos of the recipe's tables."""
    kinds = {row["photos"]: wide(row) for row in rows("reactions.csv") if row["answer"] == "fused"}
    emotions = [
        row for row in rows("reactions_per_emotion.csv") if row["photos"] == "OASIS" and row["enough"] == "True"
    ]
    per_emotion = {row["emotion"]: {"n": number(row["n"]), **_numbers(row)} for row in emotions}
    return {**kinds["OASIS"], "per_emotion": per_emotion, "by_photos": kinds}


def attributes() -> Scores:
    """The card's scores, sources held out, with sources and sexes of the recipe's table."""
    groups = [row for row in rows("attributes.csv") if row["subset"] != "all" and number(row["n_pos"])]
    named = {f"{row['label']}, {row['subset'].replace(':', ' ')}": wide(row) for row in groups}
    return {**load_spec("face_attributes").metrics, "by_group": named}


def faces_identity() -> Scores:
    """Verification by thresholds chosen on the other sources; the template itself was trained elsewhere."""
    row = rows("face_templates.csv")[0]
    kept = ("accuracy", "accuracy_compared", "balanced_accuracy")
    scores = {name: value for name, value in wide(row).items() if name.removesuffix("_ci") in kept}
    by_source = {one["source"]: {"n": number(one["n_pairs"]), **_numbers(one)} for one in rows("face_verification.csv")}
    return {"n": number(row["n_pairs"]), **scores, "by_source": by_source}


def instagram_posts() -> Scores:
    """The card's scores, accounts held out, and the recipes' tables of what was known, of ablation and of pairs."""
    scores = [row for row in rows("engagement.csv") if row["followers"] == "all"]
    known = [row for row in scores if not row["posts"].startswith("drawn")]
    return {
        **load_spec("engagement").metrics["held_out_accounts"],
        "by_known": _beside_median(known),
        "drawn": {row["posts"]: _with_intervals(row) for row in scores if row["posts"].startswith("drawn")},
        "ablation": {row["case"]: _with_intervals(row) for row in rows("engagement_ablation.csv")},
        "pairs": {row["case"]: _with_intervals(row) for row in rows("engagement_pairs.csv") if row["pairs"] == "all"},
    }


READERS: Mapping[str, Callable[[], Scores]] = {
    "niche": niche,
    "expression": expression,
    "scene_emotion": scene_emotion,
    "reactions": reactions,
    "attributes": attributes,
    "faces_identity": faces_identity,
    "instagram_posts": instagram_posts,
}


def _beside_median(table: Sequence[Mapping[str, str]]) -> dict[str, Scores]:
    """Rows by posts; the error of the account's median, which has a row of its own, as `account_median`."""
    found = {row["posts"]: _with_intervals(row) for row in table}
    medians = {name.removesuffix(MEDIAN): found.pop(name) for name in list(found) if name.endswith(MEDIAN)}
    for name, own in medians.items():
        found[name] |= {"account_median": own["mae_log"], "account_median_ci": own.get("mae_log_ci")}
    return found


def _with_intervals(row: Mapping[str, str]) -> Scores:
    """The cells that hold numbers, and those that hold an interval, `[low, high]`."""
    intervals = {name: json.loads(text) for name, text in row.items() if name.endswith("_ci") and text}
    return {name: number(text) for name, text in row.items() if NUMBER.fullmatch(text)} | intervals


def _own(metrics: Mapping[str, Any]) -> Scores:
    """Scores without the tables below them."""
    return {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}


def _numbers(row: Mapping[str, str]) -> Scores:
    """The cells of a row that hold numbers."""
    return {name: number(text) for name, text in row.items() if text.replace(".", "", 1).isdigit()}


def _long(table: Sequence[Mapping[str, str]]) -> Scores:
    """Classes of rows with one for each score, `precision happy`; those too few to score are left out."""
    found: dict[str, Scores] = {}
    for row in table:
        name, _, label = row["score"].partition(" ")
        if label and row["enough"] == "True":
            interval = interval_of(row["low"], row["high"])
            found.setdefault(label, {"n": number(row["n"])}).update(
                {name: number(row["value"]), f"{name}_ci": interval}
            )
    return found


def wide(row: Mapping[str, str]) -> Scores:
    """A row with the columns `score`, `score_low`, `score_high` to `score` and `score_ci`."""
    scores: Scores = {}
    for name, text in row.items():
        if f"{name}_low" in row:
            scores |= {name: number(text), f"{name}_ci": interval_of(row[f"{name}_low"], row[f"{name}_high"])}
        elif name in {"n", "n_pos"}:
            scores[name] = number(text)
    return scores


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a table of benchmarks/results."""
    with (RESULTS / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def interval_of(low: str, high: str) -> list[float] | None:
    """[low, high], None where either is blank."""
    ends = number(low), number(high)
    return None if None in ends else [float(end) for end in ends if end is not None]


def number(text: str) -> float | int | None:
    """A cell's number, None where blank or not a number."""
    value = float(text) if text else math.nan
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() and "." not in text else value
