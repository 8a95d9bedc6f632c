"""Drawn accounts that keep their level to how well forecasts with history hold it; used by recipes/engagement.py.

No collection has small accounts with five or more earlier posts, and the large ones of 2017 scatter little. So the
interval is also measured on accounts whose log counts are normal around a level of their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from postlens.tasks.engagement import PostFacts, predict_account
from postlens.tasks.engagement.anchor import followers_line
from postlens.tasks.engagement.predict import MIN_HISTORY
from postlens.tasks.engagement.records import Model
from postlens.tasks.scoring import bootstrap_interval, plain_interval

SPREADS = (0.2, 0.57, 0.9)  # standard deviations of log counts; the middle one is that of the collection with pictures
N_ACCOUNTS, N_POSTS, EVERY_DAYS = 100, 30, 2
LEVEL_SPREAD = 0.6  # of the accounts' levels around the line of followers, as in the collection with pictures
SIZES = (1e3, 1e6)  # followers, drawn evenly on the log scale
AMOUNTS = {"5-9": (MIN_HISTORY, 9), "10-29": (10, N_POSTS)}
START = datetime(2023, 1, 2, 12, tzinfo=UTC)


def drawn_rows(model: Model) -> list[dict[str, Any]]:
    """Rows of the table of scores: error, mean of what is left over, and coverage, by number of earlier posts."""
    return [row for spread in SPREADS for row in _rows(spread, model=model)]


def draw_account(rng: np.random.Generator, *, spread: float) -> list[PostFacts]:
    """Posts of one account around one level, all counted when they were done."""
    followers = float(np.exp(rng.uniform(*np.log(SIZES))))
    level = followers_line(followers) + rng.normal(0.0, LEVEL_SPREAD)
    counts = np.round(np.expm1(np.maximum(rng.normal(level, spread, N_POSTS), 0.0)))
    return [
        PostFacts(
            post_id=str(i),
            published_at=START + timedelta(days=EVERY_DAYS * i),
            counts={"likes": float(count)},
            followers=followers,
            caption=None,
            media=None,
            measures=None,
        )
        for i, count in enumerate(counts)
    ]


def _rows(spread: float, *, model: Model) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    found = np.array(
        [
            (number, one.n_history, *np.log1p([one.actual, one.lower, one.median, one.upper]))
            for number in range(N_ACCOUNTS)
            for one in predict_account(draw_account(rng, spread=spread), metric="likes", model=model)
            if one.n_history >= MIN_HISTORY
        ]
    )
    chosen = {name: found[(found[:, 1] >= low) & (found[:, 1] <= high)] for name, (low, high) in AMOUNTS.items()}
    return [_row(f"drawn steady accounts, sd {spread}, {name} earlier", rows) for name, rows in chosen.items()]


def _row(name: str, rows: np.ndarray) -> dict[str, Any]:
    account, _, actual, lower, median, upper = rows.T
    inside = ((actual >= lower) & (actual <= upper)).astype(float)
    interval = bootstrap_interval(lambda v: float(v.mean()), inside, groups=account, rng=np.random.default_rng(0))
    return {
        "posts": name,
        "followers": "all",
        "n": len(rows),
        "n_accounts": N_ACCOUNTS,
        "mae_log": round(float(np.abs(actual - median).mean()), 4),
        "bias_log": round(float((actual - median).mean()), 4),
        "coverage_90": round(float(inside.mean()), 4),
        "coverage_90_ci": plain_interval(interval),
    }
