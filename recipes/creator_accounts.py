"""Run `.venv/bin/python recipes/creator_accounts.py ../shared/data/instagram_posts`: accounts by their thumbnails.

Half an hour on 2 cores shared with other jobs, most of it encoding 17,698 thumbnails once (cached in .cache/).

Accounts with two or more posts (7,313, of 2 to 8 posts) whose niche is known; their pictures are 42 pixels wide.
The ways that ship were trained on other photos; the nets are trained on accounts, in five folds, no account in two.
Writes benchmarks/results/niche_accounts.csv: how much of an account's niche two or three tiny pictures tell, and what
training on accounts adds to a post head that was trained on photos.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import io
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax
from torch import nn

from postlens.tasks.niche.evaluate import POOLINGS, label_indices
from postlens.tasks.niche.predict import POST_MODEL
from postlens.tasks.scoring import plain_interval, score_classes
from postlens.train.attention import AttentionNet
from postlens.train.bags import Bags, PostFeatures, RealBags, bags_by_creator, pad
from postlens.train.creator_recipe import CreatorRecipe
from postlens.types import NICHES
from postlens.vision.encoder import Encoder
from postlens.vision.zoo import open_model

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

from niche import write_rows  # noqa: E402

RESULTS, CACHE = ROOT / "benchmarks" / "results" / "niche_accounts.csv", ROOT / ".cache" / "instagram_accounts.npz"
FOLDS, EPOCHS, BAGS_PER_STEP, LEARNING_RATE = 5, 12, 64, 1e-3
FEWEST = 2  # posts of an account
NETS: Mapping[str, CreatorRecipe] = {
    "attention, trained on accounts": CreatorRecipe(),
    "gated attention, trained on accounts": CreatorRecipe(pooling="gated"),
    "mean of embedded posts, trained on accounts": CreatorRecipe(pooling="mean"),
}
Float = NDArray[np.float64]


def accounts(folder: Path) -> list[dict[str, Any]]:
    """Posts of accounts with at least `FEWEST` posts."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found[row["creator"]].append(row)
    return [row for own in found.values() if len(own) >= FEWEST for row in own]


def read_posts(folder: Path) -> PostFeatures:
    """The accounts' posts with the vectors of their thumbnails, cached."""
    rows, encoder = accounts(folder), Encoder()
    if not CACHE.is_file():
        CACHE.parent.mkdir(exist_ok=True)
        np.savez_compressed(CACHE, vectors=np.concatenate(list(encoded(rows, encoder))).astype(np.float16))
    with np.load(CACHE) as file:
        vectors = file["vectors"].astype(np.float32)
    return PostFeatures(
        ids=tuple(map(str, range(len(rows)))),
        creators=tuple(str(row["creator"]) for row in rows),
        labels=label_indices([row["niche"] for row in rows]),
        vectors=vectors,
        classes=NICHES,
        fingerprint=encoder.fingerprint,
    )


def encoded(rows: list[dict[str, Any]], encoder: Encoder, *, size: int = 16) -> Iterator[NDArray[np.float32]]:
    """Vectors of a few thumbnails at a time."""
    for start in range(0, len(rows), size):
        files = [io.BytesIO(base64.b64decode(row["thumb_jpeg"])) for row in rows[start : start + size]]
        yield encoder.embed([np.asarray(Image.open(file).convert("RGB")) for file in files])[0]


def pooled(posts: PostFeatures, bags: Bags) -> dict[str, Float]:
    """Probabilities (B, 9) of every pooling of the shipped head's answers."""
    said = open_model(POST_MODEL).run({"features": posts.vectors})["probs"].astype(np.float64)
    said /= said.sum(1, keepdims=True)
    return {name: np.array([pool(said[rows]) for rows in bags.rows]) for name, pool in POOLINGS.items()}


def trained(posts: PostFeatures, bags: Bags, recipe: CreatorRecipe) -> Float:
    """Probabilities (B, 9) of each account by a net that did not see it."""
    probs, fold = np.zeros((len(bags), len(NICHES))), np.random.default_rng(0).permutation(len(bags)) % FOLDS
    for number in range(FOLDS):
        net = fit(posts, bags.take(np.flatnonzero(fold != number)), recipe, seed=number)
        held_out = np.flatnonzero(fold == number)
        for part in np.array_split(held_out, 20):
            padded = pad(posts, [bags.rows[i] for i in part])
            with torch.inference_mode():
                logits, _ = net(torch.from_numpy(padded.features), torch.from_numpy(padded.mask))
            probs[part] = softmax(logits.numpy(), axis=1)
    return probs


def fit(posts: PostFeatures, bags: Bags, recipe: CreatorRecipe, *, seed: int) -> nn.Module:
    """The net after `EPOCHS` over the accounts, every niche weighing the same."""
    torch.manual_seed(seed)
    rng, source = np.random.default_rng(seed), RealBags(bags, recipe.fewest_posts, recipe.most_posts)
    net = AttentionNet(dim=posts.dim, n_classes=len(NICHES), recipe=recipe).train()
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=recipe.weight_decay)
    steps = EPOCHS * (len(bags) // BAGS_PER_STEP)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    weight = torch.tensor(len(bags) / len(NICHES) / np.bincount(bags.labels), dtype=torch.float32)
    for _ in range(steps):
        drawn = [source.draw(int(i), rng) for i in rng.choice(len(bags), BAGS_PER_STEP, replace=False)]
        padded, truth = pad(posts, [rows for rows, _ in drawn]), torch.tensor([label for _, label in drawn])
        logits, _ = net(torch.from_numpy(padded.features), torch.from_numpy(padded.mask))
        loss = nn.functional.cross_entropy(logits, truth, weight=weight, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm or torch.inf)
        optimizer.step()
        schedule.step()
    return net.eval()


def lines(name: str, probs: Float, truth: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """Lines of niche_accounts.csv of one way: the scores, then each niche's recall."""
    table = score_classes(probs, truth, labels=NICHES, rng=np.random.default_rng(0))
    for score in ("accuracy", "macro_f1", "ece"):
        low, high = table[f"{score}_ci"]
        yield {
            "pooling": name,
            "niche": "all",
            "score": score,
            "n": len(truth),
            "value": table[score],
            "low": low,
            "high": high,
        }
    for niche, part in table["per_class"].items():
        low, high = part["recall_ci"] or ("", "")
        yield {
            "pooling": name,
            "niche": niche,
            "score": "recall",
            "n": part["n"],
            "value": part["recall"],
            "low": low,
            "high": high,
        }


def main() -> None:
    """Encode, train, score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given, started = parser.parse_args(), time.monotonic()
    torch.set_num_threads(1)
    posts = read_posts(given.folder)
    bags = bags_by_creator(posts)
    print(f"{len(bags)} accounts, {len(posts)} posts, {time.monotonic() - started:.0f} s", flush=True)
    ways = pooled(posts, bags)
    for name, recipe in NETS.items():
        ways[name] = trained(posts, bags, recipe)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    write_rows(RESULTS, [line for name, probs in ways.items() for line in lines(name, probs, bags.labels)])
    for name, probs in ways.items():
        table = score_classes(probs, bags.labels, labels=NICHES, rng=np.random.default_rng(0))
        print(name, table["accuracy"], plain_interval(table["accuracy_ci"]), "macro-F1", table["macro_f1"])


if __name__ == "__main__":
    main()
