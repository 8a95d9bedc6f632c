"""Run `python recipes/engagement_pairs.py --data ../shared/data`: pairs of one account's posts to the image ranker.

About 12 minutes on one of 2 shared cores (AMD EPYC), 4 with `--cache`; needs `postlens[train]` (LightGBM, onnx).

Which of two posts of one account got more likes, told from the 42 px thumbnail, and from what stands beside it. The
score is linear, learned by logistic loss on differences (Bradley and Terry 1952; Burges et al. 2005, RankNet); each
account weighs as its posts less one. Date and age of the posts are in training as columns of their own, so that growth
of an account is not taken for an effect of its pictures, and left out of the score unless a row says so. Accounts are
held out in five folds; a fold's penalty comes from another fold. Beside it least squares on the differences of
log counts, and LambdaMART (Burges 2010) by LightGBM.

Photographs are larger than thumbnails and their embeddings differ. The shipped `score` is for photographs: the ridge
regression of the thumbnail's score on the photograph's embedding, on the photos of the niche collection and 42 px
copies of them. `thumbnail_score` is as trained. Writes src/postlens/weights/engagement_rank.{onnx,toml} and
benchmarks/results/engagement_pairs.csv.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from postlens.pipelines.evaluation.instagram_posts import POSTS
from postlens.tasks.scoring import bootstrap_interval, expected_calibration_error, plain_interval, plain_number
from postlens.vision.cards import file_sha256

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

from engagement_pairs_data import (  # noqa: E402
    N_FOLDS,
    Float,
    Ints,
    Posts,
    faces_row,
    read_photos,
    read_posts,
    table,
    time_columns,
)
from engagement_pairs_export import PARITY, export_ranker, photo_weights  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
N_COMPONENTS = 64  # 16, 128, 256 and 512 were not better by more than .005 of pair accuracy
PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
N_RESAMPLES = 300
RATIOS = (1.25, 1.5, 2.0, 3.0)  # edges: the larger count by the smaller
DAYS = (7.0, 30.0, 100.0, 300.0)  # edges: between the two posts
TREES = {"objective": "lambdarank", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 60, "lambda_l2": 20.0}
TREES |= {"feature_fraction": 0.4, "num_threads": 1, "deterministic": True, "seed": 0, "verbose": -1}


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of one account's posts with unequal counts."""

    a: Ints  # (P,) row
    b: Ints  # (P,) row
    a_wins: Float  # (P,) 1 or 0
    weight: Float  # (P,)
    account: Ints  # (P,)
    fold: Ints  # (P,)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A linear score: (x - mean) / scale @ weights."""

    mean: Float
    scale: Float
    weights: Float

    def score(self, x: Float) -> Float:
        return np.asarray((x - self.mean) / self.scale @ self.weights)


def make_pairs(posts: Posts) -> Pairs:
    """All pairs within accounts but ties."""
    size = np.bincount(posts.account)
    starts = np.cumsum(size) - size
    corners = {n: np.triu_indices(n, 1) for n in np.unique(size).tolist()}
    a = np.concatenate([s + corners[n][0] for s, n in zip(starts, size.tolist(), strict=True)])
    b = np.concatenate([s + corners[n][1] for s, n in zip(starts, size.tolist(), strict=True)])
    a, b = (side[posts.y[a] != posts.y[b]] for side in (a, b))
    account = posts.account[a]
    wins = (posts.y[a] > posts.y[b]).astype(np.float64)
    return Pairs(a, b, wins, 1.0 / (size[account] - 1), account, posts.fold[a])


# --- fitting --------------------------------------------------------------------------------------------------------


def components(vectors: Float) -> Float:
    """(D, K) principal directions of the rows."""
    return np.asarray(np.linalg.eigh(np.cov(vectors.T))[1][:, ::-1][:, :N_COMPONENTS])


def standardised(x: Float, *, n_vector: int) -> tuple[Float, Float]:
    """(mean, scale); the principal components share the scale of the first, so that weak ones stay weak."""
    scale = x.std(0)
    scale[scale == 0] = np.inf
    scale[:n_vector] = scale[0]
    return x.mean(0), scale


def fit_logistic(x: Float, nuisance: Float, pairs: Pairs, rows: NDArray[np.bool_], penalty: float) -> Float:
    """Weights (F,) of x by Newton's method on the logistic loss of the pairs; `nuisance` columns are fitted beside."""
    shown = np.hstack([x, nuisance])
    gap, wins, weight = shown[pairs.a[rows]] - shown[pairs.b[rows]], pairs.a_wins[rows], pairs.weight[rows]
    found, ridge = np.zeros(gap.shape[1]), penalty * np.eye(gap.shape[1])
    for _ in range(8):
        p = 1 / (1 + np.exp(-gap @ found))
        slope = gap.T @ (weight * (p - wins)) + penalty * found
        step = np.linalg.solve((gap * (weight * p * (1 - p))[:, None]).T @ gap + ridge, slope)
        found = found - step
        if np.abs(step).max() < 1e-4:
            break
    return np.asarray(found[: x.shape[1]])


def fit_squares(x: Float, nuisance: Float, pairs: Pairs, rows: NDArray[np.bool_], penalty: float, y: Float) -> Float:
    """As `fit_logistic`, by least squares on the differences of log counts."""
    shown = np.hstack([x, nuisance])
    gap = (shown[pairs.a[rows]] - shown[pairs.b[rows]]) * np.sqrt(pairs.weight[rows])[:, None]
    target = (y[pairs.a[rows]] - y[pairs.b[rows]]) * np.sqrt(pairs.weight[rows])
    return np.asarray(np.linalg.solve(gap.T @ gap + penalty * np.eye(gap.shape[1]), gap.T @ target))[: x.shape[1]]


def hits(score: Float, pairs: Pairs) -> Float:
    """(P,) 1 for a pair in the right order, 0 for a wrong one, equal scores half."""
    return np.asarray((np.sign(score[pairs.a] - score[pairs.b]) * (2 * pairs.a_wins - 1) + 1) / 2)


def cross_validate(
    posts: Posts, pairs: Pairs, plain: Float, *, vectors: bool, nuisance: Float, kind: str, bases: Sequence[Float]
) -> tuple[Float, list[float]]:
    """(N,) held-out scores and the penalty of each fold, chosen on the next fold by a fit on the other three."""
    score, chosen = np.zeros(len(posts)), []
    for k in range(N_FOLDS):
        x = np.hstack([posts.vectors @ bases[k], plain]) if vectors else plain
        train = posts.fold != k
        mean, scale = standardised(x[train], n_vector=N_COMPONENTS if vectors else 0)
        x = (x - mean) / scale
        if kind == "trees":
            score[~train] = lambdamart(np.hstack([x, nuisance]) if nuisance.shape[1] else x, posts, train)[~train]
            continue
        inner, other = pairs.fold == (k + 1) % N_FOLDS, pairs.fold != k
        fit = fit_logistic if kind == "logistic" else _with_counts(posts.y)
        tried = [hits(x @ fit(x, nuisance, pairs, other & ~inner, p), pairs)[inner].mean() for p in PENALTIES]
        chosen.append(PENALTIES[len(tried) - 1 - int(np.argmax(tried[::-1]))])
        score[~train] = x[~train] @ fit(x, nuisance, pairs, other, chosen[-1])
    return score, chosen


def _with_counts(y: Float) -> Any:
    return lambda x, nuisance, pairs, rows, penalty: fit_squares(x, nuisance, pairs, rows, penalty, y)


def lambdamart(x: Float, posts: Posts, train: NDArray[np.bool_]) -> Float:
    """(N,) scores of boosted trees on the ranks within accounts."""
    size = np.bincount(posts.account[train])
    starts = np.cumsum(np.bincount(posts.account)) - np.bincount(posts.account)
    rank = [int((posts.y[s : s + n] < posts.y[i]).sum()) for i, (s, n) in enumerate(_spans(posts, starts))]
    data = lightgbm.Dataset(x[train], np.array(rank)[train], group=size[size > 0])
    return np.asarray(lightgbm.train(TREES, data, 150).predict(x, num_threads=1))


def _spans(posts: Posts, starts: Ints) -> list[tuple[int, int]]:
    size = np.bincount(posts.account)
    return [(int(starts[a]), int(size[a])) for a in posts.account]


# --- scoring --------------------------------------------------------------------------------------------------------


def mean_interval(values: Float, groups: Ints) -> list[float] | None:
    interval = bootstrap_interval(_mean, values, groups=groups, n=N_RESAMPLES, rng=np.random.default_rng(0))
    return plain_interval(interval)


def _mean(values: Float) -> float:
    return float(values.mean())


def row(case: str, part: str, hit: Float, pairs: Pairs, mask: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Pair accuracy of some pairs; intervals draw whole accounts."""
    rows = np.ones(len(hit), bool) if mask is None else mask
    accuracy = plain_number(float(hit[rows].mean()))
    interval = mean_interval(hit[rows], pairs.account[rows])
    n_accounts = len(np.unique(pairs.account[rows]))
    named = {"case": case, "pairs": part, "n_pairs": int(rows.sum()), "n_accounts": n_accounts}
    return {**named, "pair_accuracy": accuracy, "pair_accuracy_ci": interval}


def parts_of(posts: Posts, pairs: Pairs) -> dict[str, NDArray[np.bool_]]:
    """Masks of the pairs by ratio of the counts and by days between the posts."""
    ratio = np.exp(np.abs(posts.y[pairs.a] - posts.y[pairs.b]))
    days = np.abs(posts.days[pairs.a] - posts.days[pairs.b])
    found: dict[str, NDArray[np.bool_]] = {}
    for name, values, edges in (("ratio of likes", ratio, RATIOS), ("days apart", days, DAYS)):
        band = np.digitize(values, edges)
        ends = ["0" if name.startswith("days") else "1", *(f"{edge:g}" for edge in edges), "inf"]
        found |= {f"{name} {ends[i]}-{ends[i + 1]}": band == i for i in range(len(edges) + 1)}
    return found


def calibrate(score: Float, pairs: Pairs, rows: NDArray[np.bool_]) -> float:
    """Log odds per unit of score on the marked pairs (logistic regression without intercept)."""
    none = np.zeros((len(score), 0))
    return float(fit_logistic(score[:, None], none, pairs, rows, 1e-6)[0])


def reliability(case: str, score: Float, pairs: Pairs) -> list[dict[str, Any]]:
    """Stated and observed probability in tenths of the stated, slopes of a fold from the other folds."""
    p, wins = np.zeros(len(pairs.a)), pairs.a_wins
    for k in range(N_FOLDS):
        test = pairs.fold == k
        p[test] = 1 / (1 + np.exp(-calibrate(score, pairs, ~test) * (score[pairs.a] - score[pairs.b])[test]))
    sure, right = np.maximum(p, 1 - p), np.where(p > 0.5, wins, 1 - wins)
    loss = -np.log(np.where(wins > 0, p, 1 - p))
    stated = {"ece": plain_number(expected_calibration_error(sure, right)), "log_loss": plain_number(loss.mean())}
    rows = [{**row(case, "calibration", right, pairs), **stated}]
    for low, high in ((0.5, 0.525), (0.525, 0.55), (0.55, 0.6), (0.6, 0.65), (0.65, 0.7), (0.7, 1.01)):
        mask = (sure >= low) & (sure < high)
        if mask.sum() > 1:
            stated = {"stated": plain_number(float(sure[mask].mean()))}
            rows.append({**row(case, f"stated {low:g}-{min(high, 1):g}", right, pairs, mask), **stated})
    return rows


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All keys of all rows as columns, in the order of their first use."""
    names = list(dict.fromkeys(name for one in rows for name in one))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


# --- the run --------------------------------------------------------------------------------------------------------


def compare(posts: Posts, pairs: Pairs) -> tuple[list[dict[str, Any]], dict[str, tuple[Float, list[float]]]]:
    """Rows of all cases, and the held-out scores of the linear ones."""
    blocks, when, none = table(posts.facts), time_columns(posts.days), np.zeros((len(posts), 0))
    bases = [components(posts.vectors[posts.fold != k]) for k in range(N_FOLDS)]
    pixels = ("measures", "shape")
    words = (*pixels, "caption", "tags")
    everything = (*words, "description")
    cases: dict[str, tuple[bool, tuple[str, ...], str]] = {
        "measures": (False, ("measures",), "logistic"),
        "shape": (False, ("shape",), "logistic"),
        "embedding": (True, (), "logistic"),
        "pixels": (True, pixels, "logistic"),
        "pixels, least squares": (True, pixels, "squares"),
        "pixels, LambdaMART": (True, pixels, "trees"),
        "caption": (False, ("caption",), "logistic"),
        "caption + tags": (False, ("caption", "tags"), "logistic"),
        "description": (False, ("description",), "logistic"),
        "pixels + caption": (True, (*pixels, "caption"), "logistic"),
        "pixels + caption + tags": (True, words, "logistic"),
        "pixels + caption + tags + description": (True, everything, "logistic"),
        "pixels + caption + tags + description, least squares": (True, everything, "squares"),
        "pixels + caption + tags + description, LambdaMART": (True, everything, "trees"),
        "date and age": (False, ("time",), "logistic"),
        "all + date and age, least squares": (True, (*everything, "time"), "squares"),
    }
    blocks["time"] = when
    rows, scores = [], {}
    for name, (vectors, names, kind) in cases.items():
        started = time.perf_counter()
        plain = np.hstack([none, *(blocks[part] for part in names)])
        beside = none if "time" in names or kind == "trees" else when
        found = cross_validate(posts, pairs, plain, vectors=vectors, nuisance=beside, kind=kind, bases=bases)
        scores[name] = found
        rows.append({**row(name, "all", hits(found[0], pairs), pairs), "penalties": found[1]})
        print(rows[-1], f"{time.perf_counter() - started:.0f} s", flush=True)
    return rows, scores


def fit_shipped(posts: Posts, pairs: Pairs, penalty: float) -> tuple[Float, Float]:
    """Weights of the embedding (D,) and of the measures (M,), fitted on all accounts."""
    blocks, basis = table(posts.facts), components(posts.vectors)
    x = np.hstack([posts.vectors @ basis, blocks["measures"], blocks["shape"]])
    mean, scale = standardised(x, n_vector=N_COMPONENTS)
    everyone = np.ones(len(pairs.a), bool)
    weights = fit_logistic((x - mean) / scale, time_columns(posts.days), pairs, everyone, penalty) / scale
    return basis @ weights[:N_COMPONENTS], weights[N_COMPONENTS:]


def main() -> None:
    """Read, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with instagram_posts/ and niche/")
    parser.add_argument("--cache", type=Path, help="folder for embeddings, made once")
    arguments = parser.parse_args()
    started, cache = time.perf_counter(), arguments.cache
    posts = read_posts(arguments.data / "instagram_posts", cache=cache and cache / "thumbnails.npz")
    pairs = make_pairs(posts)
    print(f"{len(posts)} posts, {len(pairs.a)} pairs; {time.perf_counter() - started:.0f} s", flush=True)
    rows, scores = compare(posts, pairs)
    parts = parts_of(posts, pairs)
    for case in ("pixels", "pixels + caption + tags + description"):
        hit = hits(scores[case][0], pairs)
        rows += [row(case, name, hit, pairs, mask) for name, mask in parts.items()]
        rows += reliability(case, scores[case][0], pairs)
    score, chosen = scores["pixels"]
    weights, of_measures = fit_shipped(posts, pairs, float(np.median(chosen)))
    photos, copies, source = read_photos(arguments.data / "niche", cache=cache and cache / "photos.npz")
    of_photos, agreement = photo_weights(photos, copies, source, weights)
    rows += [
        {"case": f"niche photos, {name}", "n_pairs": len(photos), "correlation": r} for name, r in agreement.items()
    ]
    rows.append(faces_row(arguments.data / "instagram_posts", posts))
    write_csv(RESULTS / "engagement_pairs.csv", rows)
    print(*rows[16:], sep="\n")
    blocks = table(posts.facts)
    spec, worst = export_ranker(
        vectors=np.stack([of_photos, weights], axis=1),
        vector_means=np.stack([photos.mean(0), posts.vectors.mean(0)], axis=1),
        measures=of_measures,
        measure_mean=np.hstack([blocks["measures"], blocks["shape"]]).mean(0),
        slope=calibrate(score, pairs, np.ones(len(pairs.a), bool)),
        rows=rows,
        agreement=agreement,
        manifests=(file_sha256(arguments.data / "instagram_posts" / POSTS),),
    )
    print(f"{spec.file}: parity {worst:.1e}; {time.perf_counter() - started:.0f} s")
    assert worst < PARITY, "the ONNX graph and numpy differ"


if __name__ == "__main__":
    main()
