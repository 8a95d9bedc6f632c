"""Training throughput beside what limits it: benchmarks/results/training.csv, a row for each way on each machine.

    OMP_NUM_THREADS=1 python benchmarks/training.py --synthetic 128 --workers 1     # processor: 2 minutes
    python benchmarks/training.py CACHE --batch-size 32 256 --augment-on workers device --compile    # GPU: see below

CACHE is a folder of `postlens preprocess`; without one, SYNTHETIC pictures of noise in memory stand for it. For each
recipe, batch size and place of the augmentation it measures, all layers learning:

- loop: images/s of the epochs that `postlens train niche` runs, after the first, the median;
- model: forward, loss, backward and step of the net alone, on one batch that lies on the device: the machine's limit;
- input: batches from the loader, brought to the device and made ready for the net, and nothing else.

Both limits cannot be passed; `gap` is what the loop loses against the lower one, named in `limited_by`. Each of the
three takes SECONDS, plus about a minute with --compile; on a GPU with default settings about a minute a row.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import postlens
from postlens.train.backbones import build_net
from postlens.train.cache import ImageCache
from postlens.train.data import Loading, Material, NicheData
from postlens.train.fit import Machine, fit_phase, precision_of
from postlens.train.keeper import Keeper
from postlens.train.labels import LabelledImages, Split
from postlens.train.learner import PhaseLearner
from postlens.train.module import NicheNet
from postlens.train.phases import BATCH_NORMS, freeze, make_optimizer, set_training
from postlens.train.recipe import Phase, Recipe, list_recipes, load_recipe
from postlens.train.run_folder import RunFolder
from postlens.types import NICHES, Image

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "training.csv"
N_VAL = 64  # validation takes no part in what is measured
WARM_UP = 5  # steps before the clock starts
POOL = 256  # different pictures of noise
KEY = ("machine", "torch", "backbone", "batch", "precision", "augment_on", "compiled", "workers", "data")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the results; speeds in images/s."""

    machine: str
    torch: str
    backbone: str
    batch: int
    precision: str
    augment_on: str
    compiled: bool
    workers: int
    data: str
    size_px: int
    loop: float
    model: float
    input: float
    limited_by: str
    gap: float  # 1 - loop / lower limit
    postlens: str = postlens.__version__


class Noise:
    """Pictures of noise in memory, copied when read as from a cache."""

    def __init__(self, n: int, *, size_px: int) -> None:
        self._pool = np.random.default_rng(0).integers(0, 256, (min(n, POOL), size_px, size_px, 3), dtype=np.uint8)
        paths = tuple(str(k) for k in range(n))
        self.labelled = LabelledImages(paths, np.arange(n) % len(NICHES), paths, NICHES)

    def image(self, row: int) -> Image:
        """uint8 (size_px, size_px, 3)."""
        return self._pool[row % len(self._pool)].copy()


def main() -> None:
    """Measure every way that is asked for; rows of other machines and ways stay."""
    asked = parse()
    ways = itertools.product(asked.recipe, asked.batch_size, asked.augment_on, (False, True)[: 1 + asked.compile])
    for name, batch, augment_on, compiled in ways:
        recipe = load_recipe(name).changed(batch_size=batch, augment_on=augment_on, precision=asked.precision)
        recipe = recipe if recipe.weights == "shipped" else recipe.changed(weights="none")
        workers = asked.workers if asked.workers is not None else len(os.sched_getaffinity(0))
        machine = Machine(workers=workers, progress=False, compiled=compiled)
        row = measure(material_of(asked, recipe), recipe, machine, asked=asked)
        print(*(f"{name}={value}" for name, value in asdict(row).items()), flush=True)
        write(row)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", nargs="?", type=Path)
    parser.add_argument("--synthetic", type=int, default=4096, help="pictures where no cache is given")
    parser.add_argument("--recipe", nargs="+", default=["efficientnet_lite0"], choices=list_recipes())
    parser.add_argument("--batch-size", nargs="+", type=int, default=[32])
    parser.add_argument("--augment-on", nargs="+", default=["workers"], choices=["workers", "device"])
    parser.add_argument("--precision", default="auto", choices=["auto", "32", "bf16", "fp16"])
    parser.add_argument("--workers", type=int, help="processes that make batches; default: usable cores")
    parser.add_argument("--compile", action="store_true", help="each way with torch.compile too")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each of the three figures")
    return parser.parse_args()


def material_of(asked: argparse.Namespace, recipe: Recipe) -> Material:
    """All pictures for training but a few."""
    pictures: Any = ImageCache.open(asked.cache) if asked.cache else Noise(asked.synthetic, size_px=recipe.size_px)
    images = pictures.labelled
    rows = np.random.default_rng(0).permutation(len(images))
    n_val = min(N_VAL, len(rows) // 4)
    return Material(pictures, images, Split(train=rows[n_val:], val=rows[:n_val], test=rows[:0]))


def measure(material: Material, recipe: Recipe, machine: Machine, *, asked: argparse.Namespace) -> Row:
    """One row."""
    model = model_speed(recipe, machine, material.n_classes, seconds=asked.seconds / 2)
    read = input_speed(material, recipe, machine, seconds=asked.seconds)
    loop = loop_speed(material, recipe, machine, n_images=asked.seconds * min(model, read))
    # Before and after: what else the machine did during one of them does not lower the limit.
    model = max(model, model_speed(recipe, machine, material.n_classes, seconds=asked.seconds / 2))
    lower = min(model, read)
    cores = len(os.sched_getaffinity(0))
    device = torch.cuda.get_device_name() if machine.on_cuda else platform.machine()
    return Row(
        machine=f"{device}, {cores} cores, Python {platform.python_version()}",
        torch=torch.__version__,
        backbone=recipe.backbone,
        batch=recipe.batch_size,
        precision=precision_of(recipe, machine),
        augment_on=recipe.augment_on,
        compiled=machine.compiled,
        workers=machine.workers,
        data="cache" if asked.cache else "synthetic",
        size_px=recipe.size_px,
        loop=round(loop, 1),
        model=round(model, 1),
        input=round(read, 1),
        limited_by="model" if lower == model else "input",
        gap=round(1 - loop / lower, 3),
    )


def make_net(recipe: Recipe, *, n_classes: int) -> NicheNet:
    """The recipe's net; random norms get statistics of noise, or its signals would fade to slow denormal numbers."""
    net = build_net(recipe, n_classes=n_classes)
    norms = [one for one in net.modules() if isinstance(one, BATCH_NORMS) and recipe.weights == "none"]
    for norm in norms:
        norm.train().momentum = 1.0
    with torch.inference_mode():
        net(torch.randn(8, *recipe.input_size))
    return net.eval()


def model_speed(recipe: Recipe, machine: Machine, n_classes: int, *, seconds: float) -> float:
    """Images/s of the net's own training steps."""
    device, n = machine.device, recipe.batch_size
    net = make_net(recipe, n_classes=n_classes).to(device)
    images, truth = torch.randn(n, *recipe.input_size, device=device), torch.zeros(n, dtype=torch.long, device=device)
    torch.backends.cudnn.benchmark = machine.on_cuda
    net, images = (one.to(memory_format=torch.channels_last) for one in (net, images))
    freeze(net, len(list(net.modules())))
    set_training(net, batch_norm=recipe.batch_norm)
    optimizer = make_optimizer(net, Phase(name="all", epochs=1, unfrozen_layers=1), fused=machine.on_cuda)
    run = torch.compile(net) if machine.compiled else net
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision_of(recipe, machine))

    def step() -> int:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            loss = torch.nn.functional.cross_entropy(run(images).float(), truth)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return n

    return speed(itertools.repeat(step), machine, seconds=seconds)


def input_speed(material: Material, recipe: Recipe, machine: Machine, *, seconds: float) -> float:
    """Images/s of batches that are ready for the net, over as many epochs as it takes."""
    loading = Loading(recipe.batch_size, machine.workers, pinned=machine.on_cuda)
    learner = PhaseLearner(make_net(recipe, n_classes=material.n_classes), recipe, material, phase=0)
    learner.to(machine.device)
    data = NicheData(material, recipe, phase=0, first_epoch=0, loading=loading)
    loader = data.train_dataloader()

    def steps() -> Iterator[Callable[[], int]]:
        while True:
            for batch in loader:
                yield partial(prepared, batch)

    def prepared(batch: Sequence[torch.Tensor]) -> int:
        images, _, *draws = (part.to(machine.device, non_blocking=True) for part in batch)
        return len(learner.prepare(images, *draws))

    try:
        return speed(steps(), machine, seconds=seconds)
    finally:
        data.close()


def speed(steps: Iterator[Callable[[], int]], machine: Machine, *, seconds: float) -> float:
    """Images/s of steps that return how many they did."""
    for step in itertools.islice(steps, WARM_UP):
        step()
    wait(machine)
    n, start = 0, time.perf_counter()
    for step in steps:
        n += step()
        if time.perf_counter() - start > seconds:
            break
    wait(machine)
    return n / (time.perf_counter() - start)


def wait(machine: Machine) -> None:
    """Until the device has done what it was given."""
    if machine.on_cuda:
        torch.cuda.synchronize()


def loop_speed(material: Material, recipe: Recipe, machine: Machine, *, n_images: float) -> float:
    """Images/s of the training loop itself: the median over the epochs after the first, `n_images` in all or more."""
    epochs = 1 + max(2, math.ceil(n_images / len(material.split.train)))
    phase = Phase(name="all", epochs=epochs, unfrozen_layers=10**6)
    recipe = recipe.changed(phases=[phase]).model_copy(update={"patience": None})  # on noise no epoch is better
    loading = Loading(recipe.batch_size, machine.workers, pinned=machine.on_cuda)
    with tempfile.TemporaryDirectory() as folder:
        keeper = Keeper(RunFolder(Path(folder)), [], material="", loggers=())
        net = make_net(recipe, n_classes=material.n_classes)
        learner = PhaseLearner(net, recipe, material, phase=0, compiled=machine.compiled)
        data = NicheData(material, recipe, phase=0, first_epoch=0, loading=loading)
        fit_phase(learner, data, keeper, machine=machine, resume_from=None)
    return statistics.median(row["images_per_s"] for row in keeper.history[1:])


def write(row: Row) -> None:
    """Put the row in the place of an earlier one of the same way and machine, or at the end."""
    values = {name: str(value) for name, value in asdict(row).items()}
    rows = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            rows = [one for one in csv.DictReader(file) if any(one[name] != values[name] for name in KEY)]
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(values), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, values])


if __name__ == "__main__":
    main()
