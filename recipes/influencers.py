"""Run `.venv/bin/python recipes/influencers.py --data ../shared/data/niche`: the whole path from accounts to answers.

Four minutes on 2 cores, with the frozen phase alone; all three phases want a GPU:

    python recipes/influencers.py --data ../shared/data/niche --epochs 10,30,10

Labelled photos become made-up accounts in the layout of the Instagram Influencer Dataset, photo sources divided into
parts before any account is made. Then the verbs run one after the other, as a user would run them: sample, preprocess,
train niche, extract, train creator, predict. Writes benchmarks/results/influencers.csv, the seconds of each step
(loading of Python and its libraries included) and the scores of the accounts held out, which share neither account nor
photo source with training. ON_TOPIC is the share of an account's posts that show its niche; rows of other values of
it, other epochs or other machines stay in the file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import postlens
from postlens.tasks.niche.evaluate import label_indices
from postlens.tasks.scoring import score_classes
from postlens.train.feature_file import ImageFeatures, read_features
from postlens.types import NICHES

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "influencers.csv"
WORK = Path(tempfile.gettempdir()) / "postlens-influencers"
TEST_SHARE = 0.25  # of the accounts and photos: more than the tool's 0.15, since few accounts give wide intervals
HEADER = ("on_topic", "recipe", "epochs", "step", "measure", "n", "value", "low", "high", "machine", "postlens")
KEY = ("on_topic", "recipe", "epochs", "machine")  # of a run; its rows are replaced when it is run again


def main() -> None:
    """Run the steps, score the held-out accounts, write and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled photos: manifest.csv or folders")
    parser.add_argument("--out", type=Path, default=WORK, help="folder outside this repository; done steps stay")
    parser.add_argument("--accounts", type=int, default=20, help="made up of each niche")
    parser.add_argument("--drawn", type=int, default=16, help="of them drawn by the step sample")
    parser.add_argument("--posts", type=int, default=25, help="of each drawn account; twice as many are made up")
    parser.add_argument("--on-topic", type=float, default=0.5)
    parser.add_argument("--recipe", default="efficientnet_lite0")
    parser.add_argument("--epochs", default="3,0,0")
    parser.add_argument("--devices", default="1")
    args = parser.parse_args()
    root = args.out / f"{args.on_topic}-{args.recipe}-{args.epochs.replace(',', '-')}"
    root.mkdir(parents=True, exist_ok=True)
    seconds = run_steps(steps(args, root), done=root / "seconds.json")
    run = {
        "on_topic": args.on_topic,
        "recipe": args.recipe,
        "epochs": args.epochs,
        "machine": machine(),
        "postlens": postlens.__version__,
    }
    rows = [{"step": name, "measure": "seconds", "value": round(spent, 1)} for name, spent in seconds.items()]
    write([{**run, **row} for row in (*rows, *scores(root))])


def steps(args: argparse.Namespace, root: Path) -> dict[str, list[str]]:
    """Each step's command line, in order; what it writes lies below `root`."""
    accounts, subset, cache, posts, creators, features, answers, answers_of_posts = (
        str(root / name)
        for name in ("accounts", "subset", "cache", "posts", "creators", "features.npz", "answers", "answers_of_posts")
    )
    tool = [str(ROOT / "tools" / "write_influencer_layout.py"), "--data", str(args.data), "--test", str(TEST_SHARE)]
    made_up = ["--accounts", str(args.accounts), "--posts", str(2 * args.posts), "--on-topic", str(args.on_topic)]
    drawn = ["--influencers", str(args.drawn), "--posts", str(args.posts)]
    how = ["--recipe", args.recipe, "--epochs", args.epochs]
    parts = ["--splits", str(root / "accounts" / "splits.csv"), "--devices", args.devices]
    verb = ["-m", "postlens"]
    return {
        "make up accounts": [*tool, "--out", accounts, *made_up],
        "sample": [*verb, "sample", accounts, "--out", subset, *drawn],
        "preprocess": [*verb, "preprocess", subset, "--out", cache],
        "train niche": [*verb, "train", "niche", cache, "--out", posts, *how, *parts],
        "extract": [*verb, "extract", subset, "--out", features, "--model", posts],
        "train creator": [*verb, "train", "creator", features, "--out", creators, "--model", posts, *parts],
        "predict": [*verb, "predict", features, "--model", creators, "--out", answers],
        "predict, no creator model": [*verb, "predict", features, "--model", posts, "--out", answers_of_posts],
    }


def run_steps(commands: Mapping[str, Sequence[str]], *, done: Path) -> dict[str, float]:
    """Run each step that the file does not hold yet; returns the seconds of all. A broken run goes on at its step."""
    seconds: dict[str, float] = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
    for name, words in commands.items():
        if name not in seconds:
            seconds[name] = timed(words)
            done.write_text(json.dumps(seconds), encoding="utf-8")
    return seconds


def timed(words: Sequence[str]) -> float:
    """Run Python with these words; returns the seconds it took."""
    print("$ python", *words, flush=True)
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True)
    return time.perf_counter() - start


# --- scores ---------------------------------------------------------------------------------------------------------


def scores(root: Path) -> Iterator[dict[str, Any]]:
    """Rows for the posts and creators of the test part."""
    features = read_features(root / "features.npz")
    held_out = {row["group"] for row in table(root / "accounts" / "splits.csv") if row["split"] == "test"}
    rows = [i for i, account in enumerate(features.creators) if account.partition(":")[2] in held_out]
    posts = features[rows]
    topics = {f"{row['username']}-{row['image']}": row for row in table(root / "accounts" / "topics.csv")}
    shown = [topics[Path(path).name] for path in posts.paths]
    sources = [row["source_group"] for row in shown]
    answers = read_answers(root / "answers")
    of_post = [answers["posts"][post] for post in posts.ids]
    yield from scored("predict", "posts, against the account's category", of_post, posts.labels, groups=sources)
    yield from scored(
        "predict", "posts, against what the photo shows", of_post, [row["label"] for row in shown], groups=sources
    )
    yield from creator_scores("predict", "creators, attention", answers, posts)
    without = read_answers(root / "answers_of_posts")
    yield from creator_scores("predict, no creator model", "creators, mixture of post answers", without, posts)


def creator_scores(step: str, what: str, answers: Mapping[str, Any], posts: ImageFeatures) -> Iterator[dict[str, Any]]:
    category = dict(zip(posts.creators, posts.labels, strict=True))
    found = [answers["creators"][name] for name in category]
    yield from scored(step, what, found, list(category.values()), groups=list(category))


def scored(
    step: str, what: str, answers: Sequence[Mapping[str, Any]], truth: Sequence[str], *, groups: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Accuracy and macro-F1 with 95 % intervals that draw whole groups: photo sources, or accounts."""
    said = label_indices([one["predicted_category"] for one in answers])
    found = score_classes(
        np.eye(len(NICHES))[said], label_indices(truth), labels=NICHES, groups=groups, rng=np.random.default_rng(0)
    )
    for name in ("accuracy", "macro_f1"):
        low, high = found[f"{name}_ci"] or (None, None)
        yield {
            "step": step,
            "measure": f"{what}: {name}",
            "n": len(answers),
            "value": found[name],
            "low": low,
            "high": high,
        }


def read_answers(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
    return found


# --- files ----------------------------------------------------------------------------------------------------------


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def machine() -> str:
    """Processor's cores, and the GPU where there is one."""
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores, {platform.machine()}{gpu}, torch {torch.__version__}"


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows, and put them in the place of an earlier run's with the same settings."""
    same: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda row: tuple(str(row[name]) for name in KEY)  # noqa: E731
    kept = [row for row in (table(RESULTS) if RESULTS.exists() else []) if same(row) != same(rows[0])]
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *rows])
    for row in rows:
        interval = f" ({row['low']} to {row['high']}), n = {row['n']}" if row.get("n") else ""
        print(f"{row['step']:26} {row['measure']:58} {row['value']}{interval}")


if __name__ == "__main__":
    main()
