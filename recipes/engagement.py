"""Run `python recipes/engagement.py --data ../shared/data`: posts with counts to the shipped engagement model.

About fifteen minutes on one of 2 shared cores (AMD EPYC); needs `postlens[train]` (LightGBM, onnx).

Every score is of accounts held out (folds of whole accounts), with `score_outcomes` as in `postlens evaluate`; each
post is forecast from earlier ones of its account. Margins of the interval are measured on the other folds. What was
chosen by hand (features, sizes of trees, loss, the anchor's numbers) was chosen on the accounts of four folds, training
on three; the fifth, on which nothing was chosen, has rows of its own.

Writes src/postlens/weights/engagement.{onnx,toml}, benchmarks/results/engagement.csv and engagement_ablation.csv; with
--accounts 300 the same path runs on that many accounts of each collection in a minute, into a folder that is deleted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

from engagement_ablation import ablation_rows  # noqa: E402
from engagement_data import Posts, read_posts  # noqa: E402
from engagement_drawn import drawn_rows  # noqa: E402
from engagement_pictures import Pictures, read_pictures  # noqa: E402
from engagement_scores import (  # noqa: E402
    COLD,
    LARGE_LAST,
    LARGE_WARM,
    PLAIN,
    TOLD,
    TOLD_COLD,
    WARM,
    WHOLE,
    fifths,
    held_out_outcomes,
    score,
    score_rows,
    write_csv,
)
from engagement_spread import measure_spread, spread_coverage  # noqa: E402
from engagement_views import Float, Shown, build_shown  # noqa: E402
from postlens.train.engagement_export import export_accounts  # noqa: E402
from postlens.train.engagement_fit import Boosting, account_folds, cross_validate, fit  # noqa: E402
from postlens.train.engagement_margins import margin_band, margins  # noqa: E402
from postlens.vision.cards import file_sha256, known  # noqa: E402
from postlens.vision.session import Session  # noqa: E402
from postlens.vision.zoo import WEIGHTS  # noqa: E402


@dataclass(frozen=True, slots=True)
class Places:
    """Where the model and the tables go."""

    weights: Path = WEIGHTS
    results: Path = ROOT / "benchmarks" / "results"


LICENCE = "Apache-2.0 (trees trained by recipes/engagement.py; the data is for research only)"
LIMITS = (
    "Likes only; other metrics get the account's median. Trained on posts of 2015-2019 by accounts of 1,000 to 43 "
    "million followers; below 1,000 followers it extrapolates. Followers are those at the time of counting, not of "
    "posting. With earlier posts the age of a count does not matter; counts of a post's first week are not used. "
    "Accounts with five or more earlier posts were large ones of 2017: for others the interval is at least that of an "
    "account that scatters as its earlier posts did. Pictures were 42-pixel thumbnails and enter as five measures of "
    "light, colour and symmetry, which add next to nothing beside a description of the picture; faces, niche of the "
    "picture and valence were not known in training and change nothing. Which of two posts of one account gets more is "
    "only a little better than a guess. Descriptions (alternative text) in English only."
)
TRAINED_ON = (
    "instagram_posts: 26,806 posts of 16,444 accounts with 42 px thumbnails (research use)",
    "engagement/gvsi_instagram_posts_2017: 11,332 posts of 764 large accounts, no pictures (public repository)",
)
CARD_SCORES = {
    "held_out_accounts": WHOLE,
    "held_out_accounts_with_earlier_posts": WARM,
    "held_out_accounts_without_history": COLD,
    "held_out_accounts_as_from_a_table": PLAIN,
    "held_out_accounts_niche_known": TOLD,
    "held_out_accounts_niche_known_without_history": TOLD_COLD,
    "held_out_2017_table_5_or_more_earlier_posts": LARGE_WARM,
    "held_out_2017_table_last_posts": LARGE_LAST,
}


def main() -> None:
    """Read, cross-validate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with instagram_posts/ and engagement/")
    parser.add_argument("--vectors", type=Path, help="where embeddings of the thumbnails are kept between runs (.npz)")
    parser.add_argument("--ablation", choices=["also", "only", "no"], default="also")
    parser.add_argument("--accounts", type=int, help="a trial on so many of each collection; nothing is shipped")
    arguments = parser.parse_args()
    posts = read_posts(arguments.data)
    if arguments.accounts is None:
        run(posts, Places(), ablation=arguments.ablation, vectors=arguments.vectors)
        return
    with TemporaryDirectory() as folder:
        run(first_accounts(posts, arguments.accounts), Places(Path(folder), Path(folder)), ablation="no", vectors=None)


def first_accounts(posts: Posts, n: int) -> Posts:
    """The first accounts of each collection."""
    few = (dict(islice(accounts.items(), n)) for accounts in (posts.small, posts.large))
    return Posts(*few, niches=posts.niches, sources=posts.sources)


def run(posts: Posts, places: Places, *, ablation: str, vectors: Path | None) -> None:
    """Cross-validate, ship and ablate, as asked for."""
    started = time.perf_counter()
    shown = build_shown(posts)
    small = shown.whole.account < posts.n_small
    line = np.polyfit(np.log1p(shown.whole.followers[small]), shown.whole.y[small], 1)
    print(f"line: intercept {line[1]:.3f}, slope {line[0]:.3f}; {time.perf_counter() - started:.0f} s")
    if ablation != "only":
        train_and_score(posts, shown, places)
        print(f"shipped; {time.perf_counter() - started:.0f} s")
    if ablation != "no":
        pictures = read_pictures(posts, cache=vectors)
        write_ablation(posts, shown, pictures, places)
    print(f"{time.perf_counter() - started:.0f} s")


def train_and_score(posts: Posts, shown: Shown, places: Places) -> None:
    """Cross-validate, write the scores, and ship the model of all accounts."""
    folds, boosting = account_folds(len(posts.accounts)), Boosting()
    held = cross_validate(shown, folds, boosting)
    outcomes = held_out_outcomes(shown, held, n_small=posts.n_small, folds=folds)
    found, spread = score(outcomes), measure_spread(posts.small, "comments")
    rows = [row for name, scores in found.items() for row in score_rows(name, scores)]
    rows += [row for name in (WHOLE, COLD, WARM, LARGE_WARM) for row in fifths(name, outcomes[name])]
    rows += spread_rows(posts, spread)
    card = card_fields(found, spread, posts)
    shipped = ship(posts, shown, boosting, raw=held.raw["whole"], card=card, weights=places.weights)
    rows += drawn_rows(shipped)
    write_csv(places.results / "engagement.csv", rows)
    print(*rows, sep="\n")


def ship(
    posts: Posts, shown: Shown, boosting: Boosting, *, raw: Float, card: Mapping[str, Any], weights: Path
) -> Session:
    """Train on every account; the margins are those of all held-out forecasts."""
    train = shown.training(np.ones(len(posts.accounts), bool), rng=np.random.default_rng(99))
    boosters = fit(train, boosting)
    margin = margins(raw, shown.whole.y, margin_band(shown.whole.x))
    probe = train.take(np.random.default_rng(1).permutation(len(train))).x
    spec, worst = export_accounts(boosters, margin, card, folder=weights, probe=probe)
    print(f"{spec.file}: parity {worst:.1e}, {(weights / spec.file).stat().st_size / 1e6:.2f} MB")
    return Session(spec, weights / spec.file)


def spread_rows(posts: Posts, spread: Mapping[str, float]) -> list[dict[str, Any]]:
    """Coverage of the forecast of other metrics."""
    cases = (("Instagram posts", posts.small, "comments"), ("2017 table", posts.large, "likes"))
    return [
        {"posts": f"{name}, median and spread of {metric}", **spread_coverage(accounts, metric, spread)}
        for name, accounts, metric in cases
    ]


def write_ablation(posts: Posts, shown: Shown, pictures: Pictures, places: Places) -> None:
    """What each group of features, and what pixels add."""
    rows = ablation_rows(posts, shown, account_folds(len(posts.accounts)), pictures)
    write_csv(places.results / "engagement_ablation.csv", rows)
    print(*rows, sep="\n")


def card_fields(found: Mapping[str, Mapping[str, Any]], spread: Mapping[str, float], posts: Posts) -> dict[str, Any]:
    """The card apart from what the file itself gives."""
    brief = {key: {**found[name], "by_account_size": None} for key, name in CARD_SCORES.items()}
    metrics = {**brief, "held_out_accounts": found[WHOLE]}
    return {
        "version": "3",
        "licence": LICENCE,
        "source": "recipes/engagement.py: LightGBM on accounts' posts with counts",
        "thresholds": dict(spread),
        "metrics": {key: known(scores) for key, scores in metrics.items()},
        "limits": LIMITS,
        "trained_on": TRAINED_ON,
        "train_manifests": tuple(file_sha256(path) for path in posts.sources),
    }


if __name__ == "__main__":
    main()
