"""What a forecast of an analysed photo costs on one core, written to benchmarks/results/forecast_speed.csv.

    python benchmarks/forecast_speed.py      # 1 min

An account is drawn: posts a day apart with captions, measures and embeddings of the shipped encoder's length. What is
done once for an account (reading what its posts show and say, fitting its own model) stands apart from what each new
photo costs: its row, the trees, the reasons (TreeSHAP), the what-if table, similar posts. Reasons are measured on trees
of the shipped size trained here, so that they count whatever model ships. Processor time of the thread; median and
lowest of REPEATS runs after WARM ones.
"""

import csv
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lightgbm
import numpy as np

import postlens
from postlens.config import Settings
from postlens.pipelines.answers_engagement import Forecaster
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.explain import Explainer
from postlens.tasks.engagement.features import FEATURES, feature_row
from postlens.tasks.engagement.history import read_histories
from postlens.tasks.engagement.own import own_model
from postlens.tasks.engagement.predict import run_model
from postlens.tasks.engagement.reasons import find_reasons
from postlens.tasks.engagement.similar import similar_posts
from postlens.tasks.engagement.what_if import caption_changes, time_changes
from postlens.types import MediaFile

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "forecast_speed.csv"
SIZES = (30, 300)  # posts of the account
DIM = 1280
WARM, REPEATS = 3, 30
N_TREES, N_LEAVES = 400, 15  # of the shipped median
START = datetime(2025, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure each part and write the table."""
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["posts_of_account", "part", "median_ms", "lowest_ms", "postlens", "machine"])
        for n_posts in SIZES:
            for part, spent in measured(n_posts, np.random.default_rng(0)).items():
                row = [n_posts, part, round(float(np.median(spent)), 3), round(min(spent), 3)]
                rows.writerow([*row, postlens.__version__, f"{platform.machine()}, {os.cpu_count()} cores"])
                print(*row)


def measured(n_posts: int, rng: np.random.Generator) -> dict[str, list[float]]:
    """Milliseconds by part."""
    posts = [drawn_post(day, rng) for day in range(n_posts)]
    new = drawn_post(n_posts + 1, rng, counted=False)
    forecaster = Forecaster(Settings(engagement_method="accounts"))
    model, history = forecaster.model, next(iter(read_histories([new, *posts], metric="likes")))
    names = model.spec.labels or FEATURES
    explainer = drawn_trees(len(names), rng)
    row = feature_row(new, history, names=names)
    parts: dict[str, Callable[[], object]] = {
        "once: history of the account": lambda: next(iter(read_histories([new, *posts], metric="likes"))),
        "once: own model of the account": lambda: own_model(posts, metric="likes"),
        "features and trees": lambda: run_model(feature_row(new, history, names=names)[None], model),
        "reasons (TreeSHAP)": lambda: find_reasons(row, explainer, model),
        "similar posts": lambda: similar_posts(new, posts, metric="likes"),
        "what if: caption and hashtags": lambda: caption_changes(new, history, model),
        "what if: weekday and hour": lambda: time_changes(new, posts, metric="likes"),
        "first forecast of an account": lambda: forecaster.forecast([new, *posts], only=1),
    }
    spent = {part: timed(run) for part, run in parts.items()}
    each = [one for part, one in spent.items() if not part.startswith(("once", "first"))]
    return spent | {"a photo, all of it": [sum(values) for values in zip(*each, strict=True)]}


def timed(run: Callable[[], object]) -> list[float]:
    """Milliseconds of processor time of each run."""
    for _ in range(WARM):
        run()
    found = []
    for _ in range(REPEATS):
        start = time.thread_time()
        run()
        found.append(1e3 * (time.thread_time() - start))
    return found


def drawn_post(day: int, rng: np.random.Generator, *, counted: bool = True) -> PostFacts:
    """A post with everything that a forecast reads."""
    return PostFacts(
        post_id=f"post-{day}",
        published_at=START + timedelta(days=day, hours=int(rng.integers(24))),
        counts={"likes": float(rng.lognormal(6, 0.5))} if counted else {},
        followers=20_000.0,
        caption="a morning in the garden #flowers #spring " * int(rng.integers(1, 6)),
        media=MediaFile("0" * 64, "image", "a.jpg", 1080, 1350, 100_000),
        measures=dict.fromkeys(("brightness", "contrast", "saturation", "colourfulness", "symmetry"), 0.5),
        vector=rng.normal(size=DIM).astype(np.float32),
        n_faces=1,
        largest_face=0.1,
        niche="interior",
        niche_of_account="interior",
        valence=4.5,
    )


def drawn_trees(n_features: int, rng: np.random.Generator) -> Explainer:
    """Trees of the shipped number and size, on columns of noise."""
    x = rng.normal(size=(3000, n_features)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = np.nan_to_num(x[:, 0]) + rng.normal(size=len(x))
    params = {"num_leaves": N_LEAVES, "verbose": -1, "num_threads": 1, "feature_fraction": 0.3, "seed": 0}
    booster = lightgbm.train(params, lightgbm.Dataset(x, y), N_TREES)
    trees = [one["tree_structure"] for one in booster.dump_model()["tree_info"]]
    return Explainer.of(trees, n_features=n_features)


if __name__ == "__main__":
    main()
