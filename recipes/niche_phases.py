"""Run `.venv/bin/python recipes/niche_phases.py ../shared/data/niche --work .cache/phases`: what each phase brings.

Trains the default recipe's three phases with sources held out, and writes the best validation score of every phase and
the test score of the weights that were kept to benchmarks/results/niche_phases.csv. 110 s on one NVIDIA H200 with 16
cores; hours on two cores. A run that was made elsewhere is summed up by `--run FOLDER --machine NAME`.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "niche_phases.csv"
MARGIN_PX = 32  # for random crops; costs .002 of the features' cosine (docs/log/training_input.md)


def train(photos: Path, work: Path) -> Path:
    """The run folder of the default recipe, trained on a cache of the photos."""
    from postlens.train.cache import build_cache
    from postlens.train.labels import read_labelled_images
    from postlens.train.loop import train_niche
    from postlens.train.recipe import load_recipe

    cache, run = work / "cache", work / "run"
    build_cache(read_labelled_images(photos), cache, size_px=224, margin_px=MARGIN_PX, workers=2)
    train_niche(cache, recipe=load_recipe("efficientnet_lite0"), out=run, command="recipes/niche_phases.py")
    return run


def rows_of(run: Path, *, machine: str, seconds: float | None) -> list[dict[str, Any]]:
    """A row for each phase, then one for the weights that were kept."""
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        history = list(csv.DictReader(file))
    report = json.loads((run / "classification_report.json").read_text(encoding="utf-8"))
    phases = list(dict.fromkeys(row["phase"] for row in history))
    best = [max((row for row in history if row["phase"] == phase), key=_f1) for phase in phases]
    head = {"machine": machine, "seconds": "" if seconds is None else round(seconds)}
    rows = [
        {
            **head,
            "weights": f"phase {row['phase']}, epoch {row['phase_epoch']}",
            "part": "val",
            "n": report["val"]["n"],
            "macro_f1": round(_f1(row), 4),
            "accuracy": round(float(row["val_accuracy"]), 4),
        }
        for row in best
    ]
    test = report["test"]
    kept = max(best, key=_f1)
    scores = {name: test[name] for name in ("n", "macro_f1", "accuracy")}
    return [*rows, {**head, "weights": f"kept: phase {kept['phase']}", "part": "test", **scores}]


def _f1(row: dict[str, str]) -> float:
    return float(row["val_macro_f1"])


def write(rows: Sequence[dict[str, Any]]) -> None:
    """The results file."""
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Train or read a run, write the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "phases")
    parser.add_argument("--run", type=Path, help="sum up this run folder instead of training")
    parser.add_argument("--machine", default=f"{platform.machine()}, Python {platform.python_version()}")
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    started, run, seconds = time.monotonic(), options.run, options.seconds
    if run is None:
        if options.photos is None:
            parser.error("give a folder of labelled photos, or --run")
        run = train(options.photos, options.work)
        seconds = time.monotonic() - started
    write(rows_of(run, machine=options.machine, seconds=seconds))


if __name__ == "__main__":
    main()
