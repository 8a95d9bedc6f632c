"""Run `PYTHONPATH=src python recipes/creator_nets.py MATERIAL.npz OUT.npz --device cuda`: bags to the nets' answers.

The part of recipes/creator.py that profits from a GPU: for every division of the sources, nets over bags of posts are
trained on one half and answer made-up creators of the other. Needs numpy and torch and nothing else but this checkout;
minutes on a GPU, an hour on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from postlens.tasks.niche.evaluate import BagPlan, draw_bag
from postlens.train.attention import AttentionNet, bag_mean
from postlens.types import NICHES

K = len(NICHES)
# Every plan of the published table: posts, share on topic, share of "other" among the rest (even, everyday).
PLANS = tuple(BagPlan(n, s, o) for o, s, n in itertools.product((0.125, 0.5), (1.0, 0.5, 0.2), (5, 20, 100, 300)))
BAGS_PER_NICHE = 10  # of every plan and half
POOL = 3000  # bags drawn to train on; each step takes some of one size. Twice as many scored the same
SIZES = (10, 20, 50, 100)
BAGS_PER_STEP, LEARNING_RATE, WEIGHT_DECAY, SMOOTHING = 32, 1e-3, 0.1, 0.05
# As in train.creator_recipe, given here by name so that pydantic is not needed.
DEFAULTS: Mapping[str, Any] = {
    "pooling": "attention", "width": 512, "rank": 128, "n_heads": 4, "key_width": 64, "hidden": 256,
    "dropout": 0.5, "post_dropout": 0.2,
}  # fmt: skip
# Of training bags: thin half of the time, see train.bags.
THIN_SHARES, ALL_SHARES, OTHER_SHARES = (0.15, 0.3), (0.1, 1.0), (0.05, 0.6)
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Material:
    """Photos and the halves that their sources are divided into."""

    features: NDArray[np.float32]  # (N, D)
    logits: NDArray[np.float32]  # (R, N, 9) by heads that saw no photo of the source; one of R deals to folds
    labels: Int  # (N,)
    sources: Int  # (N,)
    halves: NDArray[np.bool_]  # (S, N): which photos are tested; the others are trained on

    @classmethod
    def load(cls, path: Path) -> Material:
        """As recipes/creator.py wrote it."""
        with np.load(path) as file:
            return cls(
                file["features"].astype(np.float32), file["logits"], file["labels"], file["sources"], file["halves"]
            )

    def logits_of(self, split: int) -> NDArray[np.float32]:
        """(N, 9) for a division; the deals take turns."""
        return np.asarray(self.logits[split % len(self.logits)])


def test_bags(material: Material, split: int) -> Iterator[tuple[BagPlan, Int, Int]]:
    """(plan, rows (B, n_posts), niches (B,)) of the held-out half; the same whenever asked."""
    rows = np.flatnonzero(material.halves[split])
    truth, sources = material.labels[rows], material.sources[rows]
    niches = np.repeat(np.arange(K), BAGS_PER_NICHE)
    for number, plan in enumerate(PLANS):
        rng = np.random.default_rng([split, number])
        bags = [draw_bag(plan, int(k), truth=truth, groups=sources, rng=rng, sources=1.0) for k in niches]
        yield plan, rows[np.stack(bags)], niches


def training_pool(material: Material, split: int) -> dict[int, tuple[Int, Int]]:
    """Bags by size: rows (B, size) of the other half, and niches (B,)."""
    rows, rng = np.flatnonzero(~material.halves[split]), np.random.default_rng([split, 999])
    truth, sources = material.labels[rows], material.sources[rows]
    pool: dict[int, tuple[Int, Int]] = {}
    for size in SIZES:
        niches = np.arange(POOL // len(SIZES)) % K
        bags = [draw_bag(draw_plan(size, rng), int(k), truth=truth, groups=sources, rng=rng) for k in niches]
        pool[size] = rows[np.stack(bags)], niches
    return pool


def draw_plan(n_posts: int, rng: np.random.Generator) -> BagPlan:
    """As `train.bags.draw_plan`."""
    share = rng.uniform(*(THIN_SHARES if rng.random() < 0.5 else ALL_SHARES))
    return BagPlan(n_posts, float(share), float(rng.uniform(*OTHER_SHARES)))


# --- nets -----------------------------------------------------------------------------------------------------------


class MeanLinear(nn.Module):  # type: ignore[misc]
    """Baseline: the mean vector, standardised, through one linear layer."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(dim, affine=False), nn.Linear(dim, K)

    def forward(self, features: Tensor) -> tuple[Tensor, None]:
        """Logits (B, 9)."""
        return self.head(self.norm(bag_mean(features, None))), None


def answers(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 18) log probabilities, cut at -8, and probabilities of the posts, scaled as the features are."""
    top = logits - logits.max(1, keepdims=True)
    log_p = top - np.log(np.exp(top).sum(1, keepdims=True))
    return np.concatenate([0.75 * np.maximum(log_p, -8), 3 * np.exp(log_p)], axis=1).astype(np.float32)


def attention_net(dim: int, **changed: Any) -> nn.Module:
    """The product's net with the recipe's settings, some of them changed."""
    return AttentionNet(dim=dim, n_classes=K, recipe=SimpleNamespace(**{**DEFAULTS, **changed}))


@dataclass(frozen=True, slots=True)
class Way:
    """What a net reads and how it is made from the width of that."""

    reads: str  # "features", "answers" or "both"
    make: Callable[[int], nn.Module]


WAYS: Mapping[str, Way] = {
    "mean of embeddings, linear head": Way("features", MeanLinear),
    "gated attention": Way("features", lambda dim: attention_net(dim, pooling="gated")),
    "attention": Way("features", attention_net),
    "attention, post answers too": Way("both", attention_net),
    "attention over post answers": Way("answers", lambda dim: attention_net(dim, rank=None, post_dropout=0.0)),
}


def inputs_of(material: Material, split: int) -> dict[str, NDArray[np.float32]]:
    """What nets read, standardised by the training half."""
    train = ~material.halves[split]
    mean, spread = material.features[train].mean(0), material.features[train].std(0)
    features = (material.features - mean) / (spread + 0.05 * spread.mean())
    said = answers(material.logits_of(split))
    return {"features": features, "answers": said, "both": np.concatenate([features, said], axis=1)}


def train_all(
    material: Material, split: int, *, ways: Sequence[str], steps: int, device: torch.device
) -> dict[str, tuple[nn.Module, Tensor]]:
    """Each way's trained net, and what it reads (N, D), on the device. All see the same bags."""
    torch.manual_seed(split)
    inputs = {name: torch.from_numpy(values).to(device) for name, values in inputs_of(material, split).items()}
    nets = {name: WAYS[name].make(inputs[WAYS[name].reads].shape[1]).to(device) for name in ways}
    optimizers = {
        n: torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY) for n, net in nets.items()
    }
    schedules = [torch.optim.lr_scheduler.OneCycleLR(one, LEARNING_RATE, steps) for one in optimizers.values()]
    pool, rng = training_pool(material, split), np.random.default_rng([split, 1])
    for _ in range(steps):
        bags, niches = pool[int(rng.choice(SIZES))]
        chosen = rng.choice(len(bags), BAGS_PER_STEP, replace=False)
        rows, truth = torch.from_numpy(bags[chosen]).to(device), torch.from_numpy(niches[chosen]).to(device)
        for name, net in nets.items():
            logits, _ = net(inputs[WAYS[name].reads][rows])
            loss = nn.functional.cross_entropy(logits, truth, label_smoothing=SMOOTHING)
            optimizers[name].zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizers[name].step()
        for schedule in schedules:
            schedule.step()
    return {name: (net.eval(), inputs[WAYS[name].reads]) for name, net in nets.items()}


def predict(net: nn.Module, inputs: Tensor, bags: Int) -> NDArray[np.float32]:
    """Probabilities (B, 9) of bags (B, n)."""
    few = np.array_split(bags, max(1, bags.size // 4000))
    with torch.inference_mode():
        parts = [torch.softmax(net(inputs[torch.from_numpy(rows).to(inputs.device)])[0], dim=1) for rows in few]
    return np.asarray(torch.cat(parts).cpu().numpy())


def run(material: Material, *, ways: Sequence[str], steps: int, device: torch.device) -> dict[str, NDArray[np.float16]]:
    """Probabilities (S, plans, B, 9) by the way's name."""
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in ways}
    for split in range(len(material.halves)):
        started = time.monotonic()
        nets = train_all(material, split, ways=ways, steps=steps, device=device)
        drawn = list(test_bags(material, split))
        for name, (net, inputs) in nets.items():
            found[name].append(np.stack([predict(net, inputs, bags) for _, bags, _ in drawn]))
        hits = {
            name: [(p.argmax(1) == t).mean() for p, (_, _, t) in zip(found[name][-1], drawn, strict=True)]
            for name in ways
        }
        told = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in hits.items())
        print(f"division {split}: {told}; {time.monotonic() - started:.0f} s", flush=True)
    return {name: np.stack(values).astype(np.float16) for name, values in found.items()}


def main() -> None:
    """Train, answer, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("material", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    torch.set_num_threads(1 if given.device == "cpu" else torch.get_num_threads())
    found = run(Material.load(given.material), ways=given.ways, steps=given.steps, device=torch.device(given.device))
    np.savez_compressed(given.out, **found)


if __name__ == "__main__":
    main()
