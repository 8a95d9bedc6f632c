"""What a reaction costs on one core, written to benchmarks/results/react_speed.csv.

    python benchmarks/react_speed.py      # 1 min

A portrait of the sample campaign is re-encoded as a JPEG (longest side 1080 or 640 px) and goes through what `postlens
react` runs: decoding, the stages, and the answer from their features. Processor time of the thread, so that other work
on the machine shifts the numbers little; median and lowest of REPEATS runs after WARM ones. The models run on one
thread. "answer from stored features" is what an image costs that was analyzed before, without the database: one after
the other, as of a whole store.
"""

import csv
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

import postlens
from postlens.config import Settings
from postlens.media.decode import decode_file
from postlens.pipelines.answers_reactions import Reactor
from postlens.pipelines.decode import decoding, new_work
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.react_stages import reaction_stages
from postlens.pipelines.stage import MediaWork, Stage
from postlens.types import Creator, Post

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "react_speed.csv"
MEDIA = ROOT / "src" / "postlens" / "sample_campaign" / "media"
PICTURES = {
    "one face, 1080 px": ("sample.portraits/navy-cap.jpg", 1080),
    "one face, 640 px": ("sample.portraits/navy-cap.jpg", 640),
    "no face, 1080 px": ("sample.interior/sofa.jpg", 1080),
}
QUALITY = 85
WARM, REPEATS = 5, 60
ALL, ALL_VIEWS = "from JPEG bytes to the answer", "the same with --tta"
ANSWER = "answer from stored features"

Spent = dict[str, list[float]]  # part to milliseconds
Part = TypeVar("Part")


def main() -> None:
    """Measure each picture and write the table."""
    settings = Settings(workers=1)
    with tempfile.TemporaryDirectory() as folder, RESULTS.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["picture", "part", "median_ms", "lowest_ms", "postlens", "machine"])
        for name, (place, side_px) in PICTURES.items():
            path = encoded(MEDIA / place, Path(folder), side_px=side_px)
            for part, spent in measured(path, settings).items():
                row = [name, part, round(float(np.median(spent)), 3), round(min(spent), 3)]
                rows.writerow([*row, postlens.__version__, f"{platform.machine()}, {os.cpu_count()} cores"])
                print(*row)


def encoded(source: Path, folder: Path, *, side_px: int) -> Path:
    """The picture as a platform would deliver it."""
    path = folder / f"{source.stem}-{side_px}.jpg"
    with Image.open(source) as image:
        scale = side_px / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        ImageOps.exif_transpose(image).convert("RGB").resize(size, Image.Resampling.BICUBIC).save(path, quality=QUALITY)
    return path


def measured(path: Path, settings: Settings) -> Spent:
    """Milliseconds of every part, and of their sum."""
    stages, reactor = reaction_stages(views=True, kept=False), Reactor(settings)
    for stage in stages:
        stage.setup()
    found: Spent = defaultdict(list)
    for number in range(WARM + REPEATS):
        spent = dict(one_run(path, settings, stages, reactor))
        spent[ALL_VIEWS] = sum(spent.values())
        spent[ALL] = spent[ALL_VIEWS] - spent["views (--tta)"]
        if number >= WARM:
            for part, value in spent.items():
                found[part].append(value)
    return found


def one_run(path: Path, settings: Settings, stages: list[Stage], reactor: Reactor) -> Iterator[tuple[str, float]]:
    """Each part with its milliseconds."""
    decoded, spent = timed(lambda: new_work(decode_file(path, how=decoding("image", settings))))
    yield "read and decode", spent
    work = decoded
    for stage in stages:
        (work,), spent = timed(lambda stage=stage, work=work: stage((work,)))  # type: ignore[misc]
        yield "views (--tta)" if stage.name == "views" else stage.name, spent
    facts, post = facts_of(work)
    reactor.react(post, facts)  # the models before it have emptied the caches
    forecast, spent = timed(lambda: reactor.react(post, facts))
    assert forecast is not None
    yield ANSWER, spent


def facts_of(work: MediaWork) -> tuple[CreatorFacts, Post]:
    """What the store would know of a post with this file alone."""
    post = Post("p", "c", "", (work.sha256,))
    features = work.features
    assert features.embeddings is not None and features.pts_s is not None and features.faces is not None
    facts = CreatorFacts(
        creator=Creator("c", "", "c"),
        posts=(post,),
        post_media={},
        media={work.sha256: features.media},
        embeddings={work.sha256: (features.embeddings, features.pts_s)},
        faces={work.sha256: features.faces} if len(features.faces) else {},
        measures={},
        snapshots={},
    )
    return facts, post


def timed(work: Callable[[], Part]) -> tuple[Part, float]:
    """What it returns, and the processor time of this thread in milliseconds."""
    start = time.thread_time()
    found = work()
    return found, 1e3 * (time.thread_time() - start)


if __name__ == "__main__":
    main()
