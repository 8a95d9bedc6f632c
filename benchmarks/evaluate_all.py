"""Every task scored on its labelled folder, beside the held-out scores of the cards, and the page about both.

python benchmarks/evaluate_all.py --data FOLDER [--only TASK ...]     (about 6 minutes, one core)
python benchmarks/evaluate_all.py --page                              (writes the page again, a second)

FOLDER holds one folder for each task, named like it or as evaluation_tasks.toml says. Each task is scored by `postlens
evaluate TASK --json` in a process of its own. Writes benchmarks/results/evaluation.json (tasks left out by --only keep
their earlier scores) and docs/evaluation.md, which evaluation_page.py makes of that file alone. A task that fails keeps
its earlier scores, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation_held_out import held_out_scores
from evaluation_page import read_tasks, render
from postlens.vision.zoo import load_spec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "evaluation.json"
PAGE = ROOT / "docs" / "evaluation.md"
LIBRARIES = ("postlens", "numpy", "onnxruntime")


def main() -> None:
    """Run what was asked for, keep it, write the page."""
    args = parse()
    failed = [] if args.page else [task for task in args.only if not keep(task, folder_of(args.data, task))]
    PAGE.write_text(render(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the reasons stand above")


def parse() -> argparse.Namespace:
    """The words of the command line, checked."""
    tasks = list(read_tasks())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with one folder for each task")
    parser.add_argument("--only", nargs="+", choices=tasks, default=tasks, metavar="TASK")
    parser.add_argument("--page", action="store_true", help="write the page again, run nothing")
    args = parser.parse_args()
    if not args.page:
        missing = tasks if args.data is None else [one for one in args.only if not folder_of(args.data, one).is_dir()]
        if missing:
            parser.error(f"expected a folder for each task below --data, found none for {', '.join(missing)}")
    return args


def folder_of(data: Path, task: str) -> Path:
    """A task's labelled folder: named like it, or as evaluation_tasks.toml says."""
    return data / str(read_tasks()[task].get("folder", task))


def keep(task: str, folder: Path) -> bool:
    """Score one task and put it into the results file; whether that worked."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "postlens", "evaluate", task, "--data", str(folder), "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        print(f"{task}: exit code {done.returncode}", file=sys.stderr)
        return False
    entry = {
        "scores": json.loads(done.stdout),
        "held_out": held_out_scores(task),
        "models": {name: card(name) for name in read_tasks()[task]["cards"]},
        "run": circumstances(seconds),
    }
    RESULTS.write_text(json.dumps(merged(task, entry), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{task}: {seconds:.0f} s")
    return True


def merged(task: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the results file holds with the task's entry replaced, in the order of the tasks."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    kept[task] = entry
    return {name: kept[name] for name in read_tasks() if name in kept}


def card(name: str) -> dict[str, str]:
    """What tells a model's state, and its limits."""
    spec = load_spec(name)
    return {"fingerprint": spec.fingerprint, "limits": spec.limits}


def circumstances(seconds: float) -> dict[str, Any]:
    """When, where and of what the scores are."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return {
        "seconds": round(seconds, 1),
        "at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def commit() -> str:
    """The commit measured, marked with + when what is measured has changes."""
    measured = ("src", ":!src/postlens/sample_campaign", ":!src/postlens/cli")
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", *measured], cwd=ROOT, check=False).returncode
    return git(["rev-parse", "--short", "HEAD"]) + ("+" if changed else "")


def git(words: Sequence[str]) -> str:
    """Output of a git command in the repository."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
