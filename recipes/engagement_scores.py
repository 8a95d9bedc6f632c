"""Held-out forecasts to the rows of benchmarks/results/engagement.csv; used by recipes/engagement.py."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engagement_views import Shown
from postlens.tasks.engagement.evaluate import Outcomes, score_outcomes
from postlens.tasks.engagement.predict import MIN_HISTORY
from postlens.train.engagement_fit import HeldOut, outcomes_of
from postlens.train.engagement_rows import Table

RESAMPLES = 100  # of each interval: there are hundreds, and a thousand resamples move their ends by one or two in 1,000
UNTOUCHED_FOLD = 0  # no setting was chosen on its accounts
AMOUNTS = {"none": (0, 0), "1": (1, 1), "2": (2, 2), "3-4": (3, 4), "5-7": (5, 7)}  # earlier posts
WHOLE, COLD = "Instagram posts", "Instagram posts, counts of the account hidden"
PLAIN, TOLD = "Instagram posts, as from a table", "Instagram posts, niche of the account known"
TOLD_COLD = "Instagram posts, niche known, counts hidden"
TOLD_WRONG = "Instagram posts, niche of the account known, 30 % drawn by lot"
WARM, UNTOUCHED = "Instagram posts, with earlier ones", "Instagram posts, the fifth of accounts nothing was chosen on"
UNTOUCHED_COLD = "Instagram posts, that fifth, counts hidden"
LAST = "Instagram posts, last post of accounts with earlier ones"
LARGE_WARM, LARGE_LAST = "2017 table, 5 or more earlier posts", "2017 table, last post of each account"
LARGE_ALONE = f"{LARGE_WARM}, followers hidden"
AGE_HIDDEN = "age of the count hidden"  # as of a draft, which nobody has counted yet
LARGE_AMOUNTS = {"1-4": (1, 4), "5-9": (5, 9), "10 or more": (10, 999)}
Rows = list[dict[str, Any]]
Mask = NDArray[np.bool_]


def held_out_outcomes(shown: Shown, held: HeldOut, *, n_small: int, folds: NDArray[np.int64]) -> dict[str, Outcomes]:
    """Forecasts of accounts held out, by what was known and which posts are asked for."""
    blind = held.bounds["cold"][:, 1]
    names = ("whole", "cold", "plain", "told", "told_cold", "told_partly_wrong", "ageless", "ageless_cold")
    seen = {name: outcomes_of(getattr(shown, name), held.bounds[name], blind) for name in names}
    table, small = shown.whole, shown.whole.account < n_small
    own, last = table.n_earlier > 0, is_last(table)
    untouched = small & (folds[table.account.astype(int)] == UNTOUCHED_FOLD)
    large_warm, large_last = ~small & (table.n_earlier >= MIN_HISTORY), ~small & own & last
    alone = shown.no_followers
    alone_seen = outcomes_of(alone, held.bounds["no_followers"], np.full(len(alone), np.nan))
    warm = {WARM: seen["whole"].take(small & own), LAST: seen["whole"].take(small & own & last)}
    return {
        WHOLE: seen["whole"].take(small),
        COLD: seen["cold"].take(small),
        PLAIN: seen["plain"].take(small),
        TOLD: seen["told"].take(small),
        TOLD_COLD: seen["told_cold"].take(small),
        TOLD_WRONG: seen["told_partly_wrong"].take(small),
        **warm,
        **{f"{WHOLE}, {name} earlier": seen["whole"].take(small & rows) for name, rows in by_amount(table).items()},
        **{
            f"2017 table, {name} earlier": seen["whole"].take(~small & rows)
            for name, rows in by_amount(table, LARGE_AMOUNTS).items()
        },
        f"{WHOLE}, {AGE_HIDDEN}": seen["ageless"].take(small),
        f"{COLD}, {AGE_HIDDEN}": seen["ageless_cold"].take(small),
        f"{LARGE_WARM}, {AGE_HIDDEN}": seen["ageless"].take(large_warm),
        f"{LARGE_LAST}, {AGE_HIDDEN}": seen["ageless"].take(large_last),
        UNTOUCHED: seen["whole"].take(untouched),
        UNTOUCHED_COLD: seen["cold"].take(untouched),
        LARGE_WARM: seen["whole"].take(large_warm),
        LARGE_LAST: seen["whole"].take(large_last),
        LARGE_ALONE: alone_seen.take((alone.account >= n_small) & (alone.n_earlier >= MIN_HISTORY)),
    }


def by_amount(table: Table, amounts: Mapping[str, tuple[int, int]] = AMOUNTS) -> dict[str, Mask]:
    """Rows by their number of earlier posts."""
    return {name: (table.n_earlier >= low) & (table.n_earlier <= high) for name, (low, high) in amounts.items()}


def is_last(table: Table) -> Mask:
    """The rows with the most earlier posts of their account."""
    most = np.zeros(int(table.account.max()) + 1)
    np.maximum.at(most, table.account.astype(int), table.n_earlier)
    return np.asarray(table.n_earlier == most[table.account.astype(int)])


def score(outcomes: Mapping[str, Outcomes]) -> dict[str, dict[str, Any]]:
    """Tables of scores; pairs are compared by forecasts without the account's counts, so only where these are right."""
    return {
        name: _scores(one) if name in (WHOLE, COLD) else without_pairs(_scores(replace(one, blind=one.blind * np.nan)))
        for name, one in outcomes.items()
    }


def _scores(outcomes: Outcomes) -> dict[str, Any]:
    return score_outcomes(outcomes, rng=np.random.default_rng(0), resamples=RESAMPLES)


def without_pairs(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores, and those of each size of account, but for the pair accuracy."""
    inner = {k: without_pairs(v) if isinstance(v, Mapping) else v for k, v in scores.items()}
    return {k: v for k, v in inner.items() if not k.startswith("pair_accuracy")}


def score_rows(name: str, scores: Mapping[str, Any]) -> Rows:
    """A nested table of scores as rows of the CSV."""
    plain = {k: v for k, v in scores.items() if not isinstance(v, dict)}
    rows = [{"posts": name, "followers": "all", **plain}]
    rows += [{"posts": name, "followers": size, **row} for size, row in scores["by_account_size"].items()]
    own = scores["account_median"]
    return [*rows, {"posts": f"{name}: account median", "followers": "all", **own}] if own["n"] else rows


def fifths(name: str, outcomes: Outcomes) -> Rows:
    """Scores in every fifth of account size."""
    edges = np.quantile(outcomes.followers, [0.2, 0.4, 0.6, 0.8])
    fifth = np.searchsorted(edges, outcomes.followers, side="right")
    ends = ["0", *[f"{edge:.0f}" for edge in edges], "inf"]
    found = []
    for i in range(5):
        one = outcomes.take(fifth == i)
        row = score_rows(f"{name}, fifth of accounts", without_pairs(_scores(one)))[0]
        found.append({**row, "followers": f"{ends[i]}-{ends[i + 1]}"})
    return found


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All keys of all rows as columns, in the order of their first use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
