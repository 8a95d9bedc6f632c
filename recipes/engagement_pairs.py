"""Run `python recipes/engagement_pairs.py --data ../shared/data`: pairs of one account's posts to the image ranker.

About 12 minutes on one of 2 shared cores (AMD EPYC), 4 with `--cache`; needs `postlens[train]` (LightGBM, onnx).

Which of two posts of one account got more likes, told from the 42 px thumbnail, and from what stands beside it. The
score is linear, learned by logistic loss on differences (Bradley and Terry 1952; Burges et al. 2005, RankNet); each
account weighs as its posts less one. Date and age of the posts are in training as columns of their own, so that growth
of an account is not taken for an effect of its pictures, and left out of the score unless a row says so. Accounts are
held out in five folds; a fold's penalty comes from another fold. Beside it least squares on log counts less the
account's mean, and LambdaMART (Burges 2010) by LightGBM.

Photographs are larger than thumbnails and their embeddings differ. The shipped `score` is for photographs: the ridge
regression of the thumbnail's score on the photograph's embedding, on the photos of the niche collection and 42 px
copies of them. `thumbnail_score` is as trained. Writes src/postlens/weights/engagement_rank.{onnx,toml} and
benchmarks/results/engagement_pairs.csv.
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import io
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.tasks.engagement.ranking import RANK_MEASURES
from postlens.tasks.engagement.records import PostFacts
from postlens.tasks.scoring import bootstrap_interval, expected_calibration_error, plain_interval, plain_number
from postlens.vision.cards import file_sha256
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

from engagement_pairs_export import PARITY, export_ranker, photo_weights  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
N_FOLDS = 5
N_COMPONENTS = 64  # 16, 128, 256 and 512 were not better by more than .002 of pair accuracy
PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
ALT_NO_WORDS = "no photo description"  # what the platform writes when it recognised nothing
MIN_WORD_POSTS = 40  # words of descriptions that fewer posts have are left out
N_RESAMPLES = 300
RATIOS = (1.25, 1.5, 2.0, 3.0)  # edges: the larger count by the smaller
DAYS = (7.0, 30.0, 100.0, 300.0)  # edges: between the two posts
SIDE_PX, QUALITY = 42, 75  # of the copies that stand for thumbnails
N_PHOTOS = 1500
N_FACE_THUMBNAILS = 300
DAY_S = 86_400.0
TREES = {"objective": "lambdarank", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 60, "lambda_l2": 20.0}
TREES |= {"feature_fraction": 0.4, "num_threads": 1, "deterministic": True, "seed": 0, "verbose": -1}
Float = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Posts:
    """N posts of accounts with two or more, in the order of the accounts."""

    facts: tuple[PostFacts, ...]
    vectors: Float  # (N, D)
    y: Float  # (N,) log(1 + likes)
    days: Float  # (N,) of publishing
    account: Ints  # (N,)
    fold: Ints  # (N,) of the account

    def __len__(self) -> int:
        return len(self.y)


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


def read_posts(folder: Path, *, cache: Path | None) -> Posts:
    """Posts with likes of accounts that have two or more; embeddings of their thumbnails, kept in `cache`."""
    kept = [
        [post for post in posts if "likes" in post.counts and post.published_at is not None]
        for posts in read_collection(folder).accounts.values()
    ]
    groups = [posts for posts in kept if len(posts) > 1]
    facts = tuple(post for posts in groups for post in posts)
    account = np.repeat(np.arange(len(groups)), [len(posts) for posts in groups])
    return Posts(
        facts,
        read_vectors(folder / POSTS, [int(post.post_id) for post in facts], cache=cache),
        np.log1p([post.counts["likes"] for post in facts]),
        np.array([post.published_at.timestamp() / DAY_S for post in facts if post.published_at]),
        account,
        (np.random.default_rng(0).permutation(len(groups)) % N_FOLDS)[account],
    )


def read_vectors(path: Path, lines: Sequence[int], *, cache: Path | None) -> Float:
    """(N, D) embeddings of the thumbnails on these lines of the collection."""
    if cache is not None and cache.is_file():
        with np.load(cache) as held:
            place = {int(line): row for row, line in enumerate(held["lines"])}
            return np.asarray(held["vectors"][[place[line] for line in lines]], np.float64)
    vectors = Encoder().embed(read_thumbnails(path, lines))[0]
    if cache is not None:
        np.savez(cache, lines=np.array(lines), vectors=vectors)
    return vectors.astype(np.float64)


def read_thumbnails(path: Path, lines: Sequence[int]) -> list[NDArray[np.uint8]]:
    """RGB thumbnails on these lines of the collection."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = {i: json.loads(text)["thumb_jpeg"] for i, text in enumerate(file)}
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(found[i]))).convert("RGB")) for i in lines]


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


# --- columns --------------------------------------------------------------------------------------------------------


def table(facts: Iterable[PostFacts]) -> dict[str, Float]:
    """Blocks of columns (N, .) by name, apart from the embedding."""
    posts = list(facts)
    shape = np.array([_aspect(post) for post in posts])[:, None]
    length = np.log1p([float(post.caption_length or 0) for post in posts])
    hashtags = np.array([float(post.n_hashtags or 0) for post in posts])
    tagged = np.array([float(post.n_tagged or 0) for post in posts])
    place = np.array([float(bool(post.has_location)) for post in posts])
    return {
        "measures": np.array([[(post.measures or {}).get(name, 0.0) for name in RANK_MEASURES[:-1]] for post in posts]),
        "shape": shape,
        "caption": np.column_stack([length, length**2, np.log1p(hashtags), hashtags > 0, hashtags > 10]),
        "tags": np.column_stack([np.log1p(tagged), tagged > 0, tagged > 5, place]),
        "description": describe([post.alt_text or "" for post in posts]),
    }


def _aspect(post: PostFacts) -> float:
    return post.media.width_px / post.media.height_px if post.media else 1.0


def describe(texts: Sequence[str]) -> Float:
    """(N, W) words of the automatic descriptions, and the number of people."""
    lower = [text.lower() for text in texts]
    words = [
        frozenset() if ALT_NO_WORDS in text else frozenset(re.findall("[a-z]+", text.split(":", 1)[-1]))
        for text in lower
    ]
    counts = Counter(word for found in words for word in found)
    vocabulary = sorted(word for word, n in counts.items() if n >= MIN_WORD_POSTS)
    people = np.array([_people(text) for text in lower])
    flags = [people == 1, people == 2, people > 2, np.log1p(people), [not found for found in words]]
    return np.column_stack([*([word in found for found in words] for word in vocabulary), *flags]).astype(np.float64)


def _people(text: str) -> float:
    found = re.search(r"(\d+) (?:person|people)", text)
    return float(found[1]) if found else 2.5 * ("one or more" in text)


def time_columns(days: Float) -> Float:
    """(N, 2) date and log age at the collection's newest post, both of about unit spread."""
    return np.column_stack([(days - days.mean()) / 300, np.log1p(days.max() - days)])


def components(vectors: Float) -> Float:
    """(D, K) principal directions of the rows."""
    return np.asarray(np.linalg.eigh(np.cov(vectors.T))[1][:, ::-1][:, :N_COMPONENTS])


# --- fitting --------------------------------------------------------------------------------------------------------


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


def faces_row(folder: Path, posts: Posts) -> dict[str, Any]:
    """Thumbnails whose description counts people: in how many the detector finds a face."""
    named = [int(post.post_id) for post in posts.facts if post.alt_text and _people(post.alt_text.lower()) > 0]
    drawn = np.random.default_rng(0).permutation(named)[:N_FACE_THUMBNAILS].tolist()
    detector, images = FaceDetector(), read_thumbnails(folder / POSTS, drawn)
    share = float(np.mean([len(detector.detect(image)) > 0 for image in images]))
    return {"case": "thumbnails with people in which a face is found", "n_pairs": len(images), "share": round(share, 4)}


# --- photographs ----------------------------------------------------------------------------------------------------


def read_photos(folder: Path, *, cache: Path | None) -> tuple[Float, Float, Ints]:
    """Embeddings (P, D) of niche photos and of their 42 px copies, and the number of each photo's source."""
    if cache is not None and cache.is_file():
        with np.load(cache) as held:
            return held["photos"].astype(np.float64), held["copies"].astype(np.float64), held["source"]
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:N_PHOTOS]]
    photos = [np.asarray(Image.open(folder / one["file"]).convert("RGB")) for one in drawn]
    source = np.unique([one["source_group"] for one in drawn], return_inverse=True)[1]
    encoder = Encoder()
    found = encoder.embed(photos)[0], encoder.embed([small_copy(photo) for photo in photos])[0]
    if cache is not None:
        np.savez(cache, photos=found[0], copies=found[1], source=source)
    return found[0].astype(np.float64), found[1].astype(np.float64), source


def small_copy(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A JPEG copy as small as the thumbnails."""
    picture, data = Image.fromarray(photo), io.BytesIO()
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    picture.save(data, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(data).convert("RGB"))


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
