"""Run `.venv/bin/python recipes/creator.py ../shared/data/niche`: ways from posts to a creator's niche, compared.

An hour on 2 cores shared with other jobs; ten minutes where a GPU trains the nets: first `--prepare`, then there
`PYTHONPATH=src python recipes/creator_nets.py .cache/creator/material.npz nets.npz --device cuda`, then `--nets`.

Creators are made up from labelled photos. The sources are divided into halves, several times: nets over bags are
trained on one half and tested on creators made of the other, so that a creator's sources were seen by no net; the
posts' probabilities are those of recipes/niche.py, by heads that saw no photo of the same source. All ways answer the
same bags. Intervals are drawn over (division, niche), since the creators of one share their on-topic sources. Writes
benchmarks/results/niche_creator.csv.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.pipelines.evaluation.niche import embed_photos, read_labelled
from postlens.tasks.niche.evaluate import POOLINGS, BagPlan, label_indices
from postlens.tasks.scoring import bootstrap_interval, expected_calibration_error
from postlens.types import NICHES
from postlens.vision.encoder import Encoder

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "recipes"), str(ROOT / "tools")]

from creator_nets import WAYS, Material, run, test_bags  # noqa: E402
from niche import Photos, class_logs, deal_sources, nested_predictions, write_rows  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "niche_creator.csv"
CACHE, CARRIED = ROOT / ".cache" / "niche_posts.npz", ROOT / ".cache" / "creator" / "material.npz"
DEALS = 2  # of the sources to the folds of the post head: how they fall is luck, too
DIVISIONS = 3  # of the sources into halves, each half tested once
SEED = 20261122
LABELLED_RIGHT = "mixture, posts labelled right"  # what the bags themselves allow
HYBRID = "attention and mixture"  # the product of their probabilities
Float = NDArray[np.float64]


def read_posts(folder: Path, given: Path | None) -> dict[str, NDArray[Any]]:
    """features (N, D) float16, logits (DEALS, N, 9), labels and sources (N,) of the collection; cached.

    `given`: the same of another post head, each photo's logits by one that saw no photo of its source.
    """
    if given or CACHE.is_file():
        with np.load(given or CACHE) as file:
            return dict(file)
    encoder = Encoder()
    vectors, listed, failures = embed_photos(read_labelled(folder), encoder)
    labels = label_indices([photo.label for photo in listed])
    _, sources = np.unique([photo.source_group for photo in listed], return_inverse=True)
    print(f"{len(labels)} photos of {sources.max() + 1} sources, {failures.total()} unreadable")
    wide = np.concatenate([vectors, class_logs(encoder.spec).run(vectors.astype(np.float64))], axis=1)
    photos = Photos(wide, labels, sources)
    probs = [nested_predictions(photos, np.random.default_rng([SEED, deal]))[0] for deal in range(DEALS)]
    found = {
        "features": vectors.astype(np.float16),
        "logits": np.log(np.stack(probs) + 1e-9).astype(np.float32),
        "labels": labels,
        "sources": sources.astype(np.int64),
    }
    CACHE.parent.mkdir(exist_ok=True)
    np.savez_compressed(CACHE, **found)
    return found


def halves_of(labels: NDArray[np.int64], sources: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(2 DIVISIONS, N): which photos are tested, every label in both halves of a division."""
    photos = Photos(np.zeros((len(labels), 1)), labels, sources)
    rows = [half for n in range(DIVISIONS) for half in deal_sources(photos, 2, np.random.default_rng([SEED, n]))]
    return np.stack([np.isin(np.arange(len(labels)), half) for half in rows])


def prepare(folder: Path, given: Path | None) -> Material:
    """Everything that nets are trained and tested on, also written to be carried to a GPU (under 12 MB)."""
    posts = read_posts(folder, given)
    posts["halves"] = halves_of(posts["labels"], posts["sources"])
    CARRIED.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(CARRIED, **posts)
    return Material.load(CARRIED)


# --- scores ---------------------------------------------------------------------------------------------------------


def all_answers(material: Material, nets: Mapping[str, NDArray[Any]]) -> Iterator[tuple[BagPlan, Float, str, Float]]:
    """(plan, niches and divisions (B, 2), way, probabilities (B, 9)) for every plan and way, over all divisions."""
    drawn = [list(test_bags(material, split)) for split in range(len(material.halves))]
    for number in range(len(drawn[0])):
        plan = drawn[0][number][0]
        cells = [[(int(k), split) for k in drawn[split][number][2]] for split in range(len(drawn))]
        truth = np.array([pair for part in cells for pair in part])
        pooled = pooled_answers(material, [part[number][1] for part in drawn])
        for name, values in nets.items():
            pooled[name] = values[:, number].reshape(len(truth), -1).astype(np.float64)
        if "attention" in nets:
            pooled[HYBRID] = product(pooled["attention"], pooled["mixture"])
        for name, probs in pooled.items():
            yield plan, truth, name, probs


def pooled_answers(material: Material, bags: list[NDArray[np.int64]]) -> dict[str, Float]:
    """Probabilities (S B, 9) of every pooling of the posts' answers, for bags (B, n) of each of S divisions."""
    right = np.eye(len(NICHES))[material.labels]
    said = [np.exp(material.logits_of(split).astype(np.float64)) for split in range(len(bags))]
    said = [p / p.sum(1, keepdims=True) for p in said]
    ways: dict[str, tuple[Callable[[Float], Float], Any]] = {name: (pool, said) for name, pool in POOLINGS.items()}
    ways[LABELLED_RIGHT] = (POOLINGS["mixture"], [right] * len(bags))
    return {
        name: np.array([pool(posts[s][bag]) for s, part in enumerate(bags) for bag in part])
        for name, (pool, posts) in ways.items()
    }


def product(one: Float, other: Float) -> Float:
    """Both opinions at once, as independent witnesses: (B, 9)."""
    both = np.log(one + 1e-6) + np.log(other + 1e-6)
    found = np.exp(both - both.max(1, keepdims=True))
    return np.asarray(found / found.sum(1, keepdims=True))


def score(plan: BagPlan, truth: Float, name: str, probs: Float) -> dict[str, Any]:
    """One line of niche_creator.csv."""
    niches, right = truth[:, 0], probs.argmax(1) == truth[:, 0]
    groups = truth[:, 0] * 1000 + truth[:, 1]
    rng = np.random.default_rng(SEED)
    low, high = bootstrap_interval(lambda hit: float(hit.mean()), right, groups=groups, rng=rng)
    return {
        "pooling": name,
        "posts": plan.n_posts,
        "on_topic": plan.share,
        "other_among_off_topic": plan.other,
        "bags": len(right),
        "accuracy": round(float(right.mean()), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "recall_worst": round(min(float(right[niches == k].mean()) for k in range(len(NICHES))), 4),
        "mean_confidence": round(float(probs.max(1).mean()), 4),
        "ece": round(expected_calibration_error(probs.max(1), right), 4),
    }


def main() -> None:
    """Prepare, train, score."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--nets", type=Path, help="answers of creator_nets.py, trained elsewhere")
    parser.add_argument("--posts", type=Path, help="features, logits, labels and sources of another post head (.npz)")
    parser.add_argument("--prepare", action="store_true", help="stop before any net is trained")
    given, started = parser.parse_args(), time.monotonic()
    material = prepare(given.folder, given.posts)
    if given.prepare:
        print(f"{CARRIED}: {CARRIED.stat().st_size / 1e6:.1f} MB, {time.monotonic() - started:.0f} s")
        return
    if given.nets:
        with np.load(given.nets) as file:
            nets = dict(file)
    else:
        nets = run(material, ways=list(WAYS), steps=given.steps, device=torch.device(given.device))
    rows = [score(*answer) for answer in all_answers(material, nets)]
    write_rows(RESULTS, rows)
    for row in rows:
        if row["posts"] == 100 and row["on_topic"] == 0.2:
            print(row["other_among_off_topic"], row["pooling"], row["accuracy"], row["low"], row["high"])
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
