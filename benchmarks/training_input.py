"""How fast training is fed from .npy, .npz and JPEGs, and what these take: benchmarks/results/training_input.csv.

    python benchmarks/training_input.py ../shared/data/niche      # 15 minutes on two cores

Two sets of photos: N_PHOTOS of the folder as they are, and N_ENLARGED of these with a long side of 1350 px, as
Instagram stores them (enlarged photos are smoother than real ones: their JPEGs are smaller and decode a bit faster).
Batches come from the loader that training uses, files in the page cache. Each row has wall time (median of REPEATS
epochs, with the slowest and fastest) and the processor time of all processes, which other work on the machine shifts
less.
"""

from __future__ import annotations

import csv
import datetime
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from postlens.config import Settings
from postlens.media.image import decode_image, encode_jpeg
from postlens.train.augment import eval_transform, train_transform
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.cache import ImageCache, build_cache
from postlens.train.data import EpochSampler, Loading, make_loader
from postlens.train.labels import LabelledImages, read_labelled_images
from postlens.train.pictures import ImageFiles, Pictures
from postlens.types import Image
from postlens.vision.encoder import centre_square

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "training_input.csv"
N_PHOTOS = 1000
N_ENLARGED = 300
SIZE_PX = 224
INSTAGRAM_SIDE_PX = 1350  # 1080 x 1350, the largest upright photo that Instagram stores
JPEG_QUALITY = 85
BATCH_SIZE = 32
REPEATS = 3
WORKERS = (1, 2)
AUGMENTS = {"none": None, "default": AugmentRecipe()}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the results."""

    photos: str
    form: str
    augment: str
    workers: int
    n_images: int
    disk_mib: float
    disk_share_of_jpeg: float
    made_images_per_s: float | None  # by two threads; None: nothing to make
    images_per_s: float
    images_per_s_low: float
    images_per_s_high: float
    cpu_ms_per_image: float  # of all processes together; 1000 / this is what one free core delivers
    load: float  # processes that wanted a core meanwhile, these among them: above the cores, wall times are too long


class FullScale:
    """Image files decoded at their full size, as most data loaders do."""

    def __init__(self, labelled: LabelledImages) -> None:
        self.labelled = labelled

    def image(self, row: int) -> Image:
        """The centre square of the whole picture."""
        image = decode_image(self.labelled.paths[row], max_side_px=None).image
        return centre_square(image, width_px=SIZE_PX, height_px=SIZE_PX)


@dataclass(frozen=True, slots=True)
class Form:
    """One way of keeping pictures."""

    name: str
    pictures: Pictures
    n_bytes: int
    made_images_per_s: float | None = None


def forms(images: LabelledImages, folder: Path) -> Iterator[Form]:
    """The four ways, caches made in the folder."""
    n_bytes = sum(Path(path).stat().st_size for path in images.paths)
    yield Form("jpeg, full scale", FullScale(images), n_bytes)
    yield Form("jpeg, reduced scale", ImageFiles(images, size_px=SIZE_PX), n_bytes)
    for name, compressed in (("npy", False), ("npz", True)):
        started = time.perf_counter()
        manifest = build_cache(images, folder / name, size_px=SIZE_PX, compressed=compressed, workers=2)
        made = len(images) / (time.perf_counter() - started)
        yield Form(name, ImageCache.open(folder / name), manifest.n_bytes, made)


def measure(form: Form, *, photos: str, augment: str, workers: int, jpeg_bytes: int) -> Row:
    """Epochs over all pictures, the first of which warms up."""
    recipe = AUGMENTS[augment]
    transform = train_transform(recipe, size_px=SIZE_PX) if recipe else eval_transform(size_px=SIZE_PX)
    n = len(form.pictures.labelled)
    cpu_before, speeds = cpu_s(), []
    loader = make_loader(
        form.pictures,
        EpochSampler(np.arange(n), seeds=(0,)),
        transform,
        loading=Loading(batch_size=BATCH_SIZE, workers=workers),
        train=True,
    )
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        delivered = sum(len(images) for images, _ in loader)
        speeds.append(delivered / (time.perf_counter() - started))
    del loader  # ends the workers, whose processor time then counts
    return Row(
        photos=photos,
        form=form.name,
        augment=augment,
        workers=workers,
        n_images=n,
        disk_mib=round(form.n_bytes / 2**20, 1),
        disk_share_of_jpeg=round(form.n_bytes / jpeg_bytes, 2),
        made_images_per_s=form.made_images_per_s and round(form.made_images_per_s),
        images_per_s=round(float(np.median(speeds[1:]))),
        images_per_s_low=round(min(speeds[1:])),
        images_per_s_high=round(max(speeds[1:])),
        cpu_ms_per_image=round((cpu_s() - cpu_before) / (delivered * (REPEATS + 1)) * 1e3, 2),
        load=round(os.getloadavg()[0], 1),
    )


def cpu_s() -> float:
    """Processor time of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def sample(folder: Path) -> LabelledImages:
    """N_PHOTOS photos, drawn with a fixed seed."""
    images = read_labelled_images(folder)
    rows = np.random.default_rng(0).permutation(len(images))[:N_PHOTOS]
    return images[np.sort(rows)]


def enlarged(images: LabelledImages, folder: Path) -> LabelledImages:
    """Copies with a long side of INSTAGRAM_SIDE_PX."""
    from PIL import Image as Pil

    paths = []
    for number, path in enumerate(images.paths):
        small = Pil.fromarray(decode_image(path, max_side_px=None).image)
        ratio = INSTAGRAM_SIDE_PX / max(small.size)
        large = small.resize((round(small.width * ratio), round(small.height * ratio)), Pil.Resampling.BICUBIC)
        paths.append(folder / f"{number:05d}.jpg")
        paths[-1].write_bytes(encode_jpeg(np.asarray(large), JPEG_QUALITY))
    return replace(images, paths=tuple(map(str, paths)))


def spread(n: int) -> np.ndarray:
    """N_ENLARGED rows, evenly over all, so that each label is there."""
    return np.linspace(0, n - 1, N_ENLARGED).astype(np.int64)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {
        "commit": commit.stdout.strip(),
        "at": datetime.date.today().isoformat(),
        "machine": f"{Settings().workers} cores, {platform.machine()}, torch {torch.__version__}",
    }


def main(folder: Path) -> None:
    """Measure every form, with and without augmentation, and write one row each."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        small = sample(folder)
        (Path(place) / "large").mkdir()
        sets = {"as collected": small, "long side 1350 px": enlarged(small[spread(len(small))], Path(place) / "large")}
        for number, (photos, images) in enumerate(sets.items()):
            jpeg_bytes = sum(Path(path).stat().st_size for path in images.paths)
            for form in forms(images, Path(place) / str(number)):
                for augment in AUGMENTS:
                    for workers in WORKERS:
                        rows.append(
                            measure(form, photos=photos, augment=augment, workers=workers, jpeg_bytes=jpeg_bytes)
                        )
                        print(rows[-1])
    stamp = machine()
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*asdict(rows[0]), *stamp], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) | stamp for row in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
