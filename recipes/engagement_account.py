"""Run `python recipes/engagement_account.py --data ../shared/data`: drawn accounts to what their own models reach.

About 8 minutes on one of 2 shared cores (AMD EPYC); needs `postlens[train]` (LightGBM). Nothing is shipped.

No account at hand has 30 photos with pictures and likes: the Instagram posts have at most eight of one account, the
large accounts of 2017 no pictures. So accounts are drawn: photos of the niche collection (embeddings and measures are
those of photographs, an account has photos of two niches), counts drawn as log-normal around a level, with an effect of
brightness, of a direction of the embedding, of both, or of nothing. `effect` is the share of the variance of log counts
that the picture makes. Levels: steady, growing (doubling over the account), or wandering (autocorrelation .9), where
neighbours in time are alike in counts and, as in life, in pictures: a photo series in a random order of niches.
Writes benchmarks/results/engagement_account.csv.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from postlens.tasks.engagement.account import AccountModel, AccountRows, fit_account, forecast_account
from postlens.tasks.engagement.account_rows import EXTRAS, learn_space
from postlens.tasks.scoring import plain_interval
from postlens.vision.encoder import Encoder
from postlens.vision.measures import measure_image

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SIZES = (30, 100, 300)
EFFECTS = {"none": 0.0, "brightness": 0.15, "embedding": 0.15, "embedding, strong": 0.4}
LEVELS = ("steady", "growing", "wandering")
SPREAD = 0.57  # standard deviation of log likes within accounts: root of .32, docs/log/engagement.md
N_LATER = 40  # posts after the fitted ones, to see what the forecasts are worth
TREES = {"objective": "regression_l1", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 10, "verbose": -1}
TREES |= {"lambda_l2": 5.0, "feature_fraction": 0.5, "num_threads": 1, "seed": 0, "deterministic": True}
Float = NDArray[np.float64]


def read_photos(folder: Path, *, cache: Path | None, n: int) -> tuple[AccountRows, NDArray[np.str_]]:
    """Rows of drawn niche photos and their niches; kept in `cache`."""
    if cache is not None and cache.is_file():
        with np.load(cache) as held:
            return AccountRows(held["vectors"], held["extras"]), held["niche"]
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:n]]
    photos = [np.asarray(Image.open(folder / one["file"]).convert("RGB")) for one in drawn]
    measured = [measure_image(photo) for photo in photos]
    extras = np.array([[row.get(name, np.nan) for name in EXTRAS] for row in measured])
    niche = np.array([one["label"] for one in drawn])
    found = AccountRows(Encoder().embed(photos)[0], extras)
    if cache is not None:
        np.savez(cache, vectors=found.vectors, extras=found.extras, niche=niche)
    return found, niche


def draw_account(
    photos: AccountRows, niche: NDArray[np.str_], *, n: int, effect: str, level: str, rng: np.random.Generator
) -> tuple[AccountRows, Float]:
    """Rows of an account's n photos in order of time, and its log counts."""
    two = rng.choice(np.unique(niche), 2, replace=False)
    series = np.repeat(rng.random(n // 5 + 1) < 0.5, 5)[:n]  # photos come in fives of one niche
    rows = photos.take(np.array([rng.choice(np.flatnonzero(niche == two[int(second)])) for second in series]))
    share = EFFECTS[effect]
    signal = _unit(_signal(rows, effect, rng)) * np.sqrt(share)
    noise = rng.normal(size=n) * np.sqrt(1 - share)
    return rows, 6.0 + SPREAD * (signal + noise) + _drift(level, n, rng)


def _signal(rows: AccountRows, effect: str, rng: np.random.Generator) -> Float:
    if effect == "brightness":
        return rows.extras[:, EXTRAS.index("brightness")]
    return np.asarray(rows.vectors @ rng.normal(size=rows.vectors.shape[1]), np.float64)


def _unit(values: Float) -> Float:
    return np.asarray((values - values.mean()) / max(values.std(), 1e-9))


def _drift(level: str, n: int, rng: np.random.Generator) -> Float:
    if level == "steady":
        return np.zeros(n)
    if level == "growing":
        return np.linspace(0.0, np.log(2), n)
    steps, found = rng.normal(size=n), np.zeros(n)
    for i in range(1, n):
        found[i] = 0.9 * found[i - 1] + np.sqrt(1 - 0.81) * steps[i]
    return SPREAD * found


def boosted(rows: AccountRows, y: Float, later: AccountRows, level: float) -> Float:
    """(M,) forecasts of later posts by small trees on the same columns, shrunk by half; 60 rounds."""
    space = learn_space(rows)
    data = lightgbm.Dataset(space.design(rows), y - level)
    return level + 0.5 * np.asarray(lightgbm.train(TREES, data, 60).predict(space.design(later), num_threads=1))


def one_account(
    photos: AccountRows, niche: NDArray[np.str_], *, n: int, effect: str, level: str, rng: np.random.Generator
) -> dict[str, float]:
    """Errors on the N_LATER posts after the fitted ones."""
    rows, y = draw_account(photos, niche, n=n + N_LATER, effect=effect, level=level, rng=rng)
    own, later, actual = rows.take(np.arange(n)), rows.take(np.arange(n, n + N_LATER)), y[n:]
    started = time.perf_counter()
    model = fit_account(own, np.expm1(y[:n]), times_s=np.arange(n, dtype=np.float64))
    assert model is not None
    seconds = time.perf_counter() - started
    lower, middle, upper = forecast_account(model, later).T
    trees = boosted(own, y[:n], later, model.level)
    return {
        "called_better": float(model.better_than_median),
        "no_effect_chosen": float(np.isinf(model.penalty)),
        "mae_log": _mean_error(actual, middle),
        "mae_log_median": _mean_error(actual, np.full(N_LATER, model.level)),
        "mae_log_if_better_only": _mean_error(actual, middle if model.better_than_median else _flat(model)),
        "mae_log_trees": _mean_error(actual, trees),
        "coverage_90": float(((actual >= lower) & (actual <= upper)).mean()),
        "fit_s": seconds,
    }


def _flat(model: AccountModel) -> Float:
    return np.full(N_LATER, model.level)


def _mean_error(actual: Float, guess: Float) -> float:
    return float(np.abs(actual - guess).mean())


def summary(found: list[dict[str, float]]) -> dict[str, Any]:
    """Means over accounts, and a 95 % interval (normal) of the share called better."""
    means = {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
    p, n = means["called_better"], len(found)
    half = 1.96 * np.sqrt(p * (1 - p) / n + 1.96**2 / (4 * n**2)) / (1 + 1.96**2 / n)
    middle = (p + 1.96**2 / (2 * n)) / (1 + 1.96**2 / n)  # Wilson 1927
    return {"n_accounts": n, **means, "called_better_ci": plain_interval((max(middle - half, 0.0), middle + half))}


def main() -> None:
    """Draw, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with niche/")
    parser.add_argument("--cache", type=Path, help="folder for embeddings, made once")
    parser.add_argument("--accounts", type=int, default=60, help="of each case; three times as many without effect")
    arguments = parser.parse_args()
    cache = arguments.cache and arguments.cache / "account_photos.npz"
    photos, niche = read_photos(arguments.data / "niche", cache=cache, n=1500)
    rows = []
    for number, (effect, share) in enumerate(EFFECTS.items()):
        for level in LEVELS:
            for n in SIZES:
                rng = np.random.default_rng([n, LEVELS.index(level), number])
                times = arguments.accounts * (1 if share else 3)
                found = [one_account(photos, niche, n=n, effect=effect, level=level, rng=rng) for _ in range(times)]
                case = {"effect": effect, "share_of_variance": share, "level": level, "n_posts": n}
                rows.append({**case, **summary(found)})
                print(rows[-1], flush=True)
    with (RESULTS / "engagement_account.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
