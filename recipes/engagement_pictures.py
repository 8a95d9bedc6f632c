"""Run `python recipes/engagement_pictures.py --data ../shared/data`: thumbnails to what they add, and the plain CNN.

About ten minutes on one of 2 shared cores (AMD EPYC); needs `postlens[train]` (torch, LightGBM). Nothing is shipped.

Two questions on held-out accounts of a stated sample: what the encoder's features of the thumbnails (16 principal
components) add to the metadata, and what the reference CNN reaches from pixels alone. The CNN: 3x3 convolutions of 32
and 64 filters without padding, each followed by ReLU and 2x2 max pooling, dense 128, dropout 0.2, dense 1, on 64x64x3
pixels / 255, Adam, mean squared error: 1,625,281 parameters (64 -> 62 -> 31 -> 29 -> 14; 14 * 14 * 64 = 12,544 inputs).
Its target here is log(1 + likes), which is kinder to it than plain likes. Writes
benchmarks/results/engagement_pictures.csv.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import io
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from torch import nn

from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.vision.encoder import Encoder

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

from engagement import (  # noqa: E402
    RESULTS,
    Table,
    account_folds,
    build_table,
    columns_of,
    fit,
    outcomes_of,
    predict,
    score_outcomes,
    write_csv,
)

N_PARAMETERS = 1_625_281
SIDE_PX = 64
N_COMPONENTS = 16
TABLE_GROUPS = ("followers", "history", "caption", "shape")  # what a spreadsheet of one's own posts holds
FULL_GROUPS = (*TABLE_GROUPS, "account", "horizon", "tags", "alt")
Float = NDArray[np.float64]


def reference_cnn() -> nn.Sequential:
    """The plain network, (N, 3, 64, 64) to (N, 1)."""
    net = nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(12_544, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 1)),
    )
    assert sum(weight.numel() for weight in net.parameters()) == N_PARAMETERS
    return net


def train_cnn(pixels: torch.Tensor, target: Float, *, epochs: int) -> nn.Sequential:
    """Adam on mean squared error in batches of 32; pixels (N, 3, 64, 64) in 0..1, target log(1 + likes)."""
    torch.manual_seed(0)
    net = reference_cnn()
    optimizer = torch.optim.Adam(net.parameters())
    wanted = torch.tensor(target, dtype=torch.float32)[:, None]
    for epoch in range(epochs):
        net.train()
        losses = []
        for rows in torch.randperm(len(pixels)).split(32):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(pixels[rows]), wanted[rows])
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
    return net.eval()


def read_thumbnails(path: Path) -> list[NDArray[np.uint8]]:
    """RGB thumbnails by line of the collection, which is the post_id that `read_collection` gives."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [base64.b64decode(json.loads(line)["thumb_jpeg"]) for line in lines]
    return [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in found]


def to_pixels(images: list[NDArray[np.uint8]]) -> torch.Tensor:
    """(N, 3, 64, 64) in 0..1."""
    small = [np.asarray(Image.fromarray(image).resize((SIDE_PX, SIDE_PX))) for image in images]
    return torch.tensor(np.stack(small)).permute(0, 3, 1, 2).float() / 255


def embed(images: list[NDArray[np.uint8]]) -> Float:
    """(N, 1280) by the product's encoder."""
    encoder = Encoder()
    return np.concatenate([encoder.embed(images[i : i + 32])[0] for i in range(0, len(images), 32)]).astype(np.float64)


def guess_with(table: Table, fold: NDArray[np.int64], groups: tuple[str, ...], extra: Float | None) -> Float:
    """Held-out medians from groups of features, and from the principal components of `extra` where given."""
    guess = np.full(len(table), np.nan)
    columns = [0, *columns_of(groups)]
    for k in range(fold.max() + 1):
        x = table.x[:, columns]
        if extra is not None:
            x = np.hstack([x, PCA(N_COMPONENTS, random_state=0).fit(extra[fold != k]).transform(extra)])
        shown = Table(x.astype(np.float32), *(getattr(table, name) for name in Table.__slots__[1:]))
        booster = fit(shown.take(fold != k), 0.5, rounds=250)
        guess[fold == k] = predict(booster, shown.x[fold == k])
    return guess


def row(case: str, table: Table, guess: Float, blind: Float) -> dict[str, Any]:
    """Scores of one case."""
    scores = score_outcomes(outcomes_of(table, np.stack([guess] * 3, axis=1), blind), rng=np.random.default_rng(0))
    keys = ("n", "mae_log", "mae_log_ci", "spearman", "spearman_ci", "pair_accuracy", "pair_accuracy_ci")
    return {"case": case, **{key: scores[key] for key in keys}}


def main() -> None:
    """Sample accounts, score each case, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with instagram_posts/")
    parser.add_argument("--accounts", type=int, default=5000, help="sampled with seed 0")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder, started = arguments.data / "instagram_posts", time.perf_counter()
    everyone = read_collection(folder).accounts
    names = np.random.default_rng(0).permutation(sorted(everyone))[: arguments.accounts]
    accounts = {name: everyone[name] for name in names.tolist()}
    table = build_table(accounts)
    cold = build_table(accounts, change=lambda post: replace(post, counts={}))
    thumbnails = read_thumbnails(folder / POSTS)
    images = [thumbnails[int(post.post_id)] for posts in accounts.values() for post in posts]
    fold = account_folds(len(accounts))[table.account.astype(int)]
    vectors = embed(images)
    print(f"encoded {len(images)} thumbnails; {time.perf_counter() - started:.0f} s")
    rows = []
    cases = {
        "table": (TABLE_GROUPS, None),
        "table + measures": ((*TABLE_GROUPS, "measures"), None),
        "table + measures + encoder": ((*TABLE_GROUPS, "measures"), vectors),
        "all but pictures": (FULL_GROUPS, None),
        "all but pictures + measures": ((*FULL_GROUPS, "measures"), None),
        "all but pictures + measures + encoder": ((*FULL_GROUPS, "measures"), vectors),
    }
    for name, (groups, extra) in cases.items():
        rows.append(row(name, table, guess_with(table, fold, groups, extra), guess_with(cold, fold, groups, extra)))
        print(rows[-1])
    pixels, test = to_pixels(images), fold == 0
    net = train_cnn(pixels[torch.tensor(~test)], table.y[~test], epochs=arguments.epochs)
    with torch.no_grad():
        guess = (
            torch.cat([net(part)[:, 0] for part in pixels[torch.tensor(test)].split(256)]).numpy().astype(np.float64)
        )
    rows.append(row("reference CNN, pixels only, one fifth held out", table.take(test), guess, guess))
    constant = np.full(int(test.sum()), np.median(table.y[~test]))
    rows.append(row("constant, same posts", table.take(test), constant, constant))
    print(*rows[-2:], f"{time.perf_counter() - started:.0f} s", sep="\n")
    write_csv(RESULTS / "engagement_pictures.csv", rows)


if __name__ == "__main__":
    main()
