"""Run `python recipes/engagement.py --data ../shared/data`: posts with counts to the shipped engagement model.

About 15 minutes on one of 2 shared cores (AMD EPYC); needs `postlens[train]` (LightGBM, onnx).

Every score is of accounts held out (folds of whole accounts), with `score_outcomes` as in `postlens evaluate`.
The interval of a fold is widened by margins measured on the other folds' held-out accounts (conformalised quantile
regression: Romano et al. 2019, arXiv:1905.03222; Barber et al. 2021, arXiv:1905.02928, for margins across folds).
Writes src/postlens/weights/engagement.{onnx,toml} and benchmarks/results/engagement.csv and engagement_ablation.csv.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.tasks.engagement.evaluate import SIZES, Outcomes, score_outcomes, spearman
from postlens.tasks.engagement.features import FEATURES, GROUPS, feature_row
from postlens.tasks.engagement.history import known_count, read_histories
from postlens.tasks.engagement.predict import (
    MIN_HISTORY,
    SPREAD_FACTOR,
    SPREAD_PRIOR,
    SPREAD_WORTH_POSTS,
    spread_interval,
)
from postlens.tasks.engagement.records import ENGAGEMENT_MODEL, PostFacts
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number
from postlens.types import ModelSpec
from postlens.vision.cards import file_sha256, write_card
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

from engagement_trees import build_model, run_trees, scaled, split, step_tree  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
LARGE_ACCOUNTS = Path("engagement") / "gvsi_instagram_posts_2017.csv.gz"
LARGE_ACCOUNTS_READ_AT = datetime(2017, 5, 2, tzinfo=UTC)  # the day after its newest post
QUANTILES = {"lower": 0.05, "median": 0.5, "upper": 0.95}
ROUNDS = {"lower": 200, "median": 400, "upper": 200}
N_FOLDS = 5
ABLATION_ROUNDS, ABLATION_RESAMPLES = 200, 300  # fewer than shipped: seventeen cases are compared with each other
MIN_WITHOUT_FOLLOWERS = 3  # earlier posts of the rows that are also shown without followers
DROPPED_GROUPS = ("account", "horizon", "caption", "tags", "shape", "alt", "measures")
NOT_IN_TABLES = ("account", "horizon", "tags", "alt")
DROP_PROB = 0.3  # each group of a masked copy; serving from a table has no account, tags and alt
COPY_WEIGHT = 0.5  # of a row shown a second time with less known
PARITY = 1e-4
SETTINGS = {
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbose": -1,
}
Float = NDArray[np.float64]
Accounts = Mapping[str, Sequence[PostFacts]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of features with what the posts got, as log(1 + likes)."""

    x: NDArray[np.float32]  # (N, F)
    y: Float  # (N,)
    n_earlier: Float  # (N,)
    baseline: Float  # (N,) NaN without earlier posts
    followers: Float  # (N,)
    account: Float  # (N,) number
    weight: Float  # (N,)

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[Any]) -> Table:
        """The rows of a mask or an index array."""
        return Table(*(getattr(self, f.name)[rows] for f in fields(self)))


def join(tables: Iterable[Table]) -> Table:
    """One table after the other."""
    parts = list(tables)
    return Table(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Table)))


def build_table(accounts: Accounts, *, change: Callable[[PostFacts], PostFacts] | None = None, first: int = 0) -> Table:
    """One row per post with likes, in the order of the accounts; `change` hides facts before features are made."""
    rows, x = [], []
    for number, posts in enumerate(accounts.values(), start=first):
        seen = [change(post) for post in posts] if change else list(posts)
        for post, other, history in zip(posts, seen, read_histories(seen, metric="likes"), strict=True):
            likes = known_count(post, "likes")
            if likes is None:
                continue
            middle = np.nan if history.median is None else np.log1p(history.median)
            followers = np.nan if post.followers is None else post.followers
            x.append(feature_row(other, history))
            rows.append((np.log1p(likes), len(history), middle, followers, number, 1.0))
    return Table(np.array(x), *np.array(rows, np.float64).T)


def read_large_accounts(path: Path) -> dict[str, tuple[PostFacts, ...]]:
    """The 2017 table: no pictures, days instead of times; rows without likes or followers are left out."""
    found: dict[str, list[PostFacts]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for i, row in enumerate(csv.DictReader(file)):
            if row["likes"] and row["followers"]:
                found[row["account"]].append(_large_post(row, post_id=str(i)))
    return {name: tuple(posts) for name, posts in found.items()}


def _large_post(row: Mapping[str, str], *, post_id: str) -> PostFacts:
    return PostFacts(
        post_id=post_id,
        published_at=datetime.fromisoformat(row["date"]),
        counts={"likes": float(row["likes"])},
        followers=float(row["followers"]),
        caption=row["caption"],
        media=None,
        measures=None,
        observed_at=LARGE_ACCOUNTS_READ_AT,
        followees=float(row["following"]) if row["following"] else None,
        n_posts_of_account=float(row["number_posts"]) if row["number_posts"] else None,
    )


# --- training -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Views:
    """The same posts with all, and with less known; row i of `whole`, `cold` and `plain` are the same post."""

    whole: Table
    cold: Table  # no counts of the account
    plain: Table  # what a table of one's own posts holds: no followees, age, tags, description of the picture
    no_followers: Table  # only rows with enough earlier posts

    def training(self, accounts: NDArray[np.bool_], *, rng: np.random.Generator, copies: bool) -> Table:
        """The rows of the accounts marked true; with `copies` also those that show less."""
        parts = [part.take(accounts[part.account.astype(int)]) for part in (self.whole, self.cold, self.no_followers)]
        whole, cold, no_followers = parts
        if not copies:
            return whole
        extra = join([cold.take(whole.n_earlier > 0), no_followers])
        parts = [whole, replace(extra, weight=np.full(len(extra), COPY_WEIGHT))]
        return join([*parts, masked(join(parts), rng=rng)])


def build_views(accounts: Accounts) -> Views:
    """Features of every post as served, without counts, and without what is known of the account."""
    whole = build_table(accounts)
    cold = build_table(accounts, change=lambda post: replace(post, counts={}))
    blank = build_table(
        accounts, change=lambda post: replace(post, followers=None, followees=None, n_posts_of_account=None)
    )
    plain = whole.x.copy()
    plain[:, columns_of(NOT_IN_TABLES)] = np.nan
    return Views(whole, cold, replace(whole, x=plain), blank.take(blank.n_earlier >= MIN_WITHOUT_FOLLOWERS))


def masked(table: Table, *, rng: np.random.Generator) -> Table:
    """A copy in which each group of features is absent with DROP_PROB."""
    x = table.x.copy()
    for group in DROPPED_GROUPS:
        hidden = rng.random(len(x)) < DROP_PROB
        x[np.ix_(hidden, columns_of([group]))] = np.nan
    return replace(table, x=x, weight=table.weight * COPY_WEIGHT)


def columns_of(groups: Iterable[str]) -> list[int]:
    """Places of the groups' features."""
    return [FEATURES.index(name) for group in groups for name in GROUPS[group]]


def fit(table: Table, quantile: float, *, rounds: int, hidden: Sequence[int] = ()) -> lightgbm.Booster:
    """Quantile regression (pinball loss) of what the anchor leaves over; `hidden` columns are never used."""
    x = table.x.astype(np.float64)
    x[:, list(hidden)] = 0.0
    data = lightgbm.Dataset(x, table.y - table.x[:, 0], weight=table.weight)
    return lightgbm.train({**SETTINGS, "objective": "quantile", "alpha": quantile}, data, rounds)


def predict(booster: lightgbm.Booster, x: NDArray[np.float32], *, hidden: Sequence[int] = ()) -> Float:
    """(N,) log(1 + likes)."""
    shown = x.astype(np.float64)
    shown[:, list(hidden)] = 0.0
    return np.asarray(booster.predict(shown, num_threads=1) + x[:, 0].astype(np.float64))


def account_folds(n_accounts: int, *, n_folds: int = N_FOLDS) -> NDArray[np.int64]:
    """(A,) fold of every account."""
    return np.random.default_rng(0).permutation(n_accounts) % n_folds


# --- conformal margins ----------------------------------------------------------------------------------------------

BAND_EDGES = tuple(float(np.log1p(edge)) for edge in list(SIZES.values())[2:])  # below 1k there is nothing to measure


def margin_band(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) band of a row's margin: by followers with little history, one band for MIN_HISTORY posts or more."""
    followers = np.nan_to_num(x[:, FEATURES.index("log_followers")], nan=np.inf)
    warm = x[:, FEATURES.index("n_earlier")] > np.log1p(MIN_HISTORY - 0.5)
    return np.where(warm, len(BAND_EDGES) + 1, np.searchsorted(BAND_EDGES, followers, side="left"))


def margins(bounds: Float, y: Float, band: NDArray[np.int64]) -> Float:
    """(bands,) by how much both ends must move out (or in) so that nine of ten counts lie inside."""
    excess = np.maximum(bounds[:, 0] - y, y - bounds[:, 2])
    found = [excess[band == i] for i in range(len(BAND_EDGES) + 2)]
    return np.array([np.quantile(e, min(1.0, 0.9 * (len(e) + 1) / len(e))) if len(e) else 0.0 for e in found])


def margin_tree(values: Float) -> dict[str, Any]:
    """The margins as a tree over the features."""
    cold = step_tree(FEATURES.index("log_followers"), BAND_EDGES, values[:-1].tolist())
    n_earlier = FEATURES.index("n_earlier")
    return split(n_earlier, float(np.log1p(MIN_HISTORY - 0.5)), cold, {"leaf_value": float(values[-1])})


def widened(bounds: Float, by: Float) -> Float:
    """Bounds (N, 3) with margins (N,) applied, never out of order or below 0, as `run_model` returns them."""
    lower, middle, upper = bounds.T
    rows = np.stack([np.minimum(lower - by, middle), middle, np.maximum(upper + by, middle)], axis=1)
    return np.asarray(np.maximum(rows, 0.0))


# --- held-out scores ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Forecasts (N, 3) for each view, from models that its accounts were not trained on."""

    raw: Mapping[str, Float]  # as the trees give them
    bounds: Mapping[str, Float]  # widened by margins of the other folds


def cross_validate(views: Views, folds: NDArray[np.int64]) -> HeldOut:
    """Train on the other folds, forecast each fold in every view; margins from the other folds' whole view."""
    shown = {f.name: getattr(views, f.name) for f in fields(Views)}
    fold_of = {name: folds[table.account.astype(int)] for name, table in shown.items()}
    raw = {name: np.full((len(table), 3), np.nan) for name, table in shown.items()}
    for k in range(folds.max() + 1):
        train = views.training(folds != k, rng=np.random.default_rng(k), copies=True)
        for column, (name, quantile) in enumerate(QUANTILES.items()):
            booster = fit(train, quantile, rounds=ROUNDS[name])
            for view, table in shown.items():
                rows = np.flatnonzero(fold_of[view] == k)
                raw[view][rows, column] = predict(booster, table.x[rows])
    band, bounds = margin_band(views.whole.x), {}
    for view, table in shown.items():
        by = np.zeros(len(table))
        for k in range(folds.max() + 1):
            rest, rows = fold_of["whole"] != k, fold_of[view] == k
            by[rows] = margins(raw["whole"][rest], views.whole.y[rest], band[rest])[margin_band(table.x[rows])]
        bounds[view] = widened(raw[view], by)
    return HeldOut(raw, bounds)


def outcomes_of(table: Table, bounds: Float, blind: Float) -> Outcomes:
    """Columns to score."""
    lower, median, upper = bounds.T
    return Outcomes(table.y, lower, median, upper, blind, table.baseline, table.followers, table.account)


def ablation_rows(views: Views, folds: NDArray[np.int64], scored: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Median models with groups of features left out, on the scored rows of held-out accounts."""
    rest = [name for name in GROUPS if name != "anchor"]
    table = ["followers", "history", "caption", "shape"]
    cases: dict[str, tuple[Table, Sequence[str]]] = {
        "constant": (views.cold, []),
        "followers only": (views.cold, ["followers"]),
        "no history (counts hidden)": (views.cold, rest),
        "all": (views.whole, rest),
        **{f"all without {name}": (views.whole, [other for other in rest if other != name]) for name in rest},
        "table (followers, history, caption, shape)": (views.whole, table),
        "table + measures": (views.whole, [*table, "measures"]),
        "table + alt": (views.whole, [*table, "alt"]),
    }
    rows = []
    for name, (shown, groups) in cases.items():
        guess = np.full(len(shown), np.nan)
        hidden = sorted(set(range(1, len(FEATURES))) - set(columns_of(groups)))
        fold = folds[shown.account.astype(int)]
        for k in range(folds.max() + 1):
            train = shown.take(fold != k)
            if groups:
                booster = fit(train, 0.5, rounds=ABLATION_ROUNDS, hidden=hidden)
                guess[fold == k] = predict(booster, shown.x[fold == k], hidden=hidden)
            else:
                guess[fold == k] = np.median(train.y[scored[fold != k]])
        rows.append(_ablation_row(name, views.whole.take(scored), guess[scored]))
    return rows


def _ablation_row(name: str, table: Table, guess: Float) -> dict[str, Any]:
    error, own = np.abs(guess - table.y), table.n_earlier > 0
    drawn: dict[str, Any] = {"groups": table.account, "n": ABLATION_RESAMPLES, "rng": np.random.default_rng(0)}
    return {
        "case": name,
        "n": len(table),
        "mae_log": plain_number(float(error.mean())),
        "mae_log_ci": plain_interval(bootstrap_interval(lambda e: float(e.mean()), error, **drawn)),
        "spearman": plain_number(spearman(table.y, guess)),
        "spearman_ci": plain_interval(bootstrap_interval(spearman, table.y, guess, **drawn)),
        "mae_log_without_earlier_posts": plain_number(float(error[~own].mean())),
        "mae_log_with_earlier_posts": plain_number(float(error[own].mean())),
    }


# --- the spread of other metrics ------------------------------------------------------------------------------------


def measure_spread(accounts: Accounts, metric: str) -> dict[str, float]:
    """Card values of `spread_interval`: prior deviation, its worth in posts, and the factor that covers nine of ten.

    The worth is the one with the best interval score (Gneiting and Raftery 2007) on posts with two or more earlier
    ones, each with the factor that covers 90 %.
    """
    pairs = [
        (history.counts, known_count(post, metric))
        for posts in accounts.values()
        for post, history in zip(posts, read_histories(posts, metric=metric), strict=True)
        if len(history) > 1
    ]
    known = [(counts, float(np.log1p(count))) for counts, count in pairs if count is not None]
    prior = float(np.sqrt(np.mean([np.log1p(counts).var(ddof=1) for counts, _ in known])))
    found = [_spread_score(known, prior=prior, worth=worth) for worth in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)]
    _, worth, factor = min(found)
    return {SPREAD_PRIOR: round(prior, 3), SPREAD_WORTH_POSTS: worth, SPREAD_FACTOR: round(factor, 3)}


def _spread_score(known: Sequence[tuple[Float, float]], *, prior: float, worth: float) -> tuple[float, float, float]:
    unit = {SPREAD_PRIOR: prior, SPREAD_WORTH_POSTS: worth, SPREAD_FACTOR: 1.0}
    ends = np.log1p([spread_interval(counts, thresholds=unit) for counts, _ in known])
    half, error = ends[:, 2] - ends[:, 1], np.abs(ends[:, 1] - np.array([y for _, y in known]))
    factor = float(np.quantile(error / half, 0.9))
    score = 2 * factor * half + 20 * np.maximum(error - factor * half, 0)
    return float(score.mean()), worth, factor


def spread_coverage(accounts: Accounts, metric: str, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Coverage of the median-and-spread forecast on posts with MIN_HISTORY earlier ones or more."""
    inside, groups = [], []
    for number, posts in enumerate(accounts.values()):
        for post, history in zip(posts, read_histories(posts, metric=metric), strict=True):
            count = known_count(post, metric)
            if count is not None and len(history) >= MIN_HISTORY:
                lower, _, upper = spread_interval(history.counts, thresholds=thresholds)
                inside.append(float(lower <= count <= upper))
                groups.append(number)
    interval = bootstrap_interval(lambda v: float(v.mean()), inside, groups=groups, rng=np.random.default_rng(0))
    return {
        "n": len(inside),
        "coverage_90": round(float(np.mean(inside)), 4),
        "coverage_90_ci": plain_interval(interval),
    }


# --- writing --------------------------------------------------------------------------------------------------------


def export(views: Views, held: HeldOut, card: Mapping[str, Any], *, folder: Path = WEIGHTS) -> tuple[ModelSpec, float]:
    """Train on every account, write the graph and its card; (spec, largest difference from LightGBM)."""
    everyone = np.ones(int(views.whole.account.max()) + 1, bool)
    train = views.training(everyone, rng=np.random.default_rng(99), copies=True)
    boosters = {name: fit(train, quantile, rounds=ROUNDS[name]) for name, quantile in QUANTILES.items()}
    margin = margin_tree(margins(held.raw["whole"], views.whole.y, margin_band(views.whole.x)))
    ensembles = {
        name: [info["tree_structure"] for info in booster.dump_model()["tree_info"]]
        for name, booster in boosters.items()
    }
    ensembles["lower"].append(scaled(margin, -1.0))
    ensembles["upper"].append(margin)
    data = build_model(ENGAGEMENT_MODEL, ensembles, n_features=len(FEATURES))
    path = folder / f"{ENGAGEMENT_MODEL}.onnx"
    path.write_bytes(data)
    spec = ModelSpec(
        name=ENGAGEMENT_MODEL,
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        input_size=(len(FEATURES),),
        outputs=tuple(QUANTILES),
        **card,
    )
    write_card(spec, path.with_suffix(".toml"))
    x = train.take(np.random.default_rng(1).permutation(len(train))[:4000]).x
    return spec, parity(Session(spec, path), boosters, margin, x)


def parity(
    session: Session, boosters: Mapping[str, lightgbm.Booster], margin: Mapping[str, Any], x: NDArray[np.float32]
) -> float:
    """Largest difference between the graph and LightGBM, NaN in the rows included."""
    by = run_trees([margin], x)
    want = [predict(booster, x) + sign * by for booster, sign in zip(boosters.values(), (-1, 0, 1), strict=True)]
    got = session.run({"features": x})
    return float(max(np.abs(got[name][:, 0] - w).max() for name, w in zip(boosters, want, strict=True)))


POSTS_WHOLE, POSTS_COLD = "Instagram posts", "Instagram posts, counts of the account hidden"
POSTS_PLAIN, LARGE_WARM = "Instagram posts, as from a table", "2017 table, 5 or more earlier posts"


def held_out_scores(views: Views, held: HeldOut, of_small: NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
    """Scores of the shipped kind of model on accounts held out, by what was known."""
    blind = held.bounds["cold"][:, 1]
    views_of = {"whole": views.whole, "cold": views.cold, "plain": views.plain}
    seen = {name: outcomes_of(table, held.bounds[name], blind) for name, table in views_of.items()}
    large = ~of_small & (views.whole.n_earlier >= MIN_HISTORY)
    alone = views.no_followers
    alone_rows = (alone.account > views.whole.account[of_small].max()) & (alone.n_earlier >= MIN_HISTORY)
    unblind = np.full(len(alone), np.nan)
    cases = {
        POSTS_WHOLE: seen["whole"].take(of_small),
        POSTS_COLD: seen["cold"].take(of_small),
        POSTS_PLAIN: seen["plain"].take(of_small),
        LARGE_WARM: seen["whole"].take(large),
        f"{LARGE_WARM}, followers hidden": outcomes_of(alone, held.bounds["no_followers"], unblind).take(alone_rows),
    }
    found = {name: score_outcomes(outcomes, rng=np.random.default_rng(0)) for name, outcomes in cases.items()}
    found[POSTS_PLAIN] = without_pairs(found[POSTS_PLAIN])  # its pairs would be compared by all that is known
    return found


def without_pairs(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores, and those of each size of account, but for the pair accuracy."""
    inner = {k: without_pairs(v) if isinstance(v, Mapping) else v for k, v in scores.items()}
    return {k: v for k, v in inner.items() if not k.startswith("pair_accuracy")}


def score_rows(name: str, scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A nested table of scores as rows of the CSV."""
    plain = {k: v for k, v in scores.items() if not isinstance(v, dict)}
    rows = [{"posts": name, "followers": "all", **plain}]
    rows += [{"posts": name, "followers": size, **row} for size, row in scores["by_account_size"].items()]
    own = scores["account_median"]
    beside = {"posts": f"{name}: account median", "followers": "all", **own} if own["n"] else None
    return [*rows, beside] if beside else rows


def fifths(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Scores in every fifth of account size."""
    edges = np.quantile(outcomes.followers, [0.2, 0.4, 0.6, 0.8])
    fifth = np.searchsorted(edges, outcomes.followers, side="right")
    ends = ["0", *[f"{edge:.0f}" for edge in edges], "inf"]
    found = []
    for i in range(5):
        scores = score_outcomes(outcomes.take(fifth == i), rng=np.random.default_rng(0))
        row = score_rows("Instagram posts, fifth of accounts", scores)[0]
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


def main() -> None:
    """Read, cross-validate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with instagram_posts/ and engagement/")
    parser.add_argument("--folds", type=int, default=N_FOLDS)
    parser.add_argument("--ablation", choices=["also", "only", "no"], default="also")
    arguments = parser.parse_args()
    started = time.perf_counter()
    small = read_collection(arguments.data / "instagram_posts").accounts
    large = read_large_accounts(arguments.data / LARGE_ACCOUNTS)
    accounts = {**{f"i{name}": posts for name, posts in small.items()}, **{f"g{k}": v for k, v in large.items()}}
    views = build_views(accounts)
    of_small = views.whole.account < len(small)
    folds = account_folds(len(accounts), n_folds=arguments.folds)
    line = np.polyfit(np.log1p(views.whole.followers[of_small]), views.whole.y[of_small], 1)
    print(f"line: intercept {line[1]:.3f}, slope {line[0]:.3f}; {time.perf_counter() - started:.0f} s")
    if arguments.ablation != "only":
        train_and_score(views, folds, small=small, large=large, data=arguments.data)
    if arguments.ablation != "no":
        ablation = ablation_rows(views, folds, of_small)
        write_csv(RESULTS / "engagement_ablation.csv", ablation)
        print(*ablation, sep="\n")
    print(f"{time.perf_counter() - started:.0f} s")


def train_and_score(views: Views, folds: NDArray[np.int64], *, small: Accounts, large: Accounts, data: Path) -> None:
    """Cross-validate, write the scores, and ship the model of all accounts."""
    of_small = views.whole.account < len(small)
    held = cross_validate(views, folds)
    found = held_out_scores(views, held, of_small)
    spread = measure_spread(small, "comments")
    spread_rows = [
        {"posts": f"{name}, median and spread of {metric}", **spread_coverage(posts, metric, spread)}
        for name, posts, metric in (("Instagram posts", small, "comments"), ("2017 table", large, "likes"))
    ]
    whole = outcomes_of(views.whole, held.bounds["whole"], held.bounds["cold"][:, 1])
    rows = [row for name, scores in found.items() for row in score_rows(name, scores)]
    rows += [*fifths(whole.take(of_small)), *spread_rows]
    write_csv(RESULTS / "engagement.csv", rows)
    print(*rows, sep="\n")
    spec, worst = export(
        views, held, card_fields(found, spread, [data / "instagram_posts" / POSTS, data / LARGE_ACCOUNTS])
    )
    print(f"{spec.file}: parity {worst:.1e}, {(WEIGHTS / spec.file).stat().st_size / 1e6:.2f} MB")
    assert worst < PARITY, "the ONNX graph and LightGBM differ"


def known_only(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Without the scores that could not be computed: TOML has no word for them."""
    plain = {k: known_only(v) if isinstance(v, Mapping) else v for k, v in scores.items()}
    return {k: v for k, v in plain.items() if v is not None}


def card_fields(
    found: Mapping[str, Mapping[str, Any]], spread: Mapping[str, float], sources: Sequence[Path]
) -> dict[str, Any]:
    """The card apart from what the file itself gives."""
    return {
        "version": "1",
        "task": "engagement",
        "licence": "Apache-2.0 (trees trained by recipes/engagement.py; the data is for research only)",
        "source": "recipes/engagement.py: LightGBM on accounts' posts with counts",
        "paper": "Ke et al. 2017, LightGBM (NeurIPS); Romano et al. 2019, arXiv:1905.03222 (conformal margins)",
        "labels": FEATURES,
        "thresholds": dict(spread),
        "metrics": {
            "held_out_accounts": known_only(found[POSTS_WHOLE]),
            "held_out_accounts_as_from_a_table": known_only({**found[POSTS_PLAIN], "by_account_size": None}),
            "held_out_accounts_without_history": known_only({**found[POSTS_COLD], "by_account_size": None}),
            "held_out_2017_table_5_or_more_earlier_posts": known_only({**found[LARGE_WARM], "by_account_size": None}),
        },
        "limits": (
            "Likes only; other metrics get the account's median. Trained on posts of 2015-2019 by accounts of 1,000 to "
            "43 million followers; below 1,000 followers it extrapolates. Followers are those at the time of "
            "counting, not of posting. Pictures were 42-pixel thumbnails and enter as five measures of light, colour "
            "and symmetry, which add next to nothing beside a description of the picture. Which of two posts of one "
            "account gets more is only a little better than a guess. Descriptions (alternative text) in English only."
        ),
        "trained_on": (
            "instagram_posts: 26,837 posts of 16,452 accounts with 42 px thumbnails (research use)",
            "engagement/gvsi_instagram_posts_2017: 13,239 posts of 779 large accounts, no pictures (public repository)",
        ),
        "train_manifests": tuple(file_sha256(path) for path in sources),
    }


if __name__ == "__main__":
    main()
