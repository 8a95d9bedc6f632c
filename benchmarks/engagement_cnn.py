"""Run `python benchmarks/engagement_cnn.py --data ../shared/data/instagram_posts`: what pixels alone reach.

Twenty minutes on one shared core for 3,000 accounts; needs `postlens[train]`. The published network, 30 epochs, batches
of 32, on a sample of accounts drawn with seed 0: four fifths of the photos to train, a fifth held out, in whole
accounts. Once on plain likes, as published, and once on log(1 + likes); each with the last epoch, as published, and
with the one whose validation loss is lowest. Thumbnails of 42 px are scaled up to 64. Writes
benchmarks/results/engagement_cnn.csv.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from postlens.pipelines.training_posts import read_collection_posts
from postlens.train.engagement_cnn import CnnResult, fit_cnn
from postlens.train.engagement_cnn_recipe import KEEPS, CnnSettings
from postlens.train.engagement_photos import Photos, collect_photos
from postlens.train.engagement_scores import followers_line, scores_of

RESULTS = Path(__file__).resolve().parent / "results" / "engagement_cnn.csv"
KEYS = ("n", "mae_log", "mae_log_ci", "spearman", "spearman_ci", "coverage_90", "pair_accuracy", "pair_accuracy_ci")


def rows_of(name: str, result: CnnResult, photos: Photos, *, seconds: float) -> list[dict[str, Any]]:
    """The network's scores, and those of the baselines on the same posts."""
    y, train = np.log1p(photos.likes.astype(np.float64)), result.split.train
    followers = photos.followers.astype(np.float64)
    line = followers_line(followers[train], y[train], wanted=result.outcomes.followers)
    constant = np.full(len(result.outcomes), np.median(y[train]))
    baselines = {"constant": constant, "followers line": line, "account median": result.outcomes.baseline}
    scores = scores_of(result.outcomes, baselines, rng=np.random.default_rng(0))
    first = {"case": name, "n_train": len(train), "epochs": len(result.history), "seconds": round(seconds, 1)}
    own = [{**first, **{key: scores[key] for key in KEYS}}]
    return own + [{"case": f"{name}: {other}, same posts", **row} for other, row in scores["baselines"].items()]


def write(rows: list[dict[str, Any]]) -> None:
    """All columns that any row has."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Train once for each case and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with posts.jsonl.gz")
    parser.add_argument("--accounts", type=int, default=3000, help="sampled with seed 0")
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    posts = read_collection_posts(arguments.data)
    names = np.random.default_rng(0).permutation(sorted(posts.accounts))[: arguments.accounts].tolist()
    photos = collect_photos({name: posts.accounts[name] for name in names}, posts.picture)
    print(f"{len(photos)} photos of {photos.n_accounts} accounts")
    cases = {
        "reference CNN, plain likes": CnnSettings(target="likes", epochs=arguments.epochs),
        "reference CNN, log likes": CnnSettings(target="log_likes", epochs=arguments.epochs),
    }
    rows: list[dict[str, Any]] = []
    for name, settings in cases.items():
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for keep in KEEPS:  # the second goes on with the finished run, which trains nothing
                result = fit_cnn(photos, replace(settings, keep=keep), out=Path(folder) / "run", resume=True)
                rows += rows_of(f"{name}, {keep} epoch", result, photos, seconds=time.perf_counter() - started)
                print(*rows[-4:], sep="\n", flush=True)
        print([round(float(row["val_loss"]), 3) for row in result.history])
        write(rows)


if __name__ == "__main__":
    main()
