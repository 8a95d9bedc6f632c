"""What attention over a creator's posts costs on one core, written to benchmarks/results/creator_speed.csv.

    python benchmarks/creator_speed.py      # 1 min; needs the train extra

Nets with random weights (speed does not depend on them) are exported and run by the product's session: one thread,
processor time of the thread, so that other work on the machine shifts the numbers little; median and lowest of REPEATS
runs. "attention" is everything after the projection of each post to 512 numbers, measured on embedded posts; "whole"
starts at the encoder's vectors. The projection's product alone is timed too: it is the bound of the whole.
"""

import csv
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

import postlens
from postlens.tasks.niche.creators import CreatorModel, pool_posts
from postlens.train.attention import AttentionNet
from postlens.train.creator_export import OUTPUTS, OneBag, graph_of
from postlens.train.creator_recipe import CreatorRecipe
from postlens.types import ModelSpec
from postlens.vision.cards import file_sha256
from postlens.vision.session import Session

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "creator_speed.csv"
POSTS, DIM, WIDTH, N_CLASSES = (20, 100, 300), 1280, 512, 9
REPEATS = 101
RECIPES = {
    "attention (1280 -> 128 -> 512)": CreatorRecipe(),
    "attention, full projection (1280 -> 512)": CreatorRecipe(rank=None),
    "gated attention (1280 -> 128 -> 512)": CreatorRecipe(pooling="gated"),
}


class Attention(torch.nn.Module):  # type: ignore[misc]
    """Everything after the projection: on posts that are embedded already."""

    def __init__(self, whole: OneBag) -> None:
        super().__init__()
        self.pool, self.head = whole.pool, whole.head

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits and probabilities (1, K), attention (1, N)."""
        weights, pooled = self.pool(torch.relu(features), None)
        logits = self.head(pooled)
        return logits, torch.softmax(logits, dim=1), weights


class Product(torch.nn.Module):  # type: ignore[misc]
    """The projection's matrix product and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.project = torch.nn.Linear(DIM, WIDTH, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(1, N, 512)."""
        return torch.as_tensor(self.project(features))


def main() -> None:
    """Measure every model at every size and write one row each."""
    rows = list(measure())
    with RESULTS.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["model", "part", "posts", "median_ms", "lowest_ms", "postlens", "machine"])
        for *what, spent in rows:
            writer.writerow([*what, *(round(t, 3) for t in spent), postlens.__version__, platform.machine()])


def measure() -> Iterator[tuple[str, str, int, tuple[float, float]]]:
    """(model, part, posts, median and lowest milliseconds)."""
    product = opened(Product(), DIM, ("product",))
    mixture, rng = CreatorModel(), np.random.default_rng(0)
    for n in POSTS:
        probs = rng.dirichlet(np.full(N_CLASSES, 0.3), n)
        yield "mixture of post answers (ships)", "whole", n, spent_ms(lambda p=probs: pool_posts(p, mixture))
        yield "full projection (1280 -> 512)", "product alone", n, run_ms(product, DIM, n)
    for name, recipe in RECIPES.items():
        net = AttentionNet(dim=DIM, n_classes=N_CLASSES, recipe=recipe).eval()
        whole = OneBag(net, 1.0)
        for part, module, dim in (("whole", whole, DIM), ("attention", Attention(whole), WIDTH)):
            session = opened(module, dim, OUTPUTS)
            for n in POSTS:
                yield name, part, n, run_ms(session, dim, n)


def opened(module: torch.nn.Module, dim: int, outputs: tuple[str, ...]) -> Session:
    """The module, exported, in the product's own session."""
    probe = {"features": np.zeros((1, 5, dim), np.float32)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(graph_of(module, probe, outputs=outputs))
        spec = ModelSpec(
            name="speed", version="1", task="niche", file=path.name, sha256=file_sha256(path), licence="none",
            source="random weights", paper="none", outputs=outputs,
        )  # fmt: skip
        return Session(spec, path)


def run_ms(session: Session, dim: int, n: int) -> tuple[float, float]:
    """Median and lowest time of one bag of n posts."""
    inputs = {"features": np.random.default_rng(n).uniform(0, 2, (1, n, dim)).astype(np.float32)}
    return spent_ms(lambda: session.run(inputs))


def spent_ms(work: Callable[[], object]) -> tuple[float, float]:
    """Median and lowest processor time of REPEATS runs after one to warm up."""
    work()
    spent = []
    for _ in range(REPEATS):
        start = time.thread_time()
        work()
        spent.append((time.thread_time() - start) * 1e3)
    return float(np.median(spent)), min(spent)


if __name__ == "__main__":
    main()
