"""Simulated campaigns to how well lifts, intervals and trends of persons hold up.

    python recipes/people_performance.py [--data ../shared/data]      # about 2 minutes on one core

Figures are log-normal, exp(8 + person + post), of spreads `between` and `within`; numbers of posts are geometric, so
that most persons have few. Part `lift`: the half of each person's posts that was held out is predicted from the other
half by each rule of shrinkage; what is told is the root mean squared error, in shares of the campaign's mean, over that
of predicting no lift for anybody (1: no better than no lift), and the same against the expected figure, which only a
simulation knows. Part `lift, accounts`: the same on likes of engagement/gvsi_instagram_posts_2017.csv.gz, with 30
accounts of about one size in place of persons (research terms; nothing of it is fitted). Part `interval`: share of the
95 % intervals that hold the expected figure, by number of posts. Part `trend`: the same for slopes, and how often there
is no interval. Writes benchmarks/results/people_performance.csv.
"""

import argparse
import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.people.intervals import mean_interval
from postlens.tasks.people.lift import PRIOR_POSTS, prior_posts, shrunk_lift, variances
from postlens.tasks.people.trend import trend

RESULT = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "people_performance.csv"
PEOPLE = (3, 8, 30, 200)
BETWEEN = (0.0, 0.2, 0.5, 1.0)
WITHIN = (0.3, 0.8, 1.3)
CAMPAIGNS = 60  # each
MEAN_POSTS = (2, 6, 15)  # of a person, in all
N_POSTS = (2, 3, 4, 5, 6, 8, 10, 15, 20, 50)
TREND_POSTS = (5, 6, 8, 12, 20, 50)
REPEATS = 1000
ACCOUNTS = "gvsi_instagram_posts_2017.csv.gz"
ACCOUNT_CAMPAIGNS = 1000
N_ACCOUNTS = 30
ACCOUNT_POSTS = 6
SLOPE = 0.1  # of the mean per 30 days, in the trends that are there
Float = NDArray[np.float64]
Groups = list[Float]
Rows = Iterator[dict[str, Any]]


def raw_prior(groups: Sequence[Float]) -> float:
    """As `prior_posts`, without the logarithm."""
    if sum(len(g) > 1 for g in groups) < 1 or len(groups) < 2:
        return PRIOR_POSTS
    within, between = variances(groups)
    return float(np.clip(within / between, 0.5, 50)) if between > 0 else 50.0


def smoothed(n_posts: float) -> Callable[[Sequence[Float]], float]:
    """The variances of logarithms, drawn towards the fixed prior as if `n_posts` posts had told that."""

    def told(groups: Sequence[Float]) -> float:
        known = sum(len(g) - 1 for g in groups)
        estimate = raw_prior([np.log1p(g) for g in groups])
        return float(np.exp((known * np.log(estimate) + n_posts * np.log(PRIOR_POSTS)) / (known + n_posts)))

    return told


def logs_from(n_persons: int) -> Callable[[Sequence[Float]], float]:
    """As `prior_posts`, with another least number of persons that have two posts."""

    def told(groups: Sequence[Float]) -> float:
        if len(groups) < 2 or sum(len(g) > 1 for g in groups) < n_persons:
            return PRIOR_POSTS
        return raw_prior([np.log1p(g) for g in groups])

    return told


RULES: dict[str, Callable[[Sequence[Float]], float]] = {
    "none": lambda groups: 0.0,
    "fixed 1": lambda groups: 1.0,
    "fixed 2": lambda groups: 2.0,
    "fixed 4": lambda groups: PRIOR_POSTS,
    "fixed 10": lambda groups: 10.0,
    "variances of figures": raw_prior,
    "variances of logarithms, from 1 person on": logs_from(1),
    "variances of logarithms, from 2 persons on": logs_from(2),
    "variances of logarithms, from 5 persons on": logs_from(5),
    "variances of logarithms, drawn to 4 by 5 posts": smoothed(5),
    "variances of logarithms, drawn to 4 by 15 posts": smoothed(15),
    "variances of logarithms (ships)": prior_posts,
}
INTERVALS = {"percentile": False, "expanded percentile (ships)": True}


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds engagement/; without it that part is left out")
    data = parser.parse_args().data
    rows = [*lifts(), *(account_lifts(data / "engagement" / ACCOUNTS) if data else ()), *intervals(), *trends()]
    with RESULT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["part", "rule", "people", "between", "within", "posts", "measure", "value"])
        writer.writeheader()
        writer.writerows(rows)


def lifts() -> Rows:
    """Every rule on the same campaigns, and over all of them."""
    totals: dict[tuple[str, str, str], list[float]] = {}
    for people, posts, between, within in product(PEOPLE, MEAN_POSTS, BETWEEN, WITHIN):
        rng = np.random.default_rng(0)
        scores = [errors(rng, people, posts, between=between, within=within) for _ in range(CAMPAIGNS)]
        for rule, measure in product(RULES, ("held-out posts", "expected figure")):
            squares = np.array([score[rule][measure] for score in scores])
            nobody = np.array([score["nobody"][measure] for score in scores])
            value = float(np.sqrt(np.mean(squares) / np.mean(nobody))) if np.mean(nobody) > 0 else np.nan
            error = float(np.sqrt(np.mean(squares)))
            for group in (f"{people} people", f"{posts} posts each", "all"):
                totals.setdefault((rule, measure, group), []).append(error)
            key = {"part": "lift", "rule": rule, "people": people, "posts": posts, "between": between, "within": within}
            yield key | {"measure": f"{measure}, error / no lift", "value": "" if np.isnan(value) else round(value, 4)}
            yield key | {"measure": f"{measure}, error", "value": round(error, 4)}
    for (rule, measure, group), values in totals.items():
        key = {"part": f"lift, mean over {group}", "rule": rule}
        yield key | {"measure": f"{measure}, error", "value": round(float(np.mean(values)), 4)}


def errors(
    rng: np.random.Generator, people: int, posts: float, *, between: float, within: float
) -> dict[str, dict[str, float]]:
    """Mean squared errors of a campaign by rule, over persons that have posts in both halves."""
    effects = rng.normal(0, between, people)
    groups = [np.exp(8 + e + rng.normal(0, within, rng.geometric(1 / posts))) for e in effects]
    return split_errors(rng, groups, np.exp(8 + effects + within**2 / 2))


def split_errors(rng: np.random.Generator, groups: Groups, truth: Float | None = None) -> dict[str, dict[str, float]]:
    """Errors by rule when the second half of each group's figures is predicted from the first."""
    groups = [rng.permutation(group) for group in groups]
    halves = [(group[: (len(group) + 1) // 2], group[(len(group) + 1) // 2 :]) for group in groups]
    known, level = [first for first, _ in halves], float(np.concatenate([first for first, _ in halves]).mean())
    both = [i for i, (_, second) in enumerate(halves) if len(second)]
    seen = np.array([halves[i][1].mean() for i in both]) / level
    expected = seen if truth is None else truth[both] / level
    found: dict[str, dict[str, float]] = {}
    for rule, told in [*RULES.items(), ("nobody", lambda groups: 1e12)]:
        prior = told(known)
        lifts = [shrunk_lift(known[i].mean(), n_posts=len(known[i]), campaign_mean=level, prior=prior) for i in both]
        guess = 1 + np.array([one or 0.0 for one in lifts])
        found[rule] = {
            "held-out posts": float(np.mean((guess - seen) ** 2)) if both else 0.0,
            "expected figure": float(np.mean((guess - expected) ** 2)) if both else 0.0,
        }
    return found


def account_lifts(path: Path) -> Rows:
    """Every rule on the likes of accounts of about one size, as many posts of each as a person might have."""
    likes: dict[str, list[float]] = defaultdict(list)
    followers: dict[str, float] = {}
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["likes"] and row["followers"]:
                likes[row["account"]].append(float(row["likes"]))
                followers[row["account"]] = float(row["followers"])
    order = sorted(likes, key=lambda account: (followers[account], account))
    rng, scores = np.random.default_rng(3), []
    for _ in range(ACCOUNT_CAMPAIGNS):
        start = int(rng.integers(len(order) - N_ACCOUNTS))
        own = [np.array(likes[account]) for account in order[start : start + N_ACCOUNTS]]
        sizes = np.minimum(rng.geometric(1 / ACCOUNT_POSTS, N_ACCOUNTS), [len(group) for group in own])
        scores.append(split_errors(rng, [rng.permutation(group)[:n] for group, n in zip(own, sizes, strict=True)]))
    for rule in [*RULES, "nobody"]:
        errors_of_rule = [np.sqrt(score[rule]["held-out posts"]) for score in scores]
        key = {"part": "lift, accounts", "rule": rule, "people": N_ACCOUNTS}
        yield key | {"measure": "held-out posts, error", "value": round(float(np.mean(errors_of_rule)), 4)}


def intervals() -> Rows:
    """How often the interval of the mean holds the expected figure."""
    for rule, within, n in product(INTERVALS, WITHIN, N_POSTS):
        rng = np.random.default_rng(1)
        hits = 0
        for _ in range(REPEATS):
            values = rng.lognormal(8, within, n)
            low, high = (mean_interval(values, rng=rng) if INTERVALS[rule] else percentile(values, rng)) or (0.0, 0.0)
            hits += low <= np.exp(8 + within**2 / 2) <= high
        key = {"part": "interval", "rule": rule, "within": within, "posts": n}
        yield key | {"measure": "coverage", "value": hits / REPEATS}


def percentile(values: Float, rng: np.random.Generator) -> tuple[float, float]:
    """The plain percentile bootstrap."""
    means = values[rng.integers(len(values), size=(1000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def trends() -> Rows:
    """Slopes over half a year, with and without a trend: does the interval hold it, does it leave out zero?"""
    for within, n, slope in product(WITHIN, TREND_POSTS, (0.0, SLOPE)):
        rng = np.random.default_rng(2)
        hits, clear, off = 0, 0, []
        for _ in range(REPEATS):
            days = rng.uniform(0, 180, n)
            level = np.exp(within**2 / 2)
            values = rng.lognormal(0, within, n) + level * slope * days / 30
            found = trend(days, values, level=level)
            if found is None:
                continue
            hits += found.low <= slope <= found.high
            clear += found.low > 0 or found.high < 0
            off.append(found.slope - slope)
        key = {"part": f"trend of {slope:g} per 30 days", "rule": "Theil-Sen", "within": within, "posts": n}
        yield key | {"measure": "coverage", "value": round(hits / len(off), 3)}
        yield key | {"measure": "interval without 0", "value": round(clear / len(off), 3)}
        yield key | {"measure": "median error of the slope", "value": round(float(np.median(np.abs(off))), 4)}


if __name__ == "__main__":
    main()
